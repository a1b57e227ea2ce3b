"""`provision doctor`: can the chosen target be used here? Each finding comes with its remedy."""

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioner.model.errors import ProvisionError
from provisioner.model.tenant import CloudKind, Target
from provisioner.ops.desired import check_caller
from provisioner.ops.house import House

LEAST_DISK_GIB = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `ok` None: it could not be told."""

    what: str
    ok: bool | None
    detail: str
    remedy: str | None = None


def examine(house: House, home: Path, target: str | None) -> list[Finding]:
    """All findings for a target (None: the registry's default), most basic first."""
    findings = [_python(), _disk(home), _ask("ledger", lambda: _ledger(house))]
    try:
        registry = house.registry().load()
    except ProvisionError as error:
        return [*findings, Finding("registry", False, error.message, error.hint or "provision registry validate")]
    findings.append(Finding("registry", True, f"{registry.path}, {len(registry.tenant_ids())} tenant(s)"))
    chosen = registry.targets.get(target) if target else registry.default_target
    if chosen is None:
        known = ", ".join(registry.targets)
        return [*findings, Finding("target", False, f"there is no target {target}", f"--target one of: {known}")]
    return [*findings, *_target(house, chosen)]


def _target(house: House, target: Target) -> Iterator[Finding]:
    def cloud() -> str:
        house.ready(target)
        caller = house.cloud(target, target.regions[0]).caller()
        check_caller(target, caller)
        return f"account {caller.account} as {caller.arn}, region {caller.region}"

    def engine() -> str:
        house.engine(target)
        return "embedded" if target.cloud is CloudKind.SANDBOX else "Pulumi CLI"

    yield _ask(f"target {target.name}", cloud)
    yield _ask("engine", engine)


def _ask(what: str, question: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, question())
    except ProvisionError as error:
        return Finding(what, False, error.message, error.hint)


def _python() -> Finding:
    version = platform.python_version()
    ok = sys.version_info >= (3, 11)
    return Finding("python", ok, f"{version} ({sys.executable})", None if ok else "use Python 3.11 or newer")


def _disk(home: Path) -> Finding:
    place = next(p for p in (home, *home.parents) if p.exists())
    free = shutil.disk_usage(place).free / 2**30
    ok = free >= LEAST_DISK_GIB
    remedy = None if ok else f"free some room, or set PROVISION_HOME to a disk with {LEAST_DISK_GIB:.0f} GiB"
    return Finding("disk", ok, f"{free:.1f} GiB free at {place}", remedy)


def _ledger(house: House) -> str:
    house.ledger.verify_journal()
    return f"{len(house.ledger.tenants())} tenant(s), the journal's chain is whole"
