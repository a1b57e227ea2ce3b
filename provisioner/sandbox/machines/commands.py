"""SSM Run Command: what the API says of commands, and who runs them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any

from moto.core.utils import utcnow
from moto.ssm.models import SimpleSystemManagerBackend, ssm_backends

from provisioner.sandbox.hooking import Refusal, around, not_supported
from provisioner.sandbox.machines import roles, states
from provisioner.sandbox.machines.machine import Machine
from provisioner.sandbox.machines.run import ERROR_CHARACTERS, OUTPUT_CHARACTERS, Outcome, Run, Script
from provisioner.sandbox.machines.scripts import plugin_of, script_of
from provisioner.sandbox.packages.agent import REBOOT
from provisioner.sandbox.world import World

_UNDER_WAY = {"Pending", "InProgress", "Cancelling"}
_KEPT = 500
_MOST_ROUNDS = 10  # of a script that asks for reboot after reboot
_REBOOT_SECONDS = 120.0
_INTERRUPTED = "interrupted: the machine was ended\n"
# A command's state is its worst invocation's.
_ORDER = ("InProgress", "Pending", "Cancelled", "TimedOut", "Failed", "Success")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Job:
    """One invocation under way: moto's command, the machine, and the wish to cancel."""

    command: Any
    invocation: dict[str, Any]
    machine: Machine
    cancelled: Event


class Commands:
    """Runs commands on machines, one thread for each invocation."""

    def __init__(self, world: World, find: Callable[[str], Machine | None]) -> None:
        self._world = world
        self._find = find
        self._jobs: dict[tuple[str, str], _Job] = {}

    def install(self) -> None:
        """Hook moto's SendCommand."""
        commands = self

        @around(SimpleSystemManagerBackend, "get_command_invocation")
        def get_command_invocation(_: Any, backend: Any, command_id: str, instance_id: str, plugin: str | None) -> Any:
            for command in backend.list_commands(None, instance_id):
                for invocation in command.invocations if command.command_id == command_id else ():
                    if invocation["InstanceId"] == instance_id and plugin in {None, invocation["PluginName"]}:
                        return invocation
            raise Refusal("InvocationDoesNotExist", f"command {command_id} has no invocation on {instance_id}")

        @around(SimpleSystemManagerBackend, "send_command")
        def send_command(original: Any, backend: Any, **kwargs: Any) -> Any:
            script_of(kwargs["document_name"], kwargs["parameters"], backend._documents)  # noqa: SLF001
            if kwargs.get("output_s3_bucket_name"):
                raise not_supported("the output of commands in S3")
            asked = kwargs["targets"] or []
            ids = commands._targets(kwargs["instance_ids"] or [], asked)
            # Moto takes a command without targets for one to all machines; so it gets targets that say it all.
            kwargs |= {"instance_ids": [], "targets": [{"Key": "instance-id", "Values": ids}]}
            command = original(backend, **kwargs)
            command.targets, command.instance_ids = asked, ids
            command.invocations = [_fresh(command, i) for i in ids]
            _summarize(command)
            del backend._commands[:-_KEPT]  # noqa: SLF001 - moto keeps them nowhere else
            for invocation in command.invocations:
                commands._begin(command, invocation)
            return command

    def restore(self) -> None:
        """Go on with what was under way when the last daemon ended."""
        with self._world.lock:
            for backend in ssm_backends[self._world.account].values():
                for command in backend._commands:  # noqa: SLF001
                    for invocation in command.invocations:
                        if invocation["Status"] in _UNDER_WAY:
                            self._begin(command, invocation)

    def cancel(self, command: Any, instance_ids: list[str]) -> None:
        """Cancel what is under way of a command, on these machines or all. Needs the world's lock."""
        for invocation in command.invocations:
            job = self._jobs.get((command.command_id, invocation["InstanceId"]))
            if job and (not instance_ids or invocation["InstanceId"] in instance_ids):
                invocation["Status"] = invocation["StatusDetails"] = "Cancelling"
                job.cancelled.set()
        _summarize(command)

    def managed(self, instance: Any) -> bool:
        """Whether SSM knows the instance: it has had a role to register with. Needs the world's lock."""
        return roles.role_of(instance) is not None

    def _targets(self, ids: list[str], targets: list[dict[str, Any]]) -> list[str]:
        wanted = list(ids)
        for target in targets:
            if target["Key"] == "InstanceIds":
                wanted += target["Values"]
            elif target["Key"].startswith("tag:"):
                wanted += self._tagged(target["Key"].removeprefix("tag:"), target["Values"])
            else:
                raise not_supported(f"the target {target['Key']}")
        wanted = list(dict.fromkeys(wanted))
        unusable = [i for i in wanted if not self._usable(i)]
        if unusable:
            raise Refusal(
                "InvalidInstanceId",
                f"Instances [[{', '.join(unusable)}]] not in a valid state for account {self._world.account}",
            )
        return wanted

    def _tagged(self, key: str, values: list[str]) -> list[str]:
        return [
            i.id
            for i in states.all_instances(self._world.account)
            if self._usable(i.id) and (i.ec2_backend.tags.get(i.id) or {}).get(key) in values
        ]

    def _usable(self, instance_id: str) -> bool:
        machine = self._find(instance_id)
        return (
            machine is not None
            and states.state_of(machine.instance) == states.RUNNING
            and self.managed(machine.instance)
        )

    def _begin(self, command: Any, invocation: dict[str, Any]) -> None:
        machine = self._find(invocation["InstanceId"])
        if machine is None:
            _end(command, invocation, Outcome("Failed", -1, "", _INTERRUPTED))
            return
        job = _Job(command, invocation, machine, Event())
        self._jobs[command.command_id, invocation["InstanceId"]] = job
        if invocation["Status"] == "Cancelling":
            job.cancelled.set()
        Thread(target=self._carry_out, args=(job,), name=f"command-{command.command_id}", daemon=True).start()

    def _carry_out(self, job: _Job) -> None:
        runs: list[Run] = []
        try:
            outcome = self._outcome(job, runs)
        except Exception as error:  # whatever it was, the command must not stay under way
            log.exception("command %s on %s", job.command.command_id, job.invocation["InstanceId"])
            outcome = Outcome("Failed", -1, "", f"the sandbox could not run it: {error}\n")
        with self._world.lock:
            _end(job.command, job.invocation, outcome)
            self._jobs.pop((job.command.command_id, job.invocation["InstanceId"]), None)
        self._world.commit()  # only then the files, which say the same, may go
        for run in runs:
            run.remove()

    def _outcome(self, job: _Job, runs: list[Run]) -> Outcome:
        """All rounds of the script, of which each one's Run is added to `runs`."""
        command, stdout, stderr = job.command, "", ""
        backend = ssm_backends[self._world.account][command.backend_region]
        script = script_of(command.document_name, command.parameters, backend._documents)  # noqa: SLF001
        while True:
            runs.append(Run(job.machine.body, command.command_id, len(runs)))
            outcome = self._round(job, script, runs[-1])
            stdout, stderr = stdout + outcome.stdout, stderr + outcome.stderr
            if outcome.status != "Failed" or outcome.code != REBOOT or len(runs) == _MOST_ROUNDS:
                break
            if not job.machine.reboot_and_wait(runs[-1].boot, _REBOOT_SECONDS):
                outcome, stderr = Outcome("Failed", -1, "", ""), stderr + _INTERRUPTED
                break
        return replace(outcome, stdout=stdout[:OUTPUT_CHARACTERS], stderr=stderr[:ERROR_CHARACTERS])

    def _round(self, job: _Job, script: Script, run: Run) -> Outcome:
        left, begun = script.timeout, job.invocation["ExecutionStartDateTime"]
        if begun:
            left -= (datetime.now(UTC) - datetime.fromisoformat(begun)).total_seconds()
        if not run.begun:
            self._world.commit()
            if job.cancelled.is_set():
                return Outcome("Cancelled", -1, "", "")
            if not begun and utcnow() > job.command.expires_after:
                return Outcome("TimedOut", -1, "", "")
            if not job.machine.run(lambda: run.start(script)):
                return Outcome("Failed", -1, "", _INTERRUPTED)
            with self._world.lock:
                if not job.cancelled.is_set():
                    job.invocation["Status"] = job.invocation["StatusDetails"] = "InProgress"
                job.invocation["ExecutionStartDateTime"] = begun or _now()
                _summarize(job.command)
                self._world.dirty()
        return run.wait(left, job.cancelled.is_set)


