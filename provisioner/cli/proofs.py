"""What the commands on drills do and print."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from provisioner.cli.framework import Selection, Session
from provisioner.cli.progress import progress
from provisioner.cli.results import Table, exit_code
from provisioner.cli.selection import chosen, here, selector
from provisioner.cli.tables import age
from provisioner.model.errors import ExitCode
from provisioner.model.recovery import Verdict
from provisioner.model.selector import select
from provisioner.ops import drill
from provisioner.ops.places import written
from provisioner.ops.report import page, report
from provisioner.ops.worker import reap

_DRILLED = ["tenant", "verdict", "point", "rpo_minutes", "rto_minutes", "findings", "next"]
_REPORT = ["tenant", "tier", "verdict", "proven", "rpo_minutes", "rpo_target", "rto_minutes", "rto_target", "breaches"]


def drilled(
    session: Session, selection: Selection, ids: Sequence[str] | None, *, point: str | None, at_once: int
) -> Table:
    """Drill the selected, and tell."""
    picked = chosen(session, selection, ids)
    with progress() as sink:
        done = drill.drill(session.app, picked.registry, picked.tenants, sink, point=point, at_once=at_once)
    standing = {s.tenant: s.breaches for s in report(session.app, picked.tenants)}
    failed = exit_code(d.error for d in done)
    if not failed and any(d.verdict is not Verdict.PASSED for d in done):
        failed = ExitCode.FAILED
    if not failed and any(standing.get(d.tenant) for d in done):
        failed = ExitCode.REFUSED
    return Table(_DRILLED, [_drilled_row(d, standing.get(d.tenant, ())) for d in done], failed)


def _drilled_row(done: drill.Drilled, breaches: Sequence[str]) -> dict[str, Any]:
    evidence: Any = done.evidence or {}
    checks = evidence.get("checks", [])
    words = [f"{c['name']}: {c['detail']}" for c in checks if not c["ok"]] or list(breaches)
    if done.error is not None:
        words = [done.error.message]
    return {
        "tenant": done.tenant,
        "verdict": str(done.verdict) if done.verdict else "error",
        "point": evidence.get("point"),
        "rpo_minutes": evidence.get("rpo_minutes"),
        "rto_minutes": evidence.get("rto_minutes"),
        "findings": "; ".join(words),
        "next": done.error.hint if done.error else None,
        "checks": checks,
        "seconds": evidence.get("seconds"),
        "evidence": evidence.get("evidence"),
        "hash": evidence.get("hash"),
    }


def reported(session: Session, selection: Selection, ids: Sequence[str] | None, html: Path | None) -> Table:
    """The fleet's standing; all tenants where no word narrows."""
    words = selector(selection, ids or ())
    tenants = session.app.registry().load().tenants()
    found = report(session.app, here(session.app, select(tenants, words) if words.narrows else tenants))
    if html is not None:
        with written(html):
            html.write_text(page(found, session.app.clock.now()))
    rows = [
        {
            "tenant": s.tenant,
            "tier": s.tier,
            "verdict": s.verdict or "never",
            "proven_at": s.proven_at,
            "proven": f"{age(s.proven_at)} ago" if s.proven_at else "never",
            "point": s.point,
            "rpo_minutes": s.rpo_minutes,
            "rpo_target": s.rpo_target,
            "rto_minutes": s.rto_minutes,
            "rto_target": s.rto_target,
            "breaches": "; ".join(s.breaches),
        }
        for s in found
    ]
    return Table(_REPORT, rows, ExitCode.REFUSED if any(s.breaches for s in found) else ExitCode.DONE)


def reaped(session: Session) -> Table:
    """End what dead drills and offboardings left."""
    with progress() as sink:
        done = reap(session.app, sink)
    rows = [
        {"tenant": d.tenant, "what": d.what, "outcome": d.outcome, "detail": d.detail, "next": d.hint} for d in done
    ]
    failed = any(d.outcome == "failed" for d in done)
    return Table(["tenant", "what", "outcome", "detail", "next"], rows, ExitCode.FAILED if failed else ExitCode.DONE)
