"""The composition root: settings -> adapters -> use cases. The only place that knows every room."""

import secrets
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from provisioner.model.asking import Messenger, Prober
from provisioner.model.clock import Clock, SystemClock
from provisioner.model.errors import UnsupportedError, UsageError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import TenantRecord
from provisioner.model.ports import Cloud, Engine, Ledger, Operations, Stack
from provisioner.model.stack import StackArgs
from provisioner.model.tenant import CloudKind, Release, Target
from provisioner.model.tools import Tools
from provisioner.settings import Settings, private

if TYPE_CHECKING:
    from provisioner.engines.pulumi_cli.cli import Cli
    from provisioner.engines.pulumi_cli.engine import Backend
    from provisioner.model.fleet.work import Work
    from provisioner.registry import Registry
    from provisioner.sandbox.client import SandboxClient


class RegistryAt:
    """The registry file at a path, with this command's `--target` in place of the default."""

    def __init__(self, path: Path, target: str | None, cache: Path) -> None:
        self._path = path
        self._target = target
        self._cache = cache

    def load(self) -> "Registry":
        from provisioner import registry

        return registry.load(self._path, target=self._target, cache=self._cache)

    def add(self, tenant_id: str, fields: Mapping[str, Any]) -> None:
        from provisioner import registry

        registry.add_tenant(self._path, tenant_id, fields)

    def remove(self, tenant_id: str) -> None:
        from provisioner import registry

        registry.remove_tenant(self._path, tenant_id)

    def override(self, tenant_id: str, settings: Mapping[str, Any], *, name: str, reason: str) -> None:
        from provisioner import registry

        registry.override(self._path, tenant_id, settings, name=name, reason=reason)

    def move_channel(self, channel: str, release: str) -> None:
        from provisioner import registry

        registry.set_field(self._path, f"channels/{channel}", release)


