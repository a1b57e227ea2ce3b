"""Results as JSON values."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from enum import Enum
from functools import singledispatch
from pathlib import Path
from typing import Any

from provisioner.cli.results import Intentions, OperationList, Table, TenantList, Text
from provisioner.model.errors import ProvisionError
from provisioner.ops.plan import Intention


@singledispatch
def plain(value: Any) -> Any:
    """JSON values: dataclasses as objects, times as ISO 8601 in UTC, lists of rows without their wrapper."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value


@plain.register
def _(value: TenantList) -> Any:
    return plain(value.tenants)


@plain.register
def _(value: Intentions) -> Any:
    return plain(value.intentions)


@plain.register
def _(value: OperationList) -> Any:
    return plain(value.operations)


@plain.register
def _(value: Table) -> Any:
    return plain(value.rows)


@plain.register
def _(value: Text) -> Any:
    return plain(value.data)


@plain.register
def _(value: Enum) -> Any:
    return value.value


@plain.register
def _(value: datetime) -> Any:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@plain.register(date)
@plain.register(Path)
def _(value: object) -> Any:
    return str(value)


@plain.register
def _(value: Mapping) -> Any:  # type: ignore[type-arg]  # singledispatch wants a class
    return {str(k): plain(v) for k, v in value.items()}


@plain.register(list)
@plain.register(tuple)
def _(value: Sequence[Any]) -> Any:
    return [plain(v) for v in value]


@plain.register
def _(value: Intention) -> Any:
    changes = [
        {"op": str(s.op), "type": s.type, "name": s.name, "paths": [c.path for c in s.changes]}
        for s in (value.plan.changes if value.plan else ())
    ]
    return {
        "tenant": value.tenant,
        "verdict": value.verdict,
        "reason": value.reason,
        "summary": value.plan.summary() if value.plan else {},
        "changes": changes,
        "next": value.error.hint if isinstance(value.error, ProvisionError) else None,
    }
