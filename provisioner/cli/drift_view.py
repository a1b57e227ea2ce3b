"""What a look for drift found, as a result: words for people, worst first, and JSON."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from provisioner.cli.plain import plain
from provisioner.cli.results import exit_code
from provisioner.cli.tables import show
from provisioner.model.drift.judge import ORDER, Finding, counts
from provisioner.model.errors import ExitCode
from provisioner.ops.drift import MENDABLE, Drift, TenantDrift

if TYPE_CHECKING:
    from rich.console import Console

_NAMED = 12
_REASONED = ("unfinished", "skipped", "failed")
_VALUE = 72


@dataclass(frozen=True, slots=True)
class DriftView:
    """The result of `drift`."""

    found: Drift

    @property
    def exit_code(self) -> ExitCode:
        """That of tenants that couldn't be looked at; else 7 where there is something to mend."""
        failed = exit_code(t.error for t in self.found.tenants)
        if failed:
            return failed
        drifted = any(t.standing in MENDABLE for t in self.found.tenants)
        return ExitCode.CHANGES_PENDING if drifted else ExitCode.DONE

    def tell(self) -> None:
        """Say it on stderr: stdout is for what comes of it."""
        from rich.console import Console

        show(self, Console(stderr=True, highlight=False))


@show.register(DriftView)
def _(result: DriftView, console: "Console") -> None:
    def say(words: str) -> None:
        for line in words.splitlines():
            # A tag is anybody's words: nothing of them may steer a terminal. `tags.provision:ring: 1` has an emoji.
            seen = "".join(c if c.isprintable() else "?" for c in line)
            console.print(seen, markup=False, emoji=False, soft_wrap=True)

    for group in result.found.groups:
        finding = group.finding
        say(f"{finding.weight}: {finding.why}")
        say(f"  {finding.type} {finding.name} {finding.path}{_values(finding)}")
        say(f"  {len(group.tenants)} tenant(s): {_some(group.tenants)}")
    for tenant in result.found.tenants:
        if tenant.standing != "clean" or tenant.planned:
            say(f"{tenant.tenant}: {_standing(tenant)}")
        if tenant.refused:
            say(f"  refused: {tenant.refused}")
        hint = tenant.intention.error.hint if tenant.intention and tenant.intention.error else None
        if hint:
            say(f"  next: {hint}")
    clean = sum(t.standing == "clean" for t in result.found.tenants)
    if clean or not result.found.tenants:
        say(f"{clean} tenant(s) clean")
    drifted = [t.tenant for t in result.found.tenants if t.standing in MENDABLE and not t.refused]
    if drifted:
        say(f"next: provision drift {' '.join(drifted) if len(drifted) <= _NAMED else '...'} --fix")


@plain.register
def _(value: DriftView) -> Any:
    return {
        "groups": [{**_plain(group.finding), "tenants": list(group.tenants)} for group in value.found.groups],
        "tenants": [_tenant(t) for t in value.found.tenants],
    }


def _tenant(found: TenantDrift) -> dict[str, Any]:
    error = found.intention.error if found.intention else None
    return {
        "tenant": found.tenant,
        "standing": found.standing,
        "reason": found.reason if found.standing in _REASONED else None,
        "refused": found.refused,
        "counts": counts(found.findings),
        "findings": [_plain(f) for f in found.findings],
        "planned": [
            {"op": str(s.op), "type": s.type, "name": s.name, "paths": [c.path for c in s.changes]}
            for s in found.planned
        ],
        "next": error.hint if error else None,
    }


def _plain(finding: Finding) -> dict[str, Any]:
    return {
        "class": str(finding.weight),
        "why": finding.why,
        "type": finding.type,
        "name": finding.name,
        "path": finding.path,
        "before": finding.before,
        "after": finding.after,
    }


def _standing(found: TenantDrift) -> str:
    if found.standing in _REASONED:
        return f"{found.standing}: {found.reason}"
    number = Counter(f.weight for f in found.findings)
    words = ", ".join(f"{number[weight]} {weight}" for weight in ORDER if number[weight]) or "no drift"
    planned = f"; {len(found.planned)} planned change(s), not drift: provision plan {found.tenant}"
    return words + (planned if found.planned else "")


def _values(finding: Finding) -> str:
    if finding.before is None and finding.after is None:
        return ""
    return f": {_value(finding.before)} -> {_value(finding.after)}"


def _value(value: Any) -> str:
    if value is None:
        return "unset"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE else f"{text[:_VALUE]}..."


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