class App:
    """The `House` of the use cases. Adapters are made on first use, so that a command pays for what it needs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = Lock()
        self._clouds: dict[tuple[Target, str], Cloud] = {}
        self._engines: dict[Target, Engine] = {}
        self._ready: set[str] = set()

    @cached_property
    def clock(self) -> Clock:
        return SystemClock()

    @cached_property
    def prober(self) -> Prober:
        from provisioner.cloud.health import HttpProber

        return HttpProber()

    @cached_property
    def messenger(self) -> Messenger:
        from provisioner.cloud.webhooks import HttpMessenger

        return HttpMessenger()

    @cached_property
    def ledger(self) -> Ledger:
        from provisioner.ledger.store import open_ledger

        return open_ledger(self._ledger_url, self.clock)

    def records(self) -> list[TenantRecord]:
        from provisioner.ledger.glance import read_tenants

        found = None if "ledger" in self.__dict__ else read_tenants(self._ledger_url)
        return self.ledger.tenants() if found is None else found

    def work(self) -> "Work":
        """What is under way or was left: a command that only looks pays for no more than that."""
        from provisioner.ledger.glance_work import read_work
        from provisioner.ops.fleet import work_of
        from provisioner.ops.operations import CHANGING, UNFINISHED

        found = None if "ledger" in self.__dict__ else read_work(self._ledger_url, CHANGING, UNFINISHED)
        return work_of(self.ledger) if found is None else found

    @cached_property
    def _ledger_url(self) -> str:
        """PROVISION_LEDGER, else the chosen target's own, else a file of this home."""
        if self.settings.ledger is not None:
            return self.settings.ledger
        return self._ledger_of(self.target() if self._targets_name_ledgers else None)

    @cached_property
    def _targets_name_ledgers(self) -> bool:
        """Whether some may have one. Most registries name none, and need not be loaded for it."""
        path = self.settings.registry
        return path.is_file() and b"ledger" in path.read_bytes()

    def _ledger_of(self, target: Target | None) -> str:
        return (target and target.ledger) or f"sqlite:///{self.settings.folder() / 'ledger.db'}"

    def in_ledger(self, target: Target) -> bool:
        if self.settings.ledger is not None or not self._targets_name_ledgers:
            return True
        return self._ledger_of(target) == self._ledger_url

    def check_named(self, tenant_ids: Collection[str]) -> None:
        """Raise UsageError where a tenant of the registry is in another ledger: what this command's one says of it, a
        lease above all, says nothing."""
        from provisioner.ops.desired import check_ledger

        if self.settings.ledger is not None or not self._targets_name_ledgers:
            return
        registry = self.registry().load()
        for tenant_id in {*registry.tenant_ids()}.intersection(tenant_ids):
            check_ledger(self, registry.tenant(tenant_id))

    @cached_property
    def operations(self) -> Operations:
        from provisioner.durable.operations import DurableOperations
        from provisioner.ledger.holder import current_holder
        from provisioner.ops.definitions import definitions

        home = self.settings.folder()
        database = f"sqlite:///{home / 'durable.db'}"
        return DurableOperations(database, definitions(self), self.ledger, self.clock, home, current_holder())

    @cached_property
    def _cli(self) -> "Cli":
        from provisioner.engines.pulumi_cli.cli import find

        return find(self.settings.home)

    @cached_property
    def tools(self) -> Tools:
        from provisioner.engines.pulumi_cli.tools import PulumiTools

        return PulumiTools(self.settings.folder())

    @property
    def engine_name(self) -> str | None:
        return self.settings.engine

    def reach_state(self, target: Target) -> None:
        from provisioner.engines.pulumi_cli.engine import PulumiCliEngine

        engine = self.engine(target)
        if isinstance(engine, PulumiCliEngine):
            engine.reach()

    @cached_property
    def program_version(self) -> str:
        from stacks.version import program_version

        return program_version()

    @cached_property
    def sandbox(self) -> "SandboxClient":
        """The sandbox of this home, running or not."""
        from provisioner.sandbox.client import SandboxClient

        return SandboxClient(self.settings.folder() / "sandbox")

    def registry(self, path: Path | None = None) -> RegistryAt:
        return RegistryAt(path or self.settings.registry, self.settings.target, self.settings.folder("cache"))

    def target(self) -> Target:
        """The target of this command: the one that was asked for, or the registry's default. Raises UsageError."""
        found: Target = self.registry().load().default_target
        return found

    def ready(self, target: Target) -> None:
        with self._lock:
            if target.cloud is CloudKind.SANDBOX and target.name not in self._ready:
                if self.settings.engine == "pulumi":
                    self._cli  # noqa: B018 - found, before a sandbox is started for nothing
                self.sandbox.ensure_running()
                self.sandbox.ensure_zone(target.domain)
                self._ready.add(target.name)

    def engine(self, target: Target) -> Engine:
        with self._lock:
            if target not in self._engines:
                self._engines[target] = self._make_engine(target)
            return self._engines[target]

    def cloud(self, target: Target, region: str) -> Cloud:
        with self._lock:
            key = (target, region)
            if key not in self._clouds:
                self._clouds[key] = self._make_cloud(target, region)
            return self._clouds[key]

    def image(self, target: Target, release: Release, region: str, os_release: str | None = None) -> str:
        place = target.place(region)
        images = release.images_on(os_release)
        if place not in images:
            path = f"releases/{release.version}/" + (f"rebuilds/{os_release}" if os_release else "images")
            what = "the release's directory" if place == "sandbox" else "its AMI"
            on = f" on {os_release}" if os_release else ""
            raise UsageError(
                f"release {release.version}{on} has no image for {place} (it has: {', '.join(images) or 'none'})",
                hint=f"add {path}/{place} to the registry: {what}",
            )
        if target.cloud is CloudKind.SANDBOX:
            return self.sandbox.register_image(Path(images[place]))
        return images[place]

    def stack(self, args: StackArgs) -> Stack:
        from stacks.tenant import program

        return Stack(args.project, args.name, program(args))

    def _make_engine(self, target: Target) -> Engine:
        from provisioner.engines.pulumi_cli.engine import Backend

        if target.cloud is CloudKind.AWS:
            if self.settings.engine == "embedded":
                raise UnsupportedError(
                    f"the embedded engine serves the sandbox only, and target {target.name} is on AWS",
                    hint="leave --engine (and PROVISION_ENGINE) away: the Pulumi CLI serves it",
                )
            if target.state is None or target.secrets is None:
                raise UsageError(f"target {target.name} has no state or secrets", hint="provision registry validate")
            from provisioner.engines.pulumi_cli.tools import own_home

            # Plugins come with `provision setup`: a run must not wait for a download that fails.
            environ = {**own_home(), "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"}
            return self._pulumi(target, Backend(target.state, target.secrets, lambda: environ, patience=20.0))
        if self.settings.engine == "pulumi":
            return self._pulumi(target, Backend(f"file://{self._state()}", "passphrase", self._attached, patience=3.0))
        return self._embedded()

    def _embedded(self) -> Engine:
        from provisioner.engines.embedded.engine import EmbeddedEngine
        from stacks.tenant import warm

        return EmbeddedEngine(
            state_dir=self.settings.folder("state"),
            passphrase=self._passphrase,
            provider_address=lambda _: f"127.0.0.1:{self.sandbox.ensure_running().provider_port}",
            warm=warm,
        )

    def _pulumi(self, target: Target, backend: "Backend") -> Engine:
        from provisioner.engines.pulumi_cli.engine import PulumiCliEngine
        from stacks.tenant import warm

        def lookup(stack: Stack, region: str, type_: str, inputs: JsonDict, known: Collection[str]) -> str | None:
            tags = {"provision:stack": f"{stack.project}/{stack.name}"}
            return self.cloud(target, region).find(type_, inputs, tags, known)

        root = self.settings.folder("pulumi", target.name)
        return PulumiCliEngine(root, lambda: self._cli, backend, lookup, warm)

    def _state(self) -> Path:
        """The embedded engine's state, which is Pulumi's own kind: the two hand stacks to each other."""
        folder = self.settings.folder("state")
        meta = self.settings.folder("state", ".pulumi") / "meta.yaml"
        if not meta.exists():
            # Without it the CLI takes a folder with stacks for one of before projects.
            meta.write_text("version: 1\n")
        return folder

    def _attached(self) -> Mapping[str, str]:
        """The sandbox's provider stands where the plugin would; its configuration is kept for each connection, so that
        all stacks share one port."""
        self._passphrase()
        return {
            "PULUMI_DEBUG_PROVIDERS": f"aws:{self.sandbox.ensure_running().provider_port}",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.settings.home / "passphrase"),
            "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
            "PULUMI_HOME": str(self.settings.folder("pulumi", "home")),
        }

    def _make_cloud(self, target: Target, region: str) -> Cloud:
        from provisioner.cloud.aws import AwsCloud
        from provisioner.cloud.session import Access

        if target.cloud is CloudKind.AWS:
            return AwsCloud(Access(region, role_arn=target.role, tenant=target.tenant))
        info = self.sandbox.ensure_running()
        return AwsCloud(Access(region, info.endpoint_url, info.access_key_id, info.secret_access_key))

    def _passphrase(self) -> str:
        """The key of secrets in checkpoints; made on first use, in a file that only this user can read."""
        path = self.settings.folder() / "passphrase"
        try:
            with open(path, "x", opener=private) as out:
                out.write(secrets.token_urlsafe(32))
        except FileExistsError:
            pass
        return path.read_text()
