"""Resources as the checkpoint holds them (Pulumi's ResourceV3), their names, and when a list of them is sound."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Final, get_origin

from provisioner.engines.embedded.values import Props, is_secret, secret
from provisioner.model.errors import EngineError, UnsupportedError

STACK_TYPE: Final = "pulumi:pulumi:Stack"
GUARDS = ("deletionProtection", "disableApiTermination")
"""Outputs by which the cloud itself refuses a deletion."""
_PROVIDERS: Final = "pulumi:providers:"


def make_urn(stack: str, project: str, parent: str, kind: str, name: str) -> str:
    """The URN of a resource below `parent` ("" for none); the stack itself doesn't count as a parent."""
    above = qualified_type(parent) if parent else ""
    prefix = f"{above}$" if above and above != STACK_TYPE else ""
    return f"urn:pulumi:{stack}::{project}::{prefix}{kind}::{name}"


def qualified_type(urn: str) -> str:
    """`parent$type` of a URN."""
    return urn.split("::", 3)[2]


def type_of(urn: str) -> str:
    """The last part of the qualified type."""
    return qualified_type(urn).rsplit("$", 1)[-1]


def name_of(urn: str) -> str:
    """The name at the end of a URN."""
    return urn.split("::", 3)[3]


def is_provider(kind: str) -> bool:
    """Whether a type is that of a provider resource."""
    return kind.startswith(_PROVIDERS)


def package_of(kind: str) -> str:
    """Which provider package serves a type ("aws"), for the type of a provider too."""
    return kind.removeprefix(_PROVIDERS) if is_provider(kind) else kind.split(":", 1)[0]


def split_reference(reference: str) -> tuple[str, str]:
    """URN and id of a provider reference."""
    urn, _, identifier = reference.rpartition("::")
    return urn, identifier


def now() -> str:
    """The present as checkpoints write it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


_KEYS: Final = {
    "id": "id",
    "delete": "delete",
    "parent": "parent",
    "protect": "protect",
    "taint": "taint",
    "external": "external",
    "dependencies": "dependencies",
    "init_errors": "initErrors",
    "provider": "provider",
    "property_dependencies": "propertyDependencies",
    "pending_replacement": "pendingReplacement",
    "additional_secret_outputs": "additionalSecretOutputs",
    "aliases": "aliases",
    "custom_timeouts": "customTimeouts",
    "import_id": "importID",
    "retain_on_delete": "retainOnDelete",
    "deleted_with": "deletedWith",
    "created": "created",
    "modified": "modified",
    "ignore_changes": "ignoreChanges",
    "replace_on_changes": "replaceOnChanges",
}
_REFUSED: Final = ("viewOf", "replaceWith", "replacementTrigger", "resourceHooks", "extensionRef", "snippetID")


@dataclass(slots=True, eq=False)
class Resource:
    """One physical resource. Compared by identity: a URN may have several while it is being replaced."""

    urn: str
    type: str
    custom: bool
    id: str = ""
    inputs: Props = field(default_factory=dict)
    outputs: Props = field(default_factory=dict)
    parent: str = ""
    provider: str = ""
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    delete: bool = False
    protect: bool = False
    taint: bool = False
    external: bool = False
    init_errors: list[str] = field(default_factory=list)
    pending_replacement: bool = False
    additional_secret_outputs: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    custom_timeouts: dict[str, float] = field(default_factory=dict)
    import_id: str = ""
    retain_on_delete: bool = False
    deleted_with: str = ""
    created: str = ""
    modified: str = ""
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)

    @property
    def in_cloud(self) -> bool:
        """Whether a provider holds something for it: components and provider resources are the engine's own."""
        return self.custom and not is_provider(self.type)

    @property
    def guarded(self) -> bool:
        """Whether `protect` or the cloud's own flag holds in this state."""
        return self.protect or any(self.outputs.get(k) is True for k in GUARDS)

    def mark_secret_outputs(self) -> None:
        """Outputs are secret if the program says so or their input was; also those that were read from the cloud."""
        marked = {
            key: secret(value)
            for key, value in self.outputs.items()
            if not is_secret(value) and (key in self.additional_secret_outputs or is_secret(self.inputs.get(key)))
        }
        if marked:
            self.outputs = {**self.outputs, **marked}

    @property
    def names(self) -> set[str]:
        """Its URN, and those that it had before."""
        return {self.urn, *self.aliases}

    def requires(self, *, parent: bool = True, provider: bool = True) -> Iterator[str]:
        """URNs that this one depends on, with repetitions."""
        yield from self.dependencies
        for urns in self.property_dependencies.values():
            yield from urns
        if self.deleted_with:
            yield self.deleted_with
        if parent and self.parent:
            yield self.parent
        if provider and self.provider:
            yield split_reference(self.provider)[0]

    def clone(self, **changes: Any) -> "Resource":
        """A copy that shares no container with this one but the values of properties."""
        return replace(
            self,
            **{
                "dependencies": list(self.dependencies),
                "property_dependencies": {key: list(urns) for key, urns in self.property_dependencies.items()},
                **changes,
            },
        )

    def to_json(self) -> Props:
        """ResourceV3, secrets still in the open."""
        result: Props = {"urn": self.urn, "custom": self.custom, "type": self.type}
        for name, key in _KEYS.items():
            value = getattr(self, name)
            if value:
                result[key] = value
        for name in ("inputs", "outputs"):
            if getattr(self, name):
                result[name] = getattr(self, name)
        return result

    @classmethod
    def from_json(cls, data: Props) -> "Resource":
        """Raises EngineError for what is no resource and UnsupportedError for what this engine would lose."""
        urn, kind = data.get("urn"), data.get("type")
        if not isinstance(urn, str) or not isinstance(kind, str) or urn.count("::") < 3:
            raise EngineError(f"a resource of the checkpoint has no sound urn and type: {urn!r}, {kind!r}")
        for key in _REFUSED:
            if data.get(key):
                raise UnsupportedError(f"{urn} has {key}, which the embedded engine does not support")
        known = {name: copy.copy(data[key]) for name, key in _KEYS.items() if data.get(key)}
        _check_shapes(urn, known)
        return cls(
            urn=urn,
            type=kind,
            custom=bool(data.get("custom")),
            inputs=dict(data.get("inputs") or {}),
            outputs=dict(data.get("outputs") or {}),
            **known,
        )


