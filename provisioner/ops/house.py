"""What the use cases need around them; `app.py` builds it. Narrow on purpose, so that a test's fakes stay tiny."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from provisioner.model.asking import Messenger, Prober
from provisioner.model.clock import Clock
from provisioner.model.fleet.notice import Endpoint
from provisioner.model.fleet.work import Work
from provisioner.model.ledger import TenantRecord
from provisioner.model.ports import Cloud, Engine, Ledger, Operations, Stack
from provisioner.model.rollout.strategy import Strategy
from provisioner.model.stack import StackArgs
from provisioner.model.tenant import Freeze, Release, Target, Tenant
from provisioner.model.tools import Tools


class RegistryView(Protocol):
    """A loaded registry."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def targets(self) -> Mapping[str, Target]:
        """All targets by name."""

    @property
    def default_target(self) -> Target:
        """The target of tenants that name none."""

    def tenant_ids(self) -> list[str]:
        """All ids, in file order."""

    def tenant(self, tenant_id: str) -> Tenant:
        """One tenant, resolved. Raises UsageError with near misses for an unknown id."""

    def tenants(self) -> list[Tenant]:
        """All tenants, resolved, in file order."""

    def release(self, version: str) -> Release:
        """One release. Raises UsageError for an unknown version."""

    @property
    def releases(self) -> Mapping[str, Release]:
        """All of them by version."""

    @property
    def channels(self) -> Mapping[str, str]:
        """The release that each channel is at."""

    @property
    def default_channel(self) -> str:
        """The one that tenants follow which name none."""

    @property
    def notices(self) -> tuple[Endpoint, ...]:
        """Who is told when something needs a person."""

    @property
    def freezes(self) -> tuple[Freeze, ...]:
        """When nobody may be changed."""

    @property
    def os_releases(self) -> Mapping[int, str]:
        """On which OS release the machines of a ring shall be that are patched by replacement, where that is said."""

    def strategy(self, name: str | None = None) -> Strategy:
        """A strategy of rollouts; without a name the default one. Raises UsageError for an unknown name."""

    def resolve_new(self, tenant_id: str, fields: Mapping[str, Any]) -> Tenant:
        """The tenant that adding these fields would give. Raises RegistryError or UsageError as adding would."""


class RegistryFile(Protocol):
    """The registry as a file that people edit too."""

    def load(self) -> RegistryView:
        """Read and check it. Raises RegistryError with all problems."""

    def add(self, tenant_id: str, fields: Mapping[str, Any]) -> None:
        """Add an entry in place; the same entry again is no change."""

    def remove(self, tenant_id: str) -> None:
        """Remove an entry in place; one that is gone is success."""

    def override(self, tenant_id: str, settings: Mapping[str, Any], *, name: str, reason: str) -> None:
        """Let a tenant differ from its tier in these settings, in place; the same again is no change."""

    def move_channel(self, channel: str, release: str) -> None:
        """Move a channel in place; one that is there already is no change."""


class House(Protocol):
    """Adapters by what they are for. Properties are built on first use."""

    @property
    def clock(self) -> Clock:
        """Time."""

    @property
    def prober(self) -> Prober:
        """Asks products how they are."""

    @property
    def messenger(self) -> Messenger:
        """Tells the outside."""

    @property
    def ledger(self) -> Ledger:
        """What happened and what holds."""

    def in_ledger(self, target: Target) -> bool:
        """Whether the tenants of this target are kept in the ledger of this command: a command works with one."""

    def records(self) -> list[TenantRecord]:
        """All tenants as the ledger has them. A command that only looks pays for no more than that."""

    def work(self) -> Work:
        """What is under way or was left, at one moment. As cheap as `records`."""

    @property
    def operations(self) -> Operations:
        """Runs operations durably."""

    @property
    def program_version(self) -> str:
        """Digest of the stack's program: a new program makes `apply` look again."""

    def registry(self, path: Path | None = None) -> RegistryFile:
        """The registry at `path`, or the one of this command."""

    def ready(self, target: Target) -> None:
        """Start what the target needs (the sandbox's daemon)."""

    def engine(self, target: Target) -> Engine:
        """The engine that serves the target."""

    def cloud(self, target: Target, region: str) -> Cloud:
        """The target's cloud in one region."""

    @property
    def tools(self) -> Tools:
        """Programs that production needs."""

    @property
    def engine_name(self) -> str | None:
        """The engine that was asked for; None for what fits the target."""

    def reach_state(self, target: Target) -> None:
        """Open the place where the target's stacks are kept, as a run would. Raises ProvisionError."""

    def image(self, target: Target, release: Release, region: str, os_release: str | None = None) -> str:
        """The AMI id of a release, on an OS release (None: the one that it was published with). Raises UsageError where
        the release has none for that region."""

    def stack(self, args: StackArgs) -> Stack:
        """The tenant's program with its arguments."""
