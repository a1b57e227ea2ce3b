"""What proves that a tenant was patched: kept in the ledger's journal, whose chain holds it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from provisioner.model.json import JsonDict
from provisioner.model.patch.judge import covered
from provisioner.model.patch.policy import PatchException, PatchPolicy
from provisioner.model.patch.scan import Patch, counts, open_of

KIND = "patch"


def evidence(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    policy: PatchPolicy,
    exceptions: Sequence[PatchException],
    more: JsonDict,
) -> JsonDict:
    """`before` and `after`: the fact `patch` of the scans around it; `more`: by whom, in which window, and the like."""
    at = datetime.fromisoformat(after["scanned_at"])
    left = {p.id for p in open_of(after)}
    closed = [p for p in open_of(before) if p.id not in left]
    holding = [e for e in exceptions if e.expires >= at.astimezone(UTC).date()]
    return {
        **more,
        "image": after["image"],
        "machine": after["machine"],
        "baseline": after["baseline"],
        "scanned_before": before["scanned_at"],
        "scanned_after": after["scanned_at"],
        "before": counts(before),
        "after": counts(after),
        "closed": [_closed(p, at, policy) for p in closed],
        "left": [{"id": p.id, "severity": str(p.severity), "state": str(p.state)} for p in open_of(after)],
        "pending_reboot": after["pending_reboot"],
        "exceptions": [
            {**e.json(), "patches": [p.id for p in open_of(after) if covered(p, [e], at) is not None]} for e in holding
        ],
        "policy": policy.json(),
    }


def _closed(patch: Patch, at: datetime, policy: PatchPolicy) -> JsonDict:
    """One that is in effect now: how long it took, and whether that was in time."""
    since, allowed = patch.since or at, policy.days.of(patch.severity)
    return {
        "id": patch.id,
        "title": patch.title,
        "severity": str(patch.severity),
        "cves": list(patch.cves),
        "since": since.isoformat(),
        "days": round((at - since).total_seconds() / 86_400, 2),
        "allowed_days": allowed.days,
        "in_time": at - since <= allowed,
    }
