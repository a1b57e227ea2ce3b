"""Checkpoints on disk, in the layout of Pulumi's DIY backend: written atomically and durably, one writer at a time."""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from provisioner.engines.embedded.secrets import Cipher, private_folder
from provisioner.engines.embedded.state import STACK_TYPE, Resource, now, qualified_type, verify
from provisioner.engines.embedded.values import Props
from provisioner.model.errors import EngineError
from provisioner.model.ports import Stack

_VERSION: Final = "provision-embedded"
_MAGIC: Final = hashlib.sha256(_VERSION.encode()).hexdigest()
_SCHEMAS: Final = (3, 4)
PENDING: Final = frozenset({"creating", "updating", "deleting", "reading", "importing"})


@dataclass(slots=True)
class Pending:
    """An operation that was begun: `creating`, `updating`, `deleting`, `reading` or `importing`."""

    type: str
    resource: Resource


@dataclass(slots=True)
class Snapshot:
    """What a checkpoint holds. Dependencies come before their dependents."""

    resources: list[Resource] = field(default_factory=list)
    pending: list[Pending] = field(default_factory=list)


class Checkpoints:
    """All stacks below one state folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, stack: Stack) -> Path:
        """`<root>/.pulumi/stacks/<project>/<stack>.json`."""
        return self._root / ".pulumi" / "stacks" / stack.project / f"{stack.name}.json"

    @contextlib.contextmanager
    def lock(self, stack: Stack) -> Iterator[None]:
        """Hold the stack. The kernel frees it with the process, so a kill leaves no stale lock. Raises EngineError."""
        path = self._root / "locks" / stack.project / f"{stack.name}.lock"
        private_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise EngineError(
                    f"another run holds the lock of stack {stack.project}/{stack.name} ({path})",
                    hint="wait until it has ended, then run the same command again",
                ) from None
            yield
        finally:
            os.close(descriptor)

    def read(self, stack: Stack) -> Props | None:
        """The stored deployment, secrets encrypted; None where the stack isn't there."""
        try:
            data = json.loads(self.path(stack).read_bytes())
            if data["version"] not in _SCHEMAS:
                raise EngineError(f"{self.path(stack)} has the unknown version {data['version']}")
            return dict(data["checkpoint"].get("latest") or empty())
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise EngineError(f"{self.path(stack)} is no checkpoint: {type(error).__name__} {error}") from error

    def write(self, stack: Stack, deployment: str) -> None:
        """Put a deployment (JSON text) in place. It is on the disk when this returns."""
        path = self.path(stack)
        private_folder(path.parent)
        name = json.dumps(f"organization/{stack.project}/{stack.name}")
        text = f'{{"version":3,"checkpoint":{{"stack":{name},"latest":{deployment}}}}}'
        draft = path.with_suffix(".json.new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def empty() -> Props:
    """The deployment of a stack without resources."""
    manifest = {"time": now(), "magic": _MAGIC, "version": _VERSION}
    return {"manifest": manifest, "resources": [], "metadata": {}}


def load(deployment: Mapping[str, Any], cipher: Cipher) -> Snapshot:
    """A sound snapshot with its secrets in the clear. Raises EngineError naming what isn't sound."""
    try:
        manifest = deployment.get("manifest") or {}
        if manifest.get("magic", "") != hashlib.sha256(manifest.get("version", "").encode()).hexdigest():
            raise EngineError("the checkpoint's magic doesn't fit its version: it was damaged or edited")
        provider = deployment.get("secrets_providers") or {}
        if provider.get("type", "passphrase") != "passphrase":
            raise EngineError(f"the checkpoint's secrets are kept by {provider['type']}, not by a passphrase")
        if deployment.get("snippets"):
            raise EngineError("the checkpoint has snippets, which the embedded engine does not support")
        salt = (provider.get("state") or {}).get("salt")
        snapshot = Snapshot(
            [_resource(data, cipher, salt) for data in deployment.get("resources") or []],
            [
                Pending(data["type"], _resource(data["resource"], cipher, salt))
                for data in deployment.get("pending_operations") or []
            ],
        )
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise EngineError(f"the checkpoint is not sound: {type(error).__name__} {error}") from error
    verify(snapshot.resources)
    unknown = {operation.type for operation in snapshot.pending} - PENDING
    if unknown:
        raise EngineError(f"the checkpoint has pending operations of unknown types: {', '.join(sorted(unknown))}")
    return snapshot


def _resource(data: Props, cipher: Cipher, salt: str | None) -> Resource:
    opened = {key: cipher.open(data.get(key) or {}, salt) for key in ("inputs", "outputs")}
    return Resource.from_json({**data, **opened})


class Writer:
    """Turns snapshots into text. What didn't change since the last time is not turned again."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher
        self._fragments: dict[Resource, str] = {}
        self._aliases: dict[str, str] = {}

    def forget(self, resource: Resource) -> None:
        """The resource was changed in place."""
        self._fragments.pop(resource, None)

    def text(self, snapshot: Snapshot) -> str:
        """The deployment as JSON. References to renamed resources follow the new names (NormalizeURNReferences)."""
        aliases = _aliases(snapshot.resources)
        if aliases != self._aliases:
            self._fragments.clear()
            self._aliases = aliases
        resources = ",".join(self._fragment(resource) for resource in snapshot.resources)
        head = json.dumps({"time": now(), "magic": _MAGIC, "version": _VERSION})
        parts = [f'"manifest":{head}']
        pending = ",".join(
            f'{{"resource":{self._fragment(operation.resource)},"type":"{operation.type}"}}'
            for operation in snapshot.pending
        )
        if self._cipher.state:
            keeper = {"type": "passphrase", "state": {"salt": self._cipher.state}}
            parts.append(f'"secrets_providers":{json.dumps(keeper)}')
        parts.append(f'"resources":[{resources}]')
        if pending:
            parts.append(f'"pending_operations":[{pending}]')
        parts.append('"metadata":{}')
        return "{" + ",".join(parts) + "}"

    def _fragment(self, resource: Resource) -> str:
        if resource not in self._fragments:
            data = _renamed(resource, self._aliases).to_json()
            for key in ("inputs", "outputs"):
                if key in data:
                    data[key] = self._cipher.seal(data[key])
            self._fragments[resource] = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return self._fragments[resource]


def renamed(resources: list[Resource]) -> list[Resource]:
    """Resources whose references to renamed ones follow the new names."""
    aliases = _aliases(resources)
    return [_renamed(resource, aliases) for resource in resources]


def _aliases(resources: list[Resource]) -> dict[str, str]:
    """Old name -> new name, for what was renamed in this run; a child's name holds the type of its parent."""
    found: dict[str, str] = {}
    for resource in resources:
        found.update(dict.fromkeys(resource.aliases, resource.urn))
        parent = found.get(resource.parent)
        if parent and qualified_type(parent) != STACK_TYPE:
            head, project, _, name = resource.urn.split("::", 3)
            found[resource.urn] = f"{head}::{project}::{qualified_type(parent)}${resource.type}::{name}"
    return {old: new for old, new in found.items() if old != new}


def _renamed(resource: Resource, aliases: dict[str, str]) -> Resource:
    if not aliases:
        return resource

    def fix(urn: str) -> str:
        return aliases.get(urn, urn)

    urn, _, identifier = resource.provider.rpartition("::")
    return resource.clone(
        urn=fix(resource.urn),
        parent=fix(resource.parent),
        provider=f"{fix(urn)}::{identifier}" if resource.provider else "",
        dependencies=[fix(u) for u in resource.dependencies],
        property_dependencies={k: [fix(u) for u in urns] for k, urns in resource.property_dependencies.items()},
        deleted_with=fix(resource.deleted_with),
        # Of one that is not made yet, the former name is still another's: that which it replaces.
        aliases=[urn for urn in resource.aliases if urn not in aliases],
    )
