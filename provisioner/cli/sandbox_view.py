"""The sandbox's answers as results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from provisioner.cli.results import Table, Text
from provisioner.model.json import Json

if TYPE_CHECKING:
    from provisioner.sandbox.client import SandboxClient, SandboxInfo


@dataclass(frozen=True, slots=True)
class SandboxStatus:
    """Whether the daemon runs and what it says of itself."""

    running: bool
    detail: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(client: "SandboxClient") -> "SandboxStatus":
        """Ask a daemon that runs; don't start one."""
        if client.running() is None:
            return SandboxStatus(False)
        return SandboxStatus(True, dict(client.status()))


def environment(info: "SandboxInfo") -> Text:
    """Lines for a shell to evaluate; the keys open nothing but this sandbox."""
    values = {
        "AWS_ENDPOINT_URL": info.endpoint_url,
        "AWS_ACCESS_KEY_ID": info.access_key_id,
        "AWS_SECRET_ACCESS_KEY": info.secret_access_key,
        "AWS_REGION": info.region,
        "AWS_DEFAULT_REGION": info.region,
    }
    return Text("\n".join(f"export {name}={value}" for name, value in values.items()), values)


def rule(
    kind: str,
    service: str | None,
    operation: str | None,
    body: str | None,
    first: int,
    last: int | None,
    seconds: float | None,
) -> dict[str, Json]:
    """A fault rule from words; what was not said is left to the sandbox's defaults."""
    said: dict[str, Json] = {
        "kind": kind,
        "service": service,
        "operation": operation,
        "contains": body,
        "start": first,
        "stop": last,
        "seconds": seconds,
    }
    return {name: value for name, value in said.items() if value is not None}


def fault_table(rules: Sequence[Mapping[str, Any]]) -> Table:
    """The rules as rows."""
    return Table(
        ["id", "kind", "service", "operation", "contains", "tenant", "start", "stop", "seconds", "matched"],
        [dict(r) for r in rules],
    )