_SHAPES: Final[dict[str, Any]] = {f.name: get_origin(f.type) or f.type for f in fields(Resource)}


def _check_shapes(urn: str, known: Props) -> None:
    for name, value in known.items():
        if not isinstance(value, _SHAPES[name]):
            raise EngineError(f"{urn}: {_KEYS[name]} is {type(value).__name__}, not {_SHAPES[name].__name__}")
    timeouts = known.get("custom_timeouts", {})
    if not all(isinstance(seconds, int | float) for seconds in timeouts.values()):
        raise EngineError(f"{urn}: customTimeouts must be numbers of seconds")


def verify(resources: list[Resource]) -> None:
    """Raise EngineError unless the list is sound (Snapshot.VerifyIntegrity): names before uses, no live duplicates."""
    seen: dict[str, list[Resource]] = {}
    providers: set[str] = set()
    everything = {resource.urn for resource in resources}
    for resource in resources:
        urn = resource.urn
        if not resource.custom and resource.id:
            raise EngineError(f"{urn} is a component but has an id")
        if resource.custom and not resource.id:
            raise EngineError(f"{urn} is a custom resource without an id")
        if resource.in_cloud and not resource.provider:
            raise EngineError(f"{urn} has no provider")
        if is_provider(resource.type):
            providers.add(f"{urn}::{resource.id}")
        if resource.provider and resource.provider not in providers and not resource.pending_replacement:
            raise EngineError(f"{urn} refers to the unknown provider {resource.provider}")
        for required in resource.requires(provider=False):
            if required not in seen:
                why = "comes after it" if required in everything else "is missing"
                raise EngineError(f"{urn} depends on {required}, which {why}")
        seen.setdefault(urn, []).append(resource)
    for urn, states in seen.items():
        if sum(not state.delete for state in states) > 1:
            raise EngineError(f"{urn} is there twice and not marked for deletion")
