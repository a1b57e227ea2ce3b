"""The loaded registry. Built from plain JSON that was checked before, so that it is cheap to have."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from provisioner.model.errors import UsageError
from provisioner.model.fleet.notice import Endpoint
from provisioner.model.rollout.strategy import Strategy
from provisioner.model.suggest import suggest
from provisioner.model.tenant import Freeze, Organization, Release, Target, Tenant, Tier
from provisioner.registry import resolve
from provisioner.registry.problems import Problem

if TYPE_CHECKING:
    from provisioner.registry.nodes import Document


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a file that has no problems. `name`: the file as people named it; `plain`: its content as JSON,
    with every key of the schema; `warnings`: what is valid and should be looked at."""

    name: str
    raw: bytes
    plain: dict[str, Any]
    warnings: tuple[Problem, ...]


class Registry:
    """What every tenant should be, on one day; it never changes. Mappings are in file order.

    `path`: absolute. `warnings`: expired pins, holds, overrides, waivers and tenants. `defaults`: JSON, by field.
    """

    def __init__(self, path: Path, reading: Reading, today: date, target: str | None = None) -> None:
        """`target` stands in place of the file's default one. Raises UsageError where there is no such target."""
        plain = reading.plain
        # The image of a sandbox is a directory beside the registry, wherever a link to the registry stands.
        folder = path.resolve().parent
        self.path = path
        self.today = today
        self.warnings = reading.warnings
        self.product: str = plain["product"]["name"]
        self.defaults: Mapping[str, Any] = MappingProxyType(plain["defaults"])
        self.channels: Mapping[str, str] = MappingProxyType(plain["channels"])
        self.targets: Mapping[str, Target] = _each(plain["targets"], resolve.target)
        self.tiers: Mapping[str, Tier] = _each(plain["tiers"], resolve.tier)
        self.releases: Mapping[str, Release] = _each(plain["releases"], lambda v, e: resolve.release(v, e, folder))
        self.organizations: Mapping[str, Organization] = _each(
            plain["organizations"], lambda i, e: Organization(i, e["name"])
        )
        self.strategies: Mapping[str, Strategy] = _each(plain["strategies"], resolve.strategy)
        self.freezes: tuple[Freeze, ...] = tuple(map(resolve.freeze, plain["freezes"]))
        self.notices: tuple[Endpoint, ...] = tuple(resolve.endpoint(n, e) for n, e in plain["notices"].items())
        self.os_releases: Mapping[int, str] = MappingProxyType(resolve.os_releases(plain["os_releases"]))
        self.default_target = _one("target", target or plain["defaults"]["target"], self.targets, path)
        self._reading = reading
        self._resolved: dict[str, Tenant] = {}

    def tenant_ids(self) -> list[str]:
        """All ids, in file order."""
        return list(self._reading.plain["tenants"])

    def tenant(self, tenant_id: str) -> Tenant:
        """One tenant, resolved. Raises UsageError with near misses for an unknown id."""
        if tenant_id not in self._resolved:
            self._resolved[tenant_id] = self._resolve(tenant_id)
        return self._resolved[tenant_id]

    def tenants(self) -> list[Tenant]:
        """All tenants, resolved, in file order."""
        return [self.tenant(tenant_id) for tenant_id in self.tenant_ids()]

    def release(self, version: str) -> Release:
        """One release. Raises UsageError for an unknown version."""
        found: Release = _one("release", version, self.releases, self.path)
        return found

    def strategy(self, name: str | None = None) -> Strategy:
        """One strategy; without a name the default one, and the built-in one where the file names none. Raises
        UsageError for an unknown name."""
        name = name or self.defaults["strategy"]
        if name is None:
            return Strategy()
        found: Strategy = _one("strategy", name, self.strategies, self.path, "strategies")
        return found

    def position(self, path: str) -> tuple[int, int]:
        """Line and column, from 1, of `tenants/acme/ring`; of what is missing: of the nearest thing above it."""
        return self.document.position([int(p) if p.isdecimal() else p for p in path.split("/")])

    @property
    def default_channel(self) -> str:
        """The one that tenants follow which name none."""
        return str(self.defaults["channel"])

    @property
    def raw(self) -> bytes:
        """The file's bytes."""
        return self._reading.raw

    @cached_property
    def document(self) -> "Document":
        """The text and where everything stands in it."""
        from provisioner.registry.compose import read

        return read(self._reading.raw, self._reading.name)

    def resolve_new(self, tenant_id: str, fields: Mapping[str, Any]) -> Tenant:
        """The tenant that adding these fields would give; nothing is written. Raises as `add_tenant` would."""
        from provisioner.registry.edit import with_tenant

        return with_tenant(self, tenant_id, fields).tenant(tenant_id)

    def _resolve(self, tenant_id: str) -> Tenant:
        plain = self._reading.plain
        entry = _one("tenant", tenant_id, plain["tenants"], self.path)
        target = self.targets[entry["target"]] if entry["target"] else self.default_target
        tier = self.tiers[entry["tier"] or self.defaults["tier"]]
        found = resolve.tenant(
            tenant_id,
            entry,
            target=target,
            tier=tier,
            channels=self.channels,
            defaults=self.defaults,
            today=self.today,
        )
        # The file was checked with its own default target, not with the one that a command put in its place.
        if found.region not in target.regions:
            raise UsageError(
                f"tenant {tenant_id} is in {found.region}; target {target.name} has {', '.join(target.regions)}",
                hint=f"leave --target away, or set tenants/{tenant_id}/target",
            )
        return found


def _each(section: dict[str, Any], make: Any) -> Mapping[str, Any]:
    return MappingProxyType({name: make(name, entry) for name, entry in section.items()})


def _one(kind: str, name: str, known: Mapping[str, Any], path: Path, kinds: str | None = None) -> Any:
    if name not in known:
        raise UsageError(f"there is no {kind} '{name}' in {path}", hint=suggest(name, known, kinds or f"{kind}s"))
    return known[name]
