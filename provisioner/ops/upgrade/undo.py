"""What becomes of an upgrade that failed: taken back where that loses nothing, said where it would.

Before the new release has served, the old one only has to be left alone, or started again. After it, the release says
what going back takes. A database that an offline migration has begun to change is restored by an operation of its own,
from the recovery point that was taken when nobody served: nothing is lost by that.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from provisioner.model.errors import ProvisionError, StuckError, UndoneError
from provisioner.model.json import JsonDict
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import StepContext
from provisioner.model.rollout.verdict import age
from provisioner.ops.awake import until
from provisioner.ops.closing import FENCE_DEADLINE
from provisioner.ops.converge import Converge
from provisioner.ops.desired import thaw_args
from provisioner.ops.house import House
from provisioner.ops.machine import command, machine_state, master_allowed
from provisioner.ops.points import Points
from provisioner.ops.scripts import Login, login_script
from provisioner.ops.upgrade import outage
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
from provisioner.ops.upgrade.served import reaches, served
from provisioner.ops.upgrade.stages import beside

START_DEADLINE = 900.0


class Undo:
    """Steps and hooks of `upgrade` for when it fails, over one house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._points = Points(house)
        self._converge = Converge(house)

    def undo(self, ctx: StepContext) -> JsonDict:
        """Take back what was done, if that loses nothing."""
        if failure(ctx) is None:
            return {"undone": None}
        if not reached(ctx, "beside"):
            return {"undone": True}  # it was sick before: nothing was done
        if served(self._house, ctx):
            return self._after(ctx)
        if reached(ctx, "migrate") and offline(ctx):
            return self._half_migrated(ctx)
        return self._back(ctx)

    def failed(self, ctx: StepContext, cause: str) -> None:
        """A step couldn't even be begun, or not be taken back. Until the old machine is closed, or requests may go
        elsewhere, the tenant is as it was."""
        record = self._house.ledger.tenant(ctx.tenant)
        if record is None or record.lifecycle is not Lifecycle.UPDATING:
            return
        goal = Lifecycle.FAILED if self._disturbed(ctx) else was(ctx)
        self._house.ledger.set_lifecycle(ctx.tenant, goal, cause=cause, operation_id=ctx.operation_id)

    def told(self, ctx: StepContext, found: JsonDict) -> ProvisionError:
        """What `finish` raises, with the tenant's lifecycle on the record."""
        cause, before, goal = str(found["failure"]), thaw_before(ctx), thaw_args(ctx.payload)
        undo = ctx.results["undo"]
        lifecycle = was(ctx) if undo["undone"] else Lifecycle.FAILED
        self._house.ledger.set_lifecycle(
            ctx.tenant,
            lifecycle,
            cause=None if lifecycle is Lifecycle.ACTIVE else cause,
            operation_id=ctx.operation_id,
        )
        if undo["undone"]:
            mend = f"provision upgrade {ctx.tenant} --to {goal.release} --mend, if that shall mend it"
            return UndoneError(
                f"{ctx.tenant} stays on {before.release}: {cause}",
                hint=mend if found.get("sick") else f"provision operations show {ctx.operation_id}",
            )
        if undo.get("restore"):
            return UndoneError(
                f"{ctx.tenant} must go back to {before.release}, with its database: {cause}",
                hint=f"provision restore {ctx.tenant} --to {undo['restore']}",
            )
        return StuckError(
            f"{ctx.tenant} is on {goal.release} and isn't well: {cause}\n{undo['loss']}", hint=str(undo["next"])
        )

    def _disturbed(self, ctx: StepContext) -> bool:
        """Whether the tenant may not be served, or may be by the new release, for all that can be known: the cloud may
        be what can't be asked."""
        whole = self._house.ledger.operation(ctx.operation_id)
        begun = {s.name for s in whole.steps if not s.result.get("skipped")} if whole else set()
        if outage.lasts(self._house, ctx) or not begun & {"attach", "switch"}:
            return outage.lasts(self._house, ctx)
        try:
            return reaches(self._house, ctx)
        except ProvisionError:
            return True

    def _after(self, ctx: StepContext) -> JsonDict:
        """The new release has served."""
        before, goal, verdict = thaw_before(ctx), thaw_args(ctx.payload), ctx.payload["undo"]
        if verdict == "code-only":
            self._start(ctx)
            outputs = bring(self._house, ctx, beside(before, goal))
            observe_machine(self._house, ctx, before, outputs.machine_id)
            return self._back(ctx)
        observe_machine(self._house, ctx, goal, new_machine(ctx))
        point: Any = ctx.results["snapshot"]
        since = datetime.fromisoformat(str(ctx.results["switch"].get("at") or point["taken_at"]))
        lost = f"{age(self._house.clock.now() - since)} of writes since {since:%Y-%m-%d %H:%M} UTC"
        upgrade = f"provision upgrade {ctx.tenant} --to"
        ways = f"when it is well again: {upgrade} {goal.release}, or {upgrade} A-LATER-RELEASE"
        if verdict == "one-way":
            loss = f"{goal.release} can't be taken back (undo: one-way): it only goes forward"
            return {"undone": False, "loss": loss, "next": ways}
        return {
            "undone": False,
            "loss": f"going back to {before.release} needs a restore, and would lose {lost}",
            "next": f"provision restore {ctx.tenant} --to {point['point']}, or {ways}",
        }

    def _back(self, ctx: StepContext) -> JsonDict:
        """The old release serves, alone."""
        before = thaw_before(ctx)
        self._start(ctx)
        bring(self._house, ctx, before)
        return {"undone": True, "health": self._seen(ctx, str(ctx.results["baseline"]["url"]))}

    def _half_migrated(self, ctx: StepContext) -> JsonDict:
        """Nobody may use the database until it is restored: it is closed to the product before the old machine, which
        the restore needs, starts again."""
        outputs = outputs_of(ctx, "beside")
        _, cloud = self._points.place(ctx)
        script = login_script("fence", Login.master(outputs), user=outputs.database_user, closed=True)
        if outputs.other_machine_id in {m.id for m in cloud.machines(ctx.tenant)}:
            with master_allowed(cloud, outputs.role_name, outputs.master_secret_arn):
                command(ctx, cloud, outputs.other_machine_id, script, "fence", FENCE_DEADLINE)
        self._start(ctx)
        bring(self._house, ctx, thaw_before(ctx))
        return {"undone": False, "restore": ctx.results["snapshot"]["point"]}

    def _start(self, ctx: StepContext) -> None:
        """The old machine runs again, where the upgrade stopped it."""
        if not offline(ctx):
            return
        machine = str(ctx.results["baseline"]["machine"])
        _, cloud = self._points.place(ctx)

        def running() -> str | None:
            state = machine_state(cloud, ctx.tenant, machine, "running")
            if state == "stopped":
                cloud.start_machine(machine)
            return state

        until(self._house, ctx, running, f"machine {machine}", START_DEADLINE)

    def _seen(self, ctx: StepContext, url: str) -> JsonDict:
        """Wait until the old release answers, on whatever schema an online migration has left. One that was ill before
        isn't waited for."""
        before = thaw_before(ctx)
        if ctx.results["baseline"].get("ill"):
            outage.end(self._house, ctx.tenant, ctx.operation_id)
            return asdict(self._house.prober.probe(url))
        found = self._converge.well(ctx, url, before, any_schema=True)
        outage.end(self._house, ctx.tenant, ctx.operation_id)
        if found.schema_version is not None:
            self._house.ledger.observe(ctx.tenant, "schema", {"version": found.schema_version})
        return asdict(found)


def was(ctx: StepContext) -> Lifecycle:
    """How the upgrade found the tenant: active, or stuck on a release that isn't well."""
    return Lifecycle(str(ctx.payload["was"]))
