"""What the commands on recovery points print."""

from collections.abc import Sequence
from dataclasses import replace

from provisioner.cli.ask import confirm
from provisioner.cli.framework import Selection, Session
from provisioner.cli.progress import progress
from provisioner.cli.results import Table, exit_code
from provisioner.cli.running import tell_callers
from provisioner.cli.selection import chosen, selector
from provisioner.cli.tables import age
from provisioner.model.recovery import RecoveryPoint, Verdict
from provisioner.model.selector import select
from provisioner.ops import prune as pruning

_COLUMNS = ["tenant", "point", "kind", "status", "age", "size_gib", "release", "schema"]
_COLUMNS += ["proven", "verdict", "expires", "copies"]


def listing(session: Session, selection: Selection, ids: Sequence[str], *, deleted: bool) -> Table:
    """Rows of `backup list`. Without words of all, and of retired tenants too; a retired one is named by its id."""
    words = selector(selection, ids)
    points = session.app.ledger.points(deleted=deleted)
    if words.narrows:
        registry = session.app.registry().load()
        retired = {p.tenant for p in points} - set(registry.tenant_ids())
        named = retired.intersection(words.tenants)
        living = replace(words, tenants=tuple(t for t in words.tenants if t not in named))
        picked = {t.id for t in select(registry.tenants(), living)} if living.narrows else set()
        points = [p for p in points if p.tenant in picked | named]
    return Table(_COLUMNS, [_row(p) for p in points])


def _row(point: RecoveryPoint) -> dict[str, object]:
    return {
        "tenant": point.tenant,
        "point": point.id,
        "kind": str(point.kind),
        "status": str(point.status),
        "taken_at": point.taken_at,
        "age": age(point.taken_at),
        "size_gib": point.size_gib,
        "release": point.release,
        "schema": point.schema_version,
        "proven_at": point.proven_at,
        "proven": _proven(point),
        "verdict": str(point.verdict) if point.verdict else None,
        "expires": point.expires,
        "copies": ", ".join(c.region for c in point.copies),
        "key": point.key,
        "config_digest": point.config_digest,
    }


def _proven(point: RecoveryPoint) -> str:
    """A drill that failed since takes the proof away; one that couldn't tell doesn't."""
    if point.proven_at is None:
        return "never"
    return "no longer" if point.verdict is Verdict.FAILED else f"{age(point.proven_at)} ago"


def pruned(session: Session, selection: Selection, ids: Sequence[str] | None, *, dry_run: bool, at_once: int) -> Table:
    """Rows of `backup prune`: what goes, and with `--dry-run` also what stays."""
    picked, house = chosen(session, selection, ids), session.app
    found = [pruning.look(house, t.id, t.backup) for t in picked.tenants]
    acted_on = [t for t, f in zip(picked.tenants, found, strict=True) if f.gone or f.databases or f.cut_off]
    if acted_on and not dry_run:
        tell_callers(session, acted_on)
        confirm(_question(found), yes=session.yes)
        with progress() as sink:
            found = pruning.prune(house, picked.registry, picked.tenants, sink, at_once=at_once)
    rows = [
        {"tenant": f.tenant, "what": what, "is": verdict, "why": why}
        for f in found
        for what, verdict, why in _verdicts(f, dry_run=dry_run)
    ]
    return Table(["tenant", "what", "is", "why"], rows, exit_code(f.error for f in found))


def _question(found: Sequence[pruning.Pruned]) -> str:
    points, ended = sum(len(f.gone) for f in found), sum(len(f.databases) for f in found)
    cut_off = sum(len(f.cut_off) for f in found)
    more = f", and go on with {cut_off} operation(s) that were cut off" if cut_off else ""
    return f"Delete {points} recovery point(s) and {ended} replaced database(s){more}?"


def _verdicts(found: pruning.Pruned, *, dry_run: bool) -> list[tuple[str, str, str]]:
    if found.error is not None:
        return [(found.tenant, "failed", found.error.message)]
    word = "would go" if dry_run else "deleted"
    going = "would go on" if dry_run else "went on"
    rows = [(f"operation {operation}", going, "it was cut off") for operation in found.cut_off]
    rows += [(point, word, "retention doesn't want it") for point in found.gone]
    rows += [(f"database {suffix or 'the first'}", word, "a restore replaced it") for suffix in found.databases]
    return rows + ([(point, "stays", why) for point, why in found.kept.items()] if dry_run else [])
