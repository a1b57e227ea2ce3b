"""The operation `upgrade`: the old release serves until the new one has proven itself on a machine of its own.

A failure of a step between `beside` and `remove` is a result, not an end: the steps after it are skipped, `undo` takes
back what was done, and `finish` says why. What isn't about the release (^C, a lost lease, credentials) is raised, and
the operation goes on later.
"""

from dataclasses import asdict, replace
from functools import partial
from typing import Any

from provisioner.model.cloud import Health
from provisioner.model.errors import CancelledError, ProvisionError
from provisioner.model.json import JsonDict
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import Cloud, OperationDefinition, OperationStepDefinition, StepContext
from provisioner.model.rollout.strategy import Gate
from provisioner.ops.awake import until
from provisioner.ops.converge import MIGRATION_DEADLINE, Converge, mismatch
from provisioner.ops.cut_off import refuse_overtaken
from provisioner.ops.desired import thaw_args, thaw_target
from provisioner.ops.house import House
from provisioner.ops.machine import answer, command, machine_state
from provisioner.ops.points import Points
from provisioner.ops.scripts import gate_script, migrate_script
from provisioner.ops.upgrade import outage, readiness
from provisioner.ops.upgrade.bring import (
    bring,
    failure,
    new_machine,
    observe_machine,
    offline,
    outputs_of,
    reached,
    thaw_before,
)
from provisioner.ops.upgrade.gate import answers, judge
from provisioner.ops.upgrade.patience import NOT_THE_RELEASE_S, Run, patient
from provisioner.ops.upgrade.stages import beside, switched
from provisioner.ops.upgrade.undo import Undo

STOP_DEADLINE = 900.0
TARGET_DEADLINE = 600.0
_SETTLED = ("draining", "initial")


