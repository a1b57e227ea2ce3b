"""The operation `patch`: recovery point, patches, the database's newest minor version, a reboot, and a look whether the
tenant is well.

It is looked first what is missing: where that is nothing, nothing is done. A package that can't be installed is a
result, and the tenant serves on; a tenant that isn't well after it is a failure of the step, which is tried again when
the operation goes on. Nothing is taken back: a restore of the recovery point brings the machine of before.
"""

from typing import Any

from provisioner.model.change import Event, EventKind
from provisioner.model.cloud import Health
from provisioner.model.errors import (
    AuthenticationError,
    CancelledError,
    LeaseLostError,
    ProvisionError,
    RefusedError,
    UndoneError,
)
from provisioner.model.json import JsonDict
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.patch.evidence import KIND, evidence
from provisioner.model.patch.scan import FACT, Scan, behind
from provisioner.model.ports import Cloud, OperationDefinition, OperationStepDefinition, StepContext
from provisioner.model.rollout.strategy import Gate
from provisioner.ops.awake import until
from provisioner.ops.converge import Converge, mismatch
from provisioner.ops.cut_off import overtaken
from provisioner.ops.desired import thaw_args
from provisioner.ops.house import House
from provisioner.ops.machine import resume_hint
from provisioner.ops.patch import minors
from provisioner.ops.patch.look import SCAN_DEADLINE, observe, policy_of
from provisioner.ops.points import Points
from provisioner.ops.upgrade import readiness
from provisioner.ops.upgrade.bring import failure
from provisioner.ops.upgrade.gate import judge
from provisioner.ops.upgrade.patience import Run, patient

PATCH = "patch"
INSTALL_DEADLINE = 3600.0
REBOOT_DEADLINE = 1800.0


