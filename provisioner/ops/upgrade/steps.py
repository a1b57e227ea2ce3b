"""The operation `upgrade`: the old release serves until the new one has proven itself on a machine of its own.

A failure of a step between `beside` and `remove` is a result, not an end: the steps after it are skipped, `undo` takes
back what was done, and `finish` says why. What isn't about the release (^C, a lost lease, credentials) is raised, and
the operation goes on later.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from provisioner.model.cloud import Health
from provisioner.model.errors import AuthenticationError, CancelledError, LeaseLostError, ProvisionError
from provisioner.model.json import JsonDict
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import Cloud, OperationDefinition, OperationStepDefinition, StepContext
from provisioner.model.rollout.frozen import why_not_now
from provisioner.model.rollout.strategy import Gate
from provisioner.model.stack import StackOutputs
from provisioner.ops.converge import MIGRATION_DEADLINE, Converge, mismatch
from provisioner.ops.desired import thaw_args, thaw_target
from provisioner.ops.house import House
from provisioner.ops.machine import answer, command, machine_state
from provisioner.ops.points import Points, until
from provisioner.ops.scripts import gate_script, migrate_script
from provisioner.ops.upgrade.gate import answers, judge
from provisioner.ops.upgrade.stages import beside, switched
from provisioner.ops.upgrade.undo import Undo, bring, failure, observe_machine, reached, thaw_before

STOP_DEADLINE = 900.0
TARGET_DEADLINE = 600.0
_SETTLED = ("draining", "initial")

Run = Callable[[StepContext], JsonDict]


class Upgrade:
    """Steps of `upgrade`, over one house. The payload: `args` (the goal), `before` (as it is), `gate`, `migration`,
    `undo` (both of the release), `point`, and in a rollout `when` (its rules of time)."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._points = Points(house)
        self._converge = Converge(house)
        self._undo = Undo(house)

    def definitions(self) -> dict[str, OperationDefinition]:
        """The kind by name."""
        points = self._points
        steps: tuple[tuple[str, Run], ...] = (
            ("baseline", self.baseline),
            ("beside", self.careful(self.beside)),
            ("close", self.careful(self.close)),
            ("mark", self.careful(self.mark)),
            ("snapshot", self.careful(points.snapshot)),
            ("copy", self.careful(points.copy)),
            ("migrate", self.careful(self.migrate)),
            ("gate", self.careful(self.gate)),
            ("attach", self.careful(self.attach)),
            ("switch", self.careful(self.switch)),
            ("settle", self.careful(self.settle)),
            ("undo", self._undo.undo),
            ("remove", self.remove),
            ("finish", self.finish),
        )
        definitions = tuple(OperationStepDefinition(name, run) for name, run in steps)
        return {
            "upgrade": OperationDefinition(
                "upgrade",
                "it is being moved to another release",
                definitions,
                started=self.started,
                failed=self._undo.failed,
            )
        }

    def careful(self, run: Run) -> Run:
        """The step, whose failure is a result; nothing where an earlier one has failed."""

        def step(ctx: StepContext) -> JsonDict:
            if failure(ctx) is not None:
                return {"skipped": True}
            try:
                return run(ctx)
            except (AuthenticationError, CancelledError, LeaseLostError):
                raise
            except ProvisionError as error:
                if ctx.cancel.is_set():
                    raise
                return {"failure": error.message[:2000]}

        return step

    def started(self, ctx: StepContext) -> None:
        """On the record, whatever comes."""
        self._house.ledger.set_lifecycle(ctx.tenant, Lifecycle.UPDATING, operation_id=ctx.operation_id)

    def baseline(self, ctx: StepContext) -> JsonDict:
        """Whether it may be now, and how it is before anything is changed: a tenant that is sick already is left alone,
        and not charged to the release."""
        late = why_not_now(ctx.payload["when"], self._house.clock.now()) if ctx.payload.get("when") else None
        if late is not None:
            return {"failure": f"it may not be changed now: {late}", "not_now": True}
        outputs, before = self._points.outputs(ctx), thaw_before(ctx)
        seen = self._house.prober.probe(outputs.url)
        wrong = mismatch(seen, before)
        if wrong is not None:
            return {"failure": f"it was sick before the upgrade: {wrong}", "sick": True}
        return {"health": asdict(seen), "machine": outputs.machine_id, "url": outputs.url}

    def beside(self, ctx: StepContext) -> JsonDict:
        """The new machine comes up beside the old one; nothing else changes."""
        return {"outputs": asdict(bring(self._house, ctx, beside(thaw_before(ctx), thaw_args(ctx.payload))))}

    def close(self, ctx: StepContext) -> JsonDict:
        """Nobody may serve during an offline migration: the old machine stops, and its outage begins."""
        if ctx.payload["migration"] != "offline":
            return {"closed": None}
        _, cloud = self._points.place(ctx)
        machine, at = str(ctx.results["baseline"]["machine"]), self._house.clock.now()
        cloud.stop_machine(machine)
        until(
            self._house,
            ctx,
            lambda: machine_state(cloud, ctx.tenant, machine, "stopped"),
            f"machine {machine}",
            STOP_DEADLINE,
        )
        return {"closed": machine, "at": at.isoformat()}

    def mark(self, ctx: StepContext) -> JsonDict:
        """The recovery point's sentinel row, by the new machine: the old one may be closed."""
        args, cloud = self._points.place(ctx)
        return self._points.sign(ctx, args, cloud, machine=_outputs(ctx, "beside").other_machine_id)

    def migrate(self, ctx: StepContext) -> JsonDict:
        """The new release's own migration, on its machine."""
        _, cloud = self._points.place(ctx)
        began = self._house.clock.monotonic()
        command(ctx, cloud, _outputs(ctx, "beside").other_machine_id, migrate_script(), "migrate", MIGRATION_DEADLINE)
        return {"seconds": round(self._house.clock.monotonic() - began, 1)}

    def gate(self, ctx: StepContext) -> JsonDict:
        """May it serve? Asked on its own machine: nobody else reaches it yet."""
        _, cloud = self._points.place(ctx)
        gate = _gate(ctx)
        script, limit = gate_script(gate.warm_up, gate.samples, gate.seconds), gate.warm_up + gate.seconds + 120.0
        raw = answer(ctx, cloud, _outputs(ctx, "beside").other_machine_id, script, "gate", limit)
        return self._judged(ctx, gate, answers(raw), "the new release didn't pass the gate")

    def attach(self, ctx: StepContext) -> JsonDict:
        """A balancer gets to know the new machine before it leaves the old one."""
        before, goal = thaw_before(ctx), thaw_args(ctx.payload)
        if before.sizing.front != "balancer":
            return {"attached": None}
        outputs = bring(self._house, ctx, beside(before, goal, attached=True))
        _, cloud = self._points.place(ctx)
        machine = outputs.other_machine_id

        def look() -> str | None:
            state = cloud.target_health(outputs.target_group_arn, machine)
            return None if state == "healthy" else state

        until(self._house, ctx, look, f"the balancer's target {machine}", TARGET_DEADLINE)
        return {"attached": machine}

    def switch(self, ctx: StepContext) -> JsonDict:
        """The new machine serves."""
        goal = thaw_args(ctx.payload)
        outputs = bring(self._house, ctx, switched(thaw_before(ctx), goal))
        observe_machine(self._house, ctx, goal, outputs)
        return {"outputs": asdict(outputs), "at": self._house.clock.now().isoformat()}

    def settle(self, ctx: StepContext) -> JsonDict:
        """The same look through the tenant's own address."""
        gate, url = _gate(ctx), _outputs(ctx, "switch").url
        goal = thaw_args(ctx.payload)
        until(
            self._house,
            ctx,
            lambda: mismatch(self._house.prober.probe(url), goal),
            f"{url}/healthz",
            float(gate.warm_up),
        )
        seen = []
        for number in range(gate.samples):
            if number:
                self._pause(ctx, gate.settle / max(1, gate.samples - 1))
            seen.append(self._house.prober.probe(url))
        return self._judged(ctx, gate, seen, "after the switch")

    def remove(self, ctx: StepContext) -> JsonDict:
        """The old machine goes, when what it was still asked is answered."""
        if ctx.results["undo"]["undone"] or not reached(ctx, "switch"):
            return {"removed": None}
        outputs, old = _outputs(ctx, "switch"), str(ctx.results["baseline"]["machine"])
        _, cloud = self._points.place(ctx)
        if outputs.target_group_arn:
            self._drained(ctx, cloud, outputs.target_group_arn, old)
        stack = bring(self._house, ctx, thaw_args(ctx.payload))
        resources: Any = self._house.engine(thaw_target(ctx.payload)).export(self._house.stack(thaw_args(ctx.payload)))
        return {
            "removed": old,
            "outputs": asdict(stack),
            "resources": len(resources["deployment"]["resources"]),
        }

    def finish(self, ctx: StepContext) -> JsonDict:
        """On the record. Raises UndoneError where it came to nothing, RefusedError where it can't be undone."""
        found = failure(ctx)
        if found is not None:
            raise self._undo.told(ctx, found)
        results = {
            **ctx.results,
            "stack": ctx.results["remove"],
            "health": {"health": ctx.results["settle"]["health"]},
        }
        done = self._converge.finish(replace(ctx, results=results))
        closed, switch = ctx.results["close"], ctx.results["switch"]
        outage = _seconds(str(closed["at"]), str(switch["at"])) if closed.get("closed") else None
        return {**done, "from": thaw_before(ctx).release, "outage_seconds": outage}

    def _judged(self, ctx: StepContext, gate: Gate, seen: list[Health], where: str) -> JsonDict:
        wrong = judge(gate, seen, thaw_args(ctx.payload))
        if wrong is not None:
            return {"failure": f"{where}: {wrong}", "health": asdict(seen[-1]) if seen else None}
        return {"health": asdict(seen[-1]), "answers": len(seen)}

    def _drained(self, ctx: StepContext, cloud: Cloud, group: str, machine: str) -> None:
        def look() -> str | None:
            state = cloud.target_health(group, machine)
            return state if state in _SETTLED else None

        until(self._house, ctx, look, f"the last requests of {machine}", TARGET_DEADLINE)

    def _pause(self, ctx: StepContext, seconds: float) -> None:
        end = self._house.clock.monotonic() + seconds
        while (left := end - self._house.clock.monotonic()) > 0:
            if ctx.cancel.is_set():
                raise CancelledError("the upgrade was stopped while it watched the new release")
            self._house.clock.sleep(min(left, 0.5))


def _gate(ctx: StepContext) -> Gate:
    return Gate(**ctx.payload["gate"])  # type: ignore[arg-type]


def _outputs(ctx: StepContext, step: str) -> StackOutputs:
    return StackOutputs(**ctx.results[step]["outputs"])  # type: ignore[arg-type]


def _seconds(began: str, ended: str) -> float:
    return round((datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds(), 1)
