"""What the commands on patches do and print."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.cli.framework import Selection, Session
from provisioner.cli.progress import progress
from provisioner.cli.results import Table, exit_code
from provisioner.cli.rolling import begin, meant
from provisioner.cli.rollout_plan import Planned
from provisioner.cli.rollout_status import RolloutView
from provisioner.cli.selection import Chosen, chosen
from provisioner.cli.tables import age
from provisioner.model.errors import ExitCode
from provisioner.model.patch.judge import Open
from provisioner.ops.patch.look import Scanned, scan
from provisioner.ops.patch.propose import PatchWords, propose
from provisioner.ops.patch.report import SEVERITIES, TenantPatches, page, report, sheet
from provisioner.ops.places import written

_SHORT = ["critical", "important", "medium", "low"]
_SCANNED = ["tenant", *_SHORT, "reboot", "missed", "next"]
_REPORT = ["tenant", "tier", *_SHORT, "reboot", "scanned", "patched", "due", "breaches"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is said of a rollout of patches that isn't begun yet. `fast` asks for short bake times, and `reason` says
    why; `mend`: who is ill is patched, too; `now`: outside of windows and in freezes, too."""

    ids: Sequence[str] = ()
    strategy: str | None = None
    fast: bool = False
    reason: str | None = None
    mend: bool = False
    now: bool = False


def planned(session: Session, selection: Selection, asked: Asked) -> Planned:
    """The plan."""
    return _proposed(session, selection, asked)[1]


def installed(session: Session, selection: Selection, asked: Asked, *, detach: bool) -> RolloutView:
    """Ask, record it, and drive it unless somebody else shall."""
    picked, found = _proposed(session, selection, asked)
    return begin(session, picked, found, detach=detach)


def scanned(session: Session, selection: Selection, ids: Sequence[str] | None, *, at_once: int) -> Table:
    """Scan the selected, and tell."""
    picked = chosen(session, selection, ids)
    with progress() as sink:
        done = scan(session.app, picked.tenants, sink, at_once=at_once)
    return Table(_SCANNED, [_scanned_row(d) for d in done], exit_code(d.error for d in done))


def reported(
    session: Session, selection: Selection, ids: Sequence[str] | None, *, html: Path | None, sheet_to: Path | None
) -> Table:
    """The fleet against its deadlines; all tenants where no word narrows."""
    picked = meant(session, selection, ids or ())
    found = report(session.app, picked.tenants)
    if html is not None:
        with written(html):
            html.write_text(page(found, session.app.clock.now()))
    if sheet_to is not None:
        with written(sheet_to):
            sheet_to.write_text(sheet(found))
    broken = any(t.breaches for t in found)
    return Table(_REPORT, [_report_row(t) for t in found], ExitCode.REFUSED if broken else ExitCode.DONE)


def _proposed(session: Session, selection: Selection, asked: Asked) -> tuple[Chosen, Planned]:
    picked = meant(session, selection, asked.ids, fast=asked.fast, reason=asked.reason)
    words = PatchWords(asked.strategy, asked.reason, asked.mend, asked.now)
    return picked, Planned(propose(session.app, picked.registry, picked.tenants, words))


def _scanned_row(done: Scanned) -> dict[str, Any]:
    found: Any = done.found or {}
    return {
        "tenant": done.tenant,
        **{severity: found.get(severity) for severity in SEVERITIES},
        "reboot": "missing" if found.get("pending_reboot") else None,
        "missed": found.get("deadline_missed"),
        "error": done.error.message if done.error else None,
        "next": done.error.hint if done.error else None,
        "found": found or None,
    }


def _report_row(tenant: TenantPatches) -> dict[str, Any]:
    return {
        "tenant": tenant.tenant,
        "tier": tenant.tier,
        "image": tenant.image,
        "baseline": tenant.baseline,
        **tenant.counts,
        "failed": tenant.failed,
        "pending_reboot": tenant.pending_reboot,
        "reboot": "missing" if tenant.pending_reboot else None,
        "database": tenant.database,
        "scanned": f"{age(tenant.scanned_at)} ago" if tenant.scanned_at else "never",
        "scanned_at": tenant.scanned_at,
        "patched": f"{age(tenant.patched_at)} ago" if tenant.patched_at else "never",
        "patched_at": tenant.patched_at,
        "due": f"{tenant.next_due:%Y-%m-%d}" if tenant.next_due else None,
        "next_due": tenant.next_due,
        "open": [_open_row(o) for o in tenant.open],
        "exceptions": list(tenant.exceptions),
        "breaches": "; ".join(tenant.breaches),
    }


def _open_row(found: Open) -> dict[str, Any]:
    patch, exception = found.patch, found.exception
    return {
        "id": patch.id,
        "title": patch.title,
        "severity": str(patch.severity),
        "state": str(patch.state),
        "cves": list(patch.cves),
        "since": patch.since,
        "due": found.due,
        "exception": exception.reason if exception else None,
    }
