"""What a change of a field means: every field of the registry declares it, with the reason and what to do instead."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

from provisioner.registry.shape import bare, entry_type, is_model, keys


class Update(StrEnum):
    """Kinds of policy, from harmless to impossible."""

    LIVE = "live"
    RESTART = "restart"
    REPLACE = "replace"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class Policy:
    """Stands in a field's annotation, and appears in the JSON schema as `x-update-policy`.

    `reason`: why it is so; `action`: what applies the change, or what to do instead of it.
    """

    update: Update
    reason: str
    action: str

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        described = {"update": str(self.update), "reason": self.reason, "action": self.action}
        return {**handler(schema), "x-update-policy": described}


def live(reason: str, action: str = "provision apply") -> Policy:
    """Changes while everything runs."""
    return Policy(Update.LIVE, reason, action)


def restart(reason: str, action: str = "provision apply, in the tenant's maintenance window") -> Policy:
    """The machine or the database restarts: minutes of outage."""
    return Policy(Update.RESTART, reason, action)


def replace(reason: str, action: str) -> Policy:
    """Something that holds no data is made anew."""
    return Policy(Update.REPLACE, reason, action)


def forbidden(reason: str, action: str) -> Policy:
    """Would lose data or identity; `action` is the way around."""
    return Policy(Update.FORBIDDEN, reason, action)


@dataclass(frozen=True, slots=True)
class FieldPolicy:
    """One row of the table. `field` is a path with `*` for names: `tenants/*/ring`."""

    field: str
    policy: str
    reason: str
    action: str


def walk(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every field of a model and of the models in it, with its path."""
    for name, info in keys(model).items():
        here = f"{path}/{name}" if path else name
        yield here, info
        kind = bare(info.annotation)
        entry = entry_type(kind)
        if is_model(kind):
            yield from walk(kind, here)
        elif is_model(entry):
            yield from walk(entry, f"{here}/*")


def policy_of(info: FieldInfo) -> Policy:
    """The policy that a field declares. Raises LookupError where it was forgotten (a test walks all of them)."""
    for item in info.metadata:
        if isinstance(item, Policy):
            return item
    raise LookupError(f"{info!r} declares no update policy")


def update_policies() -> tuple[FieldPolicy, ...]:
    """All fields of the registry and what a change of each means, in the file's canonical order."""
    from provisioner.registry.schema import RegistryFile

    found = ((path, policy_of(info)) for path, info in walk(RegistryFile))
    return tuple(FieldPolicy(path, str(p.update), p.reason, p.action) for path, p in found)