class Patching:
    """Steps of `patch`, over one house. The payload: `args` (the stack as it is), `point`, `policy`, `exceptions`,
    `hooks` (documents that run around the installation), `gate`, `mends` (one that is ill is patched, too), `when` (its
    rules of time), `rollout`, `by`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._points = Points(house)
        self._converge = Converge(house)

    def definitions(self) -> dict[str, OperationDefinition]:
        """The kind by name."""
        points = self._points
        steps: tuple[tuple[str, Run], ...] = (
            ("baseline", self.baseline),
            ("scan", self.needed(self.scan)),
            ("mark", self.needed(points.mark)),
            ("snapshot", self.needed(patient(self._house, points.snapshot))),
            ("copy", self.needed(patient(self._house, points.copy))),
            ("install", self.needed(self.install)),
            ("database", self.needed(self.database)),
            ("reboot", self.needed(self.reboot)),
            ("gate", self.needed(self.gate)),
            ("rescan", self.needed(self.rescan)),
            ("finish", self.finish),
        )
        definitions = tuple(OperationStepDefinition(name, run) for name, run in steps)
        reason = "patches are being installed"
        return {PATCH: OperationDefinition(PATCH, reason, definitions, started=self.started, failed=self.failed)}

    def needed(self, run: Run) -> Run:
        """The step; nothing where it may not be, or where nothing is missing."""

        def step(ctx: StepContext) -> JsonDict:
            idle = failure(ctx) is not None or ctx.results.get("scan", {}).get("complete")
            return {"skipped": True} if idle else run(ctx)

        return step

    def started(self, ctx: StepContext) -> None:
        """On the record, whatever comes. Raises RefusedError where something else has changed the tenant since."""
        newest = overtaken(self._house, ctx)
        if newest is not None:
            raise RefusedError(
                f"patch {ctx.operation_id} of {ctx.tenant} can't go on: {newest.kind} {newest.id} changed the tenant "
                "since; nothing was done",
                hint=f"provision patch install {ctx.tenant}",
            )
        self._house.ledger.set_lifecycle(ctx.tenant, Lifecycle.UPDATING, operation_id=ctx.operation_id)

    def failed(self, ctx: StepContext, cause: str) -> None:
        """Before anything is installed the tenant is as it was; after that its product says how it is."""
        record = self._house.ledger.tenant(ctx.tenant)
        if record is None or record.lifecycle is not Lifecycle.UPDATING:
            return
        ill = self._ill(ctx) if "install" in begun(self._house, ctx.operation_id) else None
        goal = Lifecycle.ACTIVE if ill is None else Lifecycle.FAILED
        words = None if ill is None else f"{cause} ({ill})"
        self._house.ledger.set_lifecycle(ctx.tenant, goal, cause=words, operation_id=ctx.operation_id)

    def _ill(self, ctx: StepContext) -> str | None:
        return mismatch(self._house.prober.probe(str(ctx.results["baseline"]["url"])), thaw_args(ctx.payload))

    def baseline(self, ctx: StepContext) -> JsonDict:
        """Whether it may be now, and whether the tenant is well before anything is changed."""
        late = readiness.late(self._house, ctx)
        if late is not None:
            return late
        url = self._points.outputs(ctx).url
        _, wrong = readiness.seen(self._house, url, thaw_args(ctx.payload), self._house.clock.sleep)
        if wrong is not None and not ctx.payload["mends"]:
            return {"failure": f"it was sick before it was patched: {wrong}", "sick": True}
        return {"url": url, "ill": wrong}

    def scan(self, ctx: StepContext) -> JsonDict:
        """What is missing before."""
        found, value = self._look(ctx)
        return {"fact": value, "complete": not found.open and behind(value) is None}

    def install(self, ctx: StepContext) -> JsonDict:
        """Install what is missing. Nobody is rebooted by that. One that was cut off is not begun again at another hour
        than it may be."""
        late = readiness.late(self._house, ctx)
        if late is not None:
            return late
        cloud, machine = self._place(ctx)
        hooks: Any = ctx.payload["hooks"]
        ctx.progress(Event(EventKind.MESSAGE, ctx.tenant, "install", message=f"patches are installed on {machine}"))
        found = cloud.patch(
            machine,
            "Install",
            comment=f"provision patch {ctx.tenant}",
            timeout=INSTALL_DEADLINE,
            hooks=hooks,
        )
        return {
            "failed": [p.name for p in found.failed],
            "detail": found.detail if found.failed else "",
            "pending": found.pending,
        }

    def database(self, ctx: StepContext) -> JsonDict:
        """Its newest minor version, where it follows those: PostgreSQL is down for that as long as it takes to start
        again."""
        before: Any = ctx.results["scan"]["fact"]
        wanted = behind(before)
        if wanted is None or ctx.results["install"]["failed"]:
            return {"version": None}
        late = readiness.late(self._house, ctx)
        if late is not None:
            return {"version": None, "late": late["failure"]}
        _, cloud = self._points.place(ctx)
        minors.bring(self._house, ctx, cloud, *wanted)
        return {"version": wanted[1]}

    def reboot(self, ctx: StepContext) -> JsonDict:
        """Where one is missing, and no package is left half way. Killed and run again, it looks first: a machine
        that is back already isn't sent down a second time."""
        installed = ctx.results["install"]
        if installed["failed"] or not installed["pending"]:
            return {"rebooted": False}
        cloud, machine = self._place(ctx)
        asked, late = False, list[str]()

        def look() -> str | None:
            nonlocal asked
            try:
                found = self._scanned(ctx, cloud, machine)
            except (AuthenticationError, CancelledError, LeaseLostError):
                raise
            except ProvisionError as error:  # it is on its way down or up
                return error.message
            if not found.pending:
                return None
            if not asked:
                why = readiness.late(self._house, ctx)
                if why is not None:
                    late.append(str(why["failure"]))
                    return None
                cloud.reboot_machine(machine)
                asked = True
            return "a reboot is still missing"

        until(self._house, ctx, look, f"the reboot of {machine}", REBOOT_DEADLINE)
        return {"rebooted": not late, "late": late[0] if late else None}

    def gate(self, ctx: StepContext) -> JsonDict:
        """Whether the tenant is well: enough good answers through its own address."""
        url, args = str(ctx.results["baseline"]["url"]), thaw_args(ctx.payload)
        gate = Gate(**ctx.payload["gate"])  # type: ignore[arg-type]
        seen: list[Health] = [self._converge.well(ctx, url, args)]
        for _ in range(gate.samples - 1):
            self._house.clock.sleep(gate.settle / max(1, gate.samples - 1))
            seen.append(self._house.prober.probe(url))
        wrong = judge(gate, seen, args)
        if wrong is not None:
            raise ProvisionError(f"{ctx.tenant} isn't well since it was patched: {wrong}", hint=resume_hint(ctx))
        return {"answers": len(seen)}

    def rescan(self, ctx: StepContext) -> JsonDict:
        """What is missing after. What failed is only missing to a scan."""
        failed: Any = ctx.results["install"]["failed"]
        _, value = self._look(ctx, failed=len(failed))
        return {"fact": value}

    def finish(self, ctx: StepContext) -> JsonDict:
        """On the record, with the evidence. Raises UndoneError where not all came to be as it should: what was
        installed stays, and the tenant is well."""
        self._house.ledger.set_lifecycle(ctx.tenant, Lifecycle.ACTIVE, operation_id=ctx.operation_id)
        unwanted = failure(ctx)
        if unwanted is not None:
            raise UndoneError(f"{ctx.tenant} wasn't patched: {unwanted['failure']}", hint=resume_hint(ctx))
        before: Any = ctx.results["scan"]["fact"]
        if ctx.results["scan"]["complete"]:
            return {"tenant": ctx.tenant, "closed": 0, "rebooted": False, "evidence": None, "hash": None}
        after: Any = ctx.results["rescan"]["fact"]
        found = self._prove(ctx, before, after)
        wrong = self._wrong(ctx)
        if wrong is not None:
            raise UndoneError(wrong, hint=f"provision patch report {ctx.tenant}")
        self._house.ledger.observe(ctx.tenant, FACT, {**after, "patched_at": after["scanned_at"]})
        closed: Any = found.body["closed"]
        return {
            "tenant": ctx.tenant,
            "closed": len(closed),
            "rebooted": ctx.results["reboot"]["rebooted"],
            "evidence": found.number,
            "hash": found.hash,
        }

    def _prove(self, ctx: StepContext, before: Any, after: Any) -> Any:
        policy, exceptions = policy_of(ctx.payload)
        more: JsonDict = {
            "rollout": ctx.payload["rollout"],
            "by": ctx.payload["by"],
            "when": ctx.payload["when"],
            "point": ctx.results["snapshot"]["point"],
            "failed": ctx.results["install"]["failed"],
            "rebooted": ctx.results["reboot"]["rebooted"],
            "database": ctx.results["database"]["version"],
            "answers": ctx.results["gate"]["answers"],
        }
        body = evidence(before, after, policy, exceptions, more)
        return self._house.ledger.add_evidence(ctx.tenant, KIND, body, operation_id=ctx.operation_id)

    def _wrong(self, ctx: StepContext) -> str | None:
        """What didn't come to be as it should."""
        installed, rebooted, database = (ctx.results[name] for name in ("install", "reboot", "database"))
        packages: Any = installed["failed"]
        if packages:
            said = f": {installed['detail']}" if installed["detail"] else ""
            what = "package" if len(packages) == 1 else "packages"
            return f"{what} {', '.join(packages)} of {ctx.tenant} couldn't be installed{said}; the tenant serves on"
        if rebooted.get("late"):
            return f"{ctx.tenant} waits for its reboot: {rebooted['late']}"
        if database.get("late"):
            return f"{ctx.tenant} waits for its database's minor version: {database['late']}"
        return None

    def _place(self, ctx: StepContext) -> tuple[Cloud, str]:
        """The cloud, and the machine that serves."""
        _, cloud = self._points.place(ctx)
        return cloud, self._points.outputs(ctx).machine_id

    def _scanned(self, ctx: StepContext, cloud: Cloud, machine: str) -> Scan:
        return cloud.patch(machine, "Scan", comment=f"provision scan {ctx.tenant}", timeout=SCAN_DEADLINE)

    def _look(self, ctx: StepContext, **more: Any) -> tuple[Scan, JsonDict]:
        cloud, machine = self._place(ctx)
        found = self._scanned(ctx, cloud, machine)
        policy, exceptions = policy_of(ctx.payload)
        minor = minors.look(self._house, cloud, ctx.tenant, thaw_args(ctx.payload).sizing)
        more |= {"database": minor}
        return found, observe(self._house, cloud, ctx.tenant, machine, found, policy, exceptions, **more)


def begun(house: House, operation_id: str) -> set[str]:
    """The steps of an operation that were begun, and not only passed over."""
    whole = house.ledger.operation(operation_id)
    return {s.name for s in whole.steps if not s.result.get("skipped")} if whole else set()
