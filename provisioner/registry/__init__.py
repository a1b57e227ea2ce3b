"""The registry: `tenants.yaml`, which says what every tenant should be. Light to import; the work is done lazily."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provisioner.model.json import Json
    from provisioner.registry.edit import Edited
    from provisioner.registry.policy import FieldPolicy
    from provisioner.registry.registry import Registry

__all__ = [
    "Registry",
    "add_tenant",
    "format_file",
    "load",
    "override",
    "remove_tenant",
    "schema_text",
    "set_field",
    "update_policies",
]


def load(path: Path, *, target: str | None = None, today: date | None = None, cache: Path | None = None) -> "Registry":
    """Read and check a registry. `target` stands in place of the file's default one; `today` is UTC's unless given;
    `cache`: a folder where a checked reading is kept, so that the same file is not checked twice a day.

    Raises RegistryError with all problems, UsageError for an unknown `target`.
    """
    from provisioner.registry.files import load as load_

    return load_(path, target=target, today=today, cache=cache)


def add_tenant(path: Path, tenant_id: str, fields: Mapping[str, "Json"], *, today: date | None = None) -> "Edited":
    """Add an entry in place; all other lines stay as they are, byte for byte. The same entry again is no change.

    Raises UsageError where it is there with other fields or wouldn't be valid, RegistryError where the file isn't.
    """
    from provisioner.registry.edit import add_tenant as add_tenant_

    return add_tenant_(path, tenant_id, fields, today=today)


def set_field(path: Path, field: str, value: "Json", *, today: date | None = None) -> "Edited":
    """Set one field (`tenants/acme/tier`, `channels/stable`) in place; None takes it out. Raises as `add_tenant`."""
    from provisioner.registry.edit import set_field as set_field_

    return set_field_(path, field, value, today=today)


def override(
    path: Path, tenant_id: str, settings: Mapping[str, "Json"], *, name: str, reason: str, today: date | None = None
) -> "Edited":
    """Let a tenant differ from its tier in these settings, in place; the same again is no change, another value of a
    setting takes the place of the one before. Raises as `add_tenant`."""
    from provisioner.registry.edit import override as override_

    return override_(path, tenant_id, settings, name=name, reason=reason, today=today)


def remove_tenant(path: Path, tenant_id: str, *, today: date | None = None) -> "Edited":
    """Take an entry out in place; one that is gone already is no change. Raises as `add_tenant`."""
    from provisioner.registry.edit import remove_tenant as remove_tenant_

    return remove_tenant_(path, tenant_id, today=today)


def format_file(path: Path, *, check: bool = False) -> bool:
    """Bring a registry into canonical order and indentation; comments stay. Whether it changed, or with `check`
    would change. Raises RegistryError where it isn't valid."""
    from provisioner.registry.layout import format_file as format_file_

    return format_file_(path, check=check)


def schema_text() -> str:
    """The JSON schema of the file, for editors: tenants.schema.json."""
    from provisioner.registry.jsonschema import schema_text as schema_text_

    return schema_text_()


def update_policies() -> "tuple[FieldPolicy, ...]":
    """What a change of each field means: live, restart, replace or forbidden, the reason, and what to do."""
    from provisioner.registry.policy import update_policies as update_policies_

    return update_policies_()


def __getattr__(name: str) -> object:
    if name == "Registry":
        from provisioner.registry.registry import Registry

        return Registry
    raise AttributeError(name)