class Upgrade:
    """Steps of `upgrade`, over one house. The payload: `args` (the goal), `before` (as it is), `gate`, `migration`,
    `undo` (both of the release), `point`, `was` (the tenant's lifecycle before), `mends` (one that is ill is moved,
    too), and in a rollout `when` (its rules of time)."""

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
            ("beside", self.careful(self.patient(self.beside))),
            ("close", self.careful(self.patient(self.close))),
            ("mark", self.careful(self.mark)),
            ("snapshot", self.careful(self.patient(points.snapshot))),
            ("copy", self.careful(self.patient(points.copy))),
            ("migrate", self.careful(self.migrate)),
            ("gate", self.careful(self.gate)),
            ("attach", self.careful(self.patient(self.attach))),
            ("switch", self.careful(self.patient(self.switch))),
            ("settle", self.careful(self.settle)),
            ("undo", self.patient(self._undo.undo)),
            ("remove", self.patient(self.remove)),
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

    def patient(self, run: Run) -> Run:
        """The step, tried again where the cloud was busy. None that runs what the release brought: its words may be
        anything."""
        return patient(self._house, run)

    def careful(self, run: Run) -> Run:
        """The step, whose failure is a result; nothing where an earlier one has failed."""

        def step(ctx: StepContext) -> JsonDict:
            if failure(ctx) is not None:
                return {"skipped": True}
            try:
                return run(ctx)
            except NOT_THE_RELEASE_S:
                raise
            except ProvisionError as error:
                if ctx.cancel.is_set():
                    raise
                return {"failure": error.message[:2000]}

        return step

    def started(self, ctx: StepContext) -> None:
        """On the record, whatever comes. Raises RefusedError where something else has changed the tenant since."""
        refuse_overtaken(self._house, ctx)
        self._house.ledger.set_lifecycle(ctx.tenant, Lifecycle.UPDATING, operation_id=ctx.operation_id)

    def baseline(self, ctx: StepContext) -> JsonDict:
        """Whether it may be now, and how it is before anything is changed: a tenant that is sick already is left alone,
        and not charged to the release; unless this upgrade is to mend it."""
        late = readiness.late(self._house, ctx)
        if late is not None:
            return late
        outputs = self._points.outputs(ctx)
        health, wrong = readiness.seen(self._house, outputs.url, thaw_before(ctx), partial(self._pause, ctx))
        if wrong is not None and not ctx.payload.get("mends"):
            return {"failure": f"it was sick before the upgrade: {wrong}", "sick": True}
        return {"health": asdict(health), "machine": outputs.machine_id, "url": outputs.url, "ill": wrong}

    def beside(self, ctx: StepContext) -> JsonDict:
        """The new machine comes up beside the old one; nothing else changes."""
        return {"outputs": asdict(bring(self._house, ctx, beside(thaw_before(ctx), thaw_args(ctx.payload))))}

    def close(self, ctx: StepContext) -> JsonDict:
        """Nobody may serve during an offline migration: the old machine stops, and its outage begins. Nothing was
        disturbed before: an upgrade that was cut off, and goes on when its time is over, is taken back."""
        late = None if outage.lasts(self._house, ctx) else readiness.late(self._house, ctx)
        if late is not None or not offline(ctx):
            return late or {"closed": None}
        _, cloud = self._points.place(ctx)
        machine = str(ctx.results["baseline"]["machine"])
        outage.begin(self._house, ctx)
        cloud.stop_machine(machine)
        until(
            self._house,
            ctx,
            lambda: machine_state(cloud, ctx.tenant, machine, "stopped"),
            f"machine {machine}",
            STOP_DEADLINE,
        )
        return {"closed": machine}

    def mark(self, ctx: StepContext) -> JsonDict:
        """The recovery point's sentinel row, by the new machine: the old one may be closed."""
        args, cloud = self._points.place(ctx)
        return self._points.sign(ctx, args, cloud, machine=new_machine(ctx))

    def migrate(self, ctx: StepContext) -> JsonDict:
        """The new release's own migration, on its machine."""
        _, cloud = self._points.place(ctx)
        began = self._house.clock.monotonic()
        command(ctx, cloud, new_machine(ctx), migrate_script(), "migrate", MIGRATION_DEADLINE)
        return {"seconds": round(self._house.clock.monotonic() - began, 1)}

    def gate(self, ctx: StepContext) -> JsonDict:
        """May it serve? Asked on its own machine: nobody else reaches it yet."""
        _, cloud = self._points.place(ctx)
        gate = _gate(ctx)
        script, limit = gate_script(gate.warm_up, gate.samples, gate.seconds), gate.warm_up + gate.seconds + 120.0
        raw = answer(ctx, cloud, new_machine(ctx), script, "gate", limit)
        return self._judged(ctx, gate, answers(raw), "the new release didn't pass the gate")

    def attach(self, ctx: StepContext) -> JsonDict:
        """A balancer gets to know the new machine before it leaves the old one. Not where that is stopped: the balancer
        would send requests to the new one at once, before the switch."""
        before, goal = thaw_before(ctx), thaw_args(ctx.payload)
        if before.sizing.front != "balancer" or offline(ctx):
            return {"attached": None}
        outputs = bring(self._house, ctx, beside(before, goal, attached=True))
        self._taken(ctx, outputs.target_group_arn)
        return {"attached": outputs.other_machine_id}

    def switch(self, ctx: StepContext) -> JsonDict:
        """The new machine serves."""
        goal = thaw_args(ctx.payload)
        outputs = bring(self._house, ctx, switched(thaw_before(ctx), goal))
        observe_machine(self._house, ctx, goal, outputs.machine_id)
        return {"outputs": asdict(outputs), "at": self._house.clock.now().isoformat()}

    def settle(self, ctx: StepContext) -> JsonDict:
        """The same look through the tenant's own address."""
        gate, outputs, goal = _gate(ctx), outputs_of(ctx, "switch"), thaw_args(ctx.payload)
        url = outputs.url
        if outputs.target_group_arn and not ctx.results["attach"]["attached"]:
            self._taken(ctx, outputs.target_group_arn)
        until(
            self._house,
            ctx,
            lambda: mismatch(self._house.prober.probe(url), goal),
            f"{url}/healthz",
            float(gate.warm_up),
        )
        outage.end(self._house, ctx.tenant, ctx.operation_id)
        return self._sampled(ctx, url, gate)

    def remove(self, ctx: StepContext) -> JsonDict:
        """The old machine goes, when what it was still asked is answered."""
        undo = ctx.results["undo"]
        if undo["undone"] or undo.get("restore"):
            return {"removed": None}
        group, old = outputs_of(ctx, "beside").target_group_arn, str(ctx.results["baseline"]["machine"])
        _, cloud = self._points.place(ctx)
        if group and reached(ctx, "switch"):
            self._drained(ctx, cloud, group, old)
        stack = bring(self._house, ctx, thaw_args(ctx.payload))
        resources: Any = self._house.engine(thaw_target(ctx.payload)).export(self._house.stack(thaw_args(ctx.payload)))
        return {
            "removed": old,
            "outputs": asdict(stack),
            "resources": len(resources["deployment"]["resources"]),
        }

    def finish(self, ctx: StepContext) -> JsonDict:
        """On the record. Raises UndoneError where it came to nothing, StuckError where it can't be undone. When that is
        tried again, it is looked whether the tenant is well by now."""
        found, settled = failure(ctx), ctx.results["settle"]
        if found is not None:
            settled = self._again(ctx) if ctx.results["remove"]["removed"] else found
            if settled.get("failure"):
                raise self._undo.told(ctx, found)
        outage.end(self._house, ctx.tenant, ctx.operation_id)
        results = {**ctx.results, "stack": ctx.results["remove"], "health": {"health": settled["health"]}}
        done = self._converge.finish(replace(ctx, results=results))
        return {
            **done,
            "from": thaw_before(ctx).release,
            "outage_seconds": outage.seconds_of(self._house, ctx.tenant, ctx.operation_id),
            "was_ill": ctx.results["baseline"]["ill"],
        }

    def _again(self, ctx: StepContext) -> JsonDict:
        """How a tenant is that was stuck; the failure on the record where nobody asks for a second look."""
        whole = self._house.ledger.operation(ctx.operation_id)
        tries = next((s.attempts for s in whole.steps if s.name == "finish"), 1) if whole else 1
        if tries == 1:
            return {"failure": "it was looked at a moment ago"}
        url = self._points.outputs(ctx).url
        return self._sampled(ctx, url, _gate(ctx))

    def _sampled(self, ctx: StepContext, url: str, gate: Gate) -> JsonDict:
        seen = []
        for number in range(gate.samples):
            if number:
                self._pause(ctx, gate.settle / max(1, gate.samples - 1))
            seen.append(self._house.prober.probe(url))
        return self._judged(ctx, gate, seen, "after the switch")

    def _judged(self, ctx: StepContext, gate: Gate, seen: list[Health], where: str) -> JsonDict:
        wrong = judge(gate, seen, thaw_args(ctx.payload))
        if wrong is not None:
            return {"failure": f"{where}: {wrong}", "health": asdict(seen[-1]) if seen else None}
        return {"health": asdict(seen[-1]), "answers": len(seen)}

    def _taken(self, ctx: StepContext, group: str) -> None:
        """Wait until the balancer sends requests to the new machine."""
        _, cloud = self._points.place(ctx)
        machine = new_machine(ctx)

        def look() -> str | None:
            state = cloud.target_health(group, machine)
            return None if state == "healthy" else state

        until(self._house, ctx, look, f"the balancer's target {machine}", TARGET_DEADLINE)

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
