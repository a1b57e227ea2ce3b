"""The present of a tenant that is restored: kept in a recovery point, then closed to the product. A database that is
gone, or that the cloud says is broken, can't be either, and that is no reason to leave the tenant without one."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from provisioner.model.change import Event, EventKind
from provisioner.model.errors import RefusedError
from provisioner.model.json import JsonDict
from provisioner.model.ports import Cloud, StepContext
from provisioner.model.recovery import PointStatus
from provisioner.model.stack import StackArgs, StackOutputs
from provisioner.ops.house import House
from provisioner.ops.loss import loss
from provisioner.ops.machine import command, master_allowed
from provisioner.ops.operations import new_id
from provisioner.ops.points import Points
from provisioner.ops.scripts import Login, login_script

FENCE_DEADLINE = 120.0
# A recovery point of the present that is older isn't one of the present any more.
FRESH = timedelta(minutes=15)
_BEGUN = (PointStatus.CREATING, PointStatus.AVAILABLE)
# Steps in which the tenant serves on, also for days where one of them fails.
_BETWEEN = ("copy", "import", "beside", "verify")


def missing(cloud: Cloud, identifier: str) -> str | None:
    """Why what a database has now can't be kept, in words; None where it can."""
    found = cloud.database(identifier)
    if found is None:
        return f"database {identifier} is gone"
    return f"database {identifier} is {found.status}" if found.broken else None


def standing(cloud: Cloud, args: StackArgs) -> StackArgs:
    """The same stack without the kept databases that are gone; of those that are broken nothing is changed."""
    left = []
    for database in args.databases:
        found = cloud.database(args.identifier(database)) if database.kept else None
        if found is not None:
            left.append(replace(database, broken=found.broken))
        elif not database.kept:
            left.append(database)
    return replace(args, databases=tuple(left))


class Present:
    """Steps of `restore` that are about what serves, over one house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._points = Points(house)

    def missing(self, ctx: StepContext) -> str | None:
        """Why the present can't be kept, in words; None where it can."""
        args, cloud = self._points.place(ctx)
        return missing(cloud, args.identifier(args.serving))

    def mark(self, ctx: StepContext) -> JsonDict:
        """A sentinel row."""
        words = self.missing(ctx)
        return {"written_at": None, "skipped": words} if words else self._points.mark(ctx)

    def snapshot(self, ctx: StepContext) -> JsonDict:
        """The recovery point of the present."""
        words = self.missing(ctx)
        return {"point": None, "skipped": words} if words else self._points.snapshot(ctx)

    def copy(self, ctx: StepContext) -> JsonDict:
        """Its copy in another region."""
        return {"copied": None} if ctx.results["snapshot"]["point"] is None else self._points.copy(ctx)

    def renew(self, ctx: StepContext) -> JsonDict:
        """Another recovery point of the present, if the first one is old by now, or this failed meanwhile and the
        tenant served on. Raises RefusedError where what was restored isn't right."""
        _refuse_wrong(ctx)
        operation = self._house.ledger.operation(ctx.operation_id)
        again = operation is not None and any(s.attempts > 1 and s.name in _BETWEEN for s in operation.steps)
        return self._kept(ctx, None if again else ctx.results["snapshot"]["point"])

    def fence(self, ctx: StepContext) -> JsonDict:
        """From here on nobody writes into the database that served. What is lost by it is said again: it may have been
        asked for days ago."""
        kept = self._kept(ctx, ctx.results["renew"]["point"])
        args, cloud = self._points.place(ctx)
        suffix, words, at = args.serving.suffix, kept.get("skipped"), self._house.clock.now()
        told = lost(ctx.tenant, ctx.payload, at, str(words) if words else None)
        ctx.progress(Event(EventKind.MESSAGE, ctx.tenant, "fence", message=told))
        if words is None:
            outputs = StackOutputs(**ctx.results["beside"]["outputs"])  # type: ignore[arg-type]
            login = Login.master(outputs, suffix)
            script = login_script("fence", login, user=outputs.database_user, closed=True)
            with master_allowed(cloud, outputs.role_name, login.secret):
                command(ctx, cloud, outputs.machine_id, script, "fence", FENCE_DEADLINE)
        return {**kept, "closed": suffix if words is None else None, "lost": told, "at": at.isoformat()}

    def _kept(self, ctx: StepContext, point_id: Any) -> JsonDict:
        """The recovery point of the present: the known one, or another where there is none or it is old."""
        known = self._house.ledger.point(str(point_id)) if point_id else None
        words = self.missing(ctx)
        if words:
            return {"point": known.id if known else ctx.results["snapshot"]["point"], "skipped": words}
        if known is not None and self._house.clock.now() - known.taken_at <= FRESH:
            return {"point": known.id}
        own = replace(ctx, payload={**ctx.payload, "point": self._another(ctx)})
        for name, step in (("mark", self._points.mark), ("snapshot", self._points.snapshot)):
            own = replace(own, results={**own.results, name: step(own)})
        self._points.copy(own)
        return {"point": own.results["snapshot"]["point"]}

    def _another(self, ctx: StepContext) -> JsonDict:
        """The payload's part about it. One that a try before this one began goes on, if it isn't old itself."""
        first: Any = ctx.payload["point"]
        now, days = self._house.clock.now(), ctx.payload["point_days"]
        for point in self._house.ledger.points(tenant=ctx.tenant):
            if point.operation_id != ctx.operation_id or point.id == first["id"]:
                continue
            if point.status in _BEGUN and now - point.taken_at <= FRESH:
                return {**first, "id": point.id, "expires": str(point.expires)}
        name = f"{ctx.tenant}-{now:%Y%m%dt%H%M}-{new_id(self._house.clock)[-6:]}"
        return {**first, "id": name, "expires": (now.date() + timedelta(days=int(str(days)))).isoformat()}


def lost(tenant_id: str, payload: Mapping[str, Any], at: datetime, words: str | None) -> str:
    """What a restore that closes what serves at a time takes from the product, in words. `words`: why the present
    can't be kept, where it can't."""
    source = payload["source"]
    until = last_day(at.date(), payload["keep_days"])
    return loss(tenant_id, source["owner"], datetime.fromisoformat(source["moment"]), at, until, words)


def last_day(today: date, days: int) -> date:
    """The last day on which a replaced database is kept."""
    return today + timedelta(days=days)


def _refuse_wrong(ctx: StepContext) -> None:
    refused, source = ctx.results["verify"].get("refused"), ctx.payload["source"]
    if refused is not None:
        raise RefusedError(
            f"what was restored for {ctx.tenant} isn't right; it was removed, the tenant is as before:\n{refused}",
            hint=f"choose another: provision backup list {source['owner']}",  # type: ignore[index,call-overload]
        )
