"""`provision doctor`: can the chosen target be used here? Each finding comes with its remedy."""

import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from provisioner.model import deployer
from provisioner.model.errors import ExitCode, ProvisionError
from provisioner.model.tenant import CloudKind, Target
from provisioner.ops.desired import check_caller
from provisioner.ops.house import House

LEAST_DISK_GIB = 2.0
SKEW_WARN, SKEW_BAD = 60.0, 240.0
"""Seconds. AWS refuses requests that are off by 300; leases between hosts want 50."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `ok` None: it could not be told. `code`: what a command would end with for it."""

    what: str
    ok: bool | None
    detail: str
    remedy: str | None = None
    code: ExitCode = ExitCode.FAILED


def examine(house: House, home: Path, target: str | None) -> list[Finding]:
    """All findings for a target (None: the registry's default), most basic first."""
    findings = [_python(), _disk(home)]
    try:
        registry = house.registry().load()
    except ProvisionError as error:
        return [*findings, _bad("registry", error, "provision registry validate")]
    findings.append(Finding("registry", True, f"{registry.path}, {len(registry.tenant_ids())} tenant(s)"))
    findings.append(_ask("ledger", lambda: _ledger(house)))
    chosen = registry.targets.get(target) if target else registry.default_target
    if chosen is None:
        known = ", ".join(registry.targets)
        return [*findings, Finding("target", False, f"there is no target {target}", f"--target one of: {known}")]
    return [*findings, *_target(house, chosen)]


def verdict(findings: list[Finding]) -> ExitCode:
    """0 only where the target can be used; 5 where nothing but the credentials is in the way."""
    codes = {f.code for f in findings if f.ok is False}
    if not codes:
        return ExitCode.DONE
    return codes.pop() if len(codes) == 1 else ExitCode.FAILED


def _target(house: House, target: Target) -> Iterator[Finding]:
    by_cli = target.cloud is CloudKind.AWS or house.engine_name == "pulumi"
    cli = _ask("pulumi CLI", lambda: _cli(house)) if by_cli else None
    if cli is not None:
        yield cli
    if target.cloud is CloudKind.AWS:
        yield _plugin(house)
    caller = _ask(f"target {target.name}", lambda: _caller(house, target))
    yield caller
    ready = caller.ok and (cli is None or cli.ok)
    yield _after(ready, "engine and state", lambda: _engine(house, target, by_cli=by_cli))
    if target.cloud is CloudKind.AWS:
        yield from _account(house, target, usable=bool(caller.ok))


def _account(house: House, target: Target, *, usable: bool) -> Iterator[Finding]:
    base = replace(target, role=None, tenant=None)
    region = target.regions[0]
    yield _after(usable, "secrets' key", lambda: _key(house, base))
    yield _skew(house, base) if usable else _untold("clock")
    yield _permissions(house, target) if usable else _untold("permissions")
    for where in target.regions if usable else ():
        yield _quotas(house, target, where)
    if not usable:
        yield _untold(f"quotas in {region}")


def _caller(house: House, target: Target) -> str:
    house.ready(target)
    caller = house.cloud(target, target.regions[0]).caller()
    check_caller(target, caller)
    return f"account {caller.account} as {caller.arn}, region {caller.region}"


def _engine(house: House, target: Target, *, by_cli: bool) -> str:
    house.engine(target)
    if not by_cli:
        return "embedded, state in this home"
    house.reach_state(target)
    return f"Pulumi CLI, state in {target.state or 'this home'}"


def _cli(house: House) -> str:
    found = house.tools.cli()
    return f"{found.version} ({found.path})"


def _plugin(house: House) -> Finding:
    found = house.tools.plugin()
    if found is None:
        return Finding("plugin aws", False, f"version {house.tools.wanted()[1]} is not installed", "provision setup")
    return Finding("plugin aws", True, f"{found.version} ({found.path})")


def _key(house: House, target: Target) -> str:
    name = (target.secrets or "").removeprefix("awskms://")
    key, _, query = name.partition("?")
    region = dict(p.partition("=")[::2] for p in query.split("&")).get("region") or target.regions[0]
    key = key.lstrip("/")
    state = house.cloud(target, region).key_state(key)
    if state != "Enabled":
        enable = f"aws kms enable-key --key-id {key}"
        if state == "PendingDeletion":
            enable = f"aws kms cancel-key-deletion --key-id {key}, then {enable}"
        raise ProvisionError(f"the key {key} is {state or 'gone'}", hint=enable if state else None)
    return f"{key}: {state}"


def _skew(house: House, target: Target) -> Finding:
    try:
        seconds = abs(house.cloud(target, target.regions[0]).clock_skew().total_seconds())
    except ProvisionError as error:
        return _bad("clock", error)
    remedy = "set the clock: timedatectl set-ntp true" if seconds > SKEW_WARN else None
    return Finding("clock", seconds <= SKEW_BAD, f"{seconds:.0f} s off AWS's", remedy)


def _permissions(house: House, target: Target) -> Finding:
    """The simulation itself needs a permission: without it, nothing can be told, and nothing is wrong yet."""
    try:
        found = house.cloud(target, target.regions[0]).denied(deployer.questions(target))
    except ProvisionError as error:
        return Finding(
            "permissions", None, error.message, "allow iam:SimulatePrincipalPolicy to be told which are missing"
        )
    policy = f"provision deployer policy --target {target.name}"
    if found.missing:
        return Finding("permissions", False, f"{len(found.missing)} are missing: {_some(found.missing)}", policy)
    if found.untold:
        told = f"IAM's simulation doesn't tell of {len(found.untold)}: {_some(found.untold)}"
        return Finding("permissions", None, told, f"compare the role's with {policy}")
    return Finding("permissions", True, "all that the deployer needs, by IAM's simulation")


def _some(words: Sequence[str]) -> str:
    return ", ".join(words[:12]) + (f" and {len(words) - 12} more" if len(words) > 12 else "")


def _quotas(house: House, target: Target, region: str) -> Finding:
    what = f"quotas in {region}"
    try:
        found = house.cloud(target, region).quotas()
    except ProvisionError as error:
        return Finding(what, None, error.message, "allow servicequotas:GetServiceQuota to be told")
    words = ", ".join(f"{q.title}: {q.left:g} of {q.limit:g} left" for q in found)
    remedy = "aws service-quotas request-service-quota-increase" if any(q.left < 1 for q in found) else None
    return Finding(what, True, words, remedy)


def _ask(what: str, question: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, question())
    except ProvisionError as error:
        return _bad(what, error)


def _after(usable: bool | None, what: str, question: Callable[[], str]) -> Finding:
    return _ask(what, question) if usable else _untold(what)


def _untold(what: str) -> Finding:
    return Finding(what, None, "could not be told: see above")


def _bad(what: str, error: ProvisionError, remedy: str | None = None) -> Finding:
    return Finding(what, False, error.message, error.hint or remedy, error.exit_code)


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
