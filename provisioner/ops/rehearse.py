"""`provision rollout rehearse`: an upgrade that is really made, of the newest recovery point, in a stack of its own.

One run proves the backup and the upgrade: it restores the point, moves it to the new release with its migration, asks
the product how it is, times all of it, and destroys it. The tenant's own instance is never touched.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from provisioner.model.errors import ProvisionError, UsageError
from provisioner.model.json import JsonDict
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import OperationDefinition, OperationStepDefinition, Progress, StepContext
from provisioner.model.recovery import Verdict
from provisioner.model.stack import StackOutputs
from provisioner.model.tenant import Tenant
from provisioner.ops.backup import active
from provisioner.ops.checks import Check, verdict_of
from provisioner.ops.converge import BOOTSTRAP_DEADLINE, MIGRATION_DEADLINE
from provisioner.ops.desired import confirm_caller, freeze, present_args, thaw_args, thaw_target
from provisioner.ops.drill import choose
from provisioner.ops.house import House, RegistryView
from provisioner.ops.machine import command, master_allowed
from provisioner.ops.many import each
from provisioner.ops.operations import new_id, resume, unfinished
from provisioner.ops.quarantine import Quarantine, findings, proof_part, quarantine_args, told
from provisioner.ops.scripts import bootstrap_script, migrate_script
from provisioner.ops.upgrade.propose import check

KIND = "rehearse"
EVIDENCE = "rehearsal"
COUNTS = timedelta(days=7)
"""A product's data changes: so old may the rehearsed recovery point be at most."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """How the rehearsal of one tenant ended. `evidence` is its record; None where it didn't come to one."""

    tenant: str
    verdict: Verdict | None
    evidence: JsonDict | None = None
    error: ProvisionError | None = None


def rehearse(
    house: House,
    registry: RegistryView,
    tenants: Sequence[Tenant],
    version: str,
    progress: Progress,
    *,
    at_once: int = 4,
) -> list[Rehearsed]:
    """Rehearse the upgrade of all of them; one that can't be rehearsed is an answer, not an end."""

    def one(tenant: Tenant) -> Rehearsed:
        try:
            found: Any = rehearse_one(house, registry, tenant, version, progress)
        except ProvisionError as error:
            return Rehearsed(tenant.id, None, error=error)
        return Rehearsed(tenant.id, Verdict(found["verdict"]), found)

    return each(house, tenants, one, at_once=at_once)


def rehearse_one(house: House, registry: RegistryView, tenant: Tenant, version: str, progress: Progress) -> JsonDict:
    """Rehearse one tenant's upgrade and return the evidence. One that was cut off goes on first."""
    waiting = unfinished(house, tenant.id, KIND)
    if waiting is not None:
        done = resume(house, waiting.id, progress)
        if done["release"] == version:
            return done
    payload = propose(house, registry, tenant, version)
    confirm_caller(house, payload, progress)
    return house.operations.run(KIND, str(payload["operation"]), tenant.id, payload, progress)


def propose(house: House, registry: RegistryView, tenant: Tenant, version: str) -> JsonDict:
    """The frozen input. Raises UsageError without a recovery point, and as an upgrade would."""
    current = active(house, tenant.id, "rehearsed", Lifecycle.SUSPENDED)
    release = registry.release(version)
    check(tenant, registry.release(current), release, registry.releases)
    operation_id, now, point = new_id(house.clock), house.clock.now(), choose(house, tenant.id, None)
    present = present_args(house, registry, tenant, point.release)
    args = replace(
        present,
        release=release.version,
        schema_version=release.schema_version,
        database_schema=point.schema_version,
        image_id=house.image(tenant.target, release, tenant.region),
    )
    inside = quarantine_args(args, point.id, point.key, operation_id, now)
    if inside.name in registry.tenant_ids():
        raise UsageError(f"the quarantine's name {inside.name} is a tenant's", hint="run the same command again")
    proof = {
        **proof_part(inside, point, now, None),
        "schema": point.schema_version,
        "from": point.release,
        "taken_at": point.taken_at.isoformat(),
        "program": house.program_version,
    }
    return freeze(house, registry, tenant, args, proof=proof, operation=operation_id)