def _fresh(command: Any, instance_id: str) -> dict[str, Any]:
    return dict(command.invocation_response(instance_id, plugin_of(command.document_name))) | {
        "Status": "Pending",
        "StatusDetails": "Pending",
        "ResponseCode": -1,
        "ExecutionStartDateTime": "",
        "ExecutionElapsedTime": "",
        "ExecutionEndDateTime": "",
        "StandardErrorUrl": "",
    }


def _end(command: Any, invocation: dict[str, Any], outcome: Outcome) -> None:
    begun = invocation["ExecutionStartDateTime"]
    elapsed = datetime.now(UTC) - datetime.fromisoformat(begun) if begun else timedelta()
    details = outcome.status
    if outcome.status == "TimedOut":
        details = "ExecutionTimedOut" if begun else "DeliveryTimedOut"
    invocation |= {
        "Status": outcome.status,
        "StatusDetails": details,
        "ResponseCode": outcome.code,
        "ExecutionElapsedTime": f"PT{elapsed.total_seconds():.3f}S" if begun else "",
        "ExecutionEndDateTime": _now() if begun else "",
        "StandardOutputContent": outcome.stdout,
        "StandardErrorContent": outcome.stderr,
    }
    _summarize(command)


def _summarize(command: Any) -> None:
    """The command's own state, from its invocations'."""
    found = {i["Status"] for i in command.invocations}
    ended = [i for i in command.invocations if i["Status"] not in _UNDER_WAY]
    status = "Cancelling" if "Cancelling" in found else next((s for s in _ORDER if s in found), "Success")
    command.status = command.status_details = status
    command.target_count = len(command.invocations)
    command.completed_count = len(ended)
    command.error_count = sum(i["Status"] in {"Failed", "TimedOut"} for i in ended)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
