"""Typed results of commands. Each is printed as it is in JSON and YAML, and by `render` as a table."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from provisioner.model.errors import ExitCode, ProvisionError
from provisioner.model.ledger import Operation
from provisioner.ops.plan import ACTIONABLE, Intention
from provisioner.ops.views import TenantView


def exit_code(errors: Iterable[ProvisionError | None]) -> ExitCode:
    """The one code that all failures share, or 1; 0 where there is none."""
    codes = {e.exit_code for e in errors if e is not None}
    if not codes:
        return ExitCode.DONE
    return codes.pop() if len(codes) == 1 else ExitCode.FAILED


@dataclass(frozen=True, slots=True)
class TenantList:
    """Rows of `list`."""

    tenants: list[TenantView]


@dataclass(frozen=True, slots=True)
class Made:
    """What a command made or did for one tenant."""

    tenant: str
    state: str
    url: str | None = None
    release: str | None = None
    operation: str | None = None
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Intentions:
    """What `plan` found or `apply` did. `detailed`: exit 7 where changes are pending."""

    intentions: list[Intention]
    detailed: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """The one code that all failures share, or 1; 7 for pending changes where that was asked for."""
        failed = exit_code(i.error for i in self.intentions)
        if failed:
            return failed
        pending = any(i.verdict in ACTIONABLE for i in self.intentions)
        return ExitCode.CHANGES_PENDING if self.detailed and pending else ExitCode.DONE


@dataclass(frozen=True, slots=True)
class OperationList:
    """Rows of `operations list`."""

    operations: list[Operation]


@dataclass(frozen=True, slots=True)
class Document:
    """JSON for another program, whatever the form that was asked for; YAML where that is."""

    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """Anything else that is rows: column names and their values."""

    columns: list[str]
    rows: list[dict[str, Any]]
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Text:
    """Words for stdout, printed as they are; `data` is what JSON and YAML get."""

    text: str
    data: dict[str, Any] = field(default_factory=dict)
    exit_code: int = 0