def rehearsed(house: House, tenant_id: str, version: str) -> Verdict | None:
    """What the newest rehearsal of this upgrade found; None where there was none that counts: from the tenant's present
    release, by this program, on a recovery point that is `COUNTS` old at most."""
    fact, record = house.ledger.fact(tenant_id, EVIDENCE), house.ledger.tenant(tenant_id)
    wanted = {"release": version, "from": record.assigned_release if record else None, "program": house.program_version}
    if fact is None or any(fact.value.get(name) != value for name, value in wanted.items()):
        return None
    taken_at = datetime.fromisoformat(str(fact.value["taken_at"]))
    return Verdict(str(fact.value["verdict"])) if house.clock.now() - taken_at <= COUNTS else None


class Rehearse:
    """Steps of `rehearse`, over one house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._quarantine = Quarantine(house)

    def definitions(self) -> dict[str, OperationDefinition]:
        """The kind by name. It stands beside the tenant, as a drill does."""
        inside = self._quarantine
        steps = (
            OperationStepDefinition("restore", inside.restore),
            OperationStepDefinition("verify", inside.verify),
            OperationStepDefinition("migrate", self.migrate),
            OperationStepDefinition("probe", inside.probe),
            OperationStepDefinition("clear", inside.clear),
            OperationStepDefinition("conclude", self.conclude),
        )
        return {KIND: OperationDefinition(KIND, "an upgrade is being rehearsed", steps, beside=True)}

    def migrate(self, ctx: StepContext) -> JsonDict:
        """The new release's own migration, on the restored data."""
        found = ctx.results["restore"].get("outputs")
        if found is None or any(c.ok is False for c in findings(ctx)):
            return {"checks": []}
        began = self._house.clock.monotonic()
        target, args = thaw_target(ctx.payload), thaw_args(ctx.payload)
        self._house.ready(target)
        cloud = self._house.cloud(target, args.region)
        outputs = StackOutputs(**found)  # type: ignore[arg-type]
        machine = outputs.machine_id
        try:
            cloud.ensure_password(outputs.product_secret_arn, outputs.database_user)
            with master_allowed(cloud, outputs.role_name, outputs.master_secret_arn):
                command(ctx, cloud, machine, bootstrap_script(outputs), "bootstrap", BOOTSTRAP_DEADLINE)
        except ProvisionError as error:
            return {"checks": [Check("bootstrap", None, told(ctx, error)).json()]}
        try:
            command(ctx, cloud, machine, migrate_script(), "migrate", MIGRATION_DEADLINE)
        except ProvisionError as error:
            return {"checks": [Check("migrate", False, told(ctx, error)).json()]}
        return {"checks": [], "seconds": round(self._house.clock.monotonic() - began, 1)}

    def conclude(self, ctx: StepContext) -> JsonDict:
        """The verdict, in the journal and as the tenant's newest fact."""
        proof: Any = ctx.payload["proof"]
        checks = findings(ctx)
        verdict = verdict_of(checks)
        phases = ("restore", "verify", "migrate", "probe")
        evidence: JsonDict = {
            "verdict": str(verdict),
            "release": thaw_args(ctx.payload).release,
            **{name: proof[name] for name in ("point", "from", "taken_at")},
            "requested_at": proof["requested_at"],
            "checks": [c.json() for c in checks],
            "seconds": {p: ctx.results[p]["seconds"] for p in phases if "seconds" in ctx.results[p]},
            "program": ctx.payload["digest"],
        }
        record = self._house.ledger.add_evidence(ctx.tenant, EVIDENCE, evidence, operation_id=ctx.operation_id)
        fact: JsonDict = {k: evidence[k] for k in ("verdict", "release", "point", "from", "taken_at")}
        fact["program"] = proof["program"]
        self._house.ledger.observe(ctx.tenant, EVIDENCE, fact)
        return {**evidence, "evidence": record.number, "hash": record.hash}
