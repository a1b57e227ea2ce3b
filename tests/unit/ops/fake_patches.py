"""A fake of Patch Manager: packages that are missing, that can't be installed, that want a reboot."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from provisioner.model.errors import ProvisionError
from provisioner.model.patch.policy import Severity
from provisioner.model.patch.scan import Patch, PatchState, Scan


def package(name: str, severity: Severity = Severity.CRITICAL, *, cve: str | None = None) -> Patch:
    """One that is missing."""
    cves = (cve,) if cve else ()
    return Patch(name, f"{name}:1.0-2", severity, "Security", PatchState.MISSING, cves)


@dataclass
class FakePatches:
    """`known`: what isn't in effect; `broken`: packages that can't be installed, and what the machine says then;
    `kernels`: those that need a reboot. `deaf`: so many scans fail after a reboot, while the machine is away.
    `error` is raised by the next command of that name, once. `on_install` and `on_reboot` are called then."""

    known: list[Patch] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    kernels: set[str] = field(default_factory=set)
    error: dict[str, BaseException] = field(default_factory=dict)
    installed: int = 100
    away: int = 2
    deaf: int = 0
    on_install: Callable[[], object] | None = None
    on_reboot: Callable[[], object] | None = None

    def run(self, operation: Literal["Scan", "Install"], at: datetime) -> Scan:
        error = self.error.pop(operation, None)
        if error is not None:
            raise error
        if self.deaf:
            self.deaf -= 1
            raise ProvisionError("the machine doesn't answer")
        detail = ""
        if operation == "Install":
            _tell(self.on_install)
            wanted = [p for p in self.known if p.state in (PatchState.MISSING, PatchState.FAILED)]
            left = list(self._installed())
            self.installed += len(self.known) - len(left)
            self.known = left
            detail = "; ".join(self.broken[p.id] for p in wanted if p.id in self.broken)
        return Scan("pb-1", at, self.installed, tuple(self.known), detail)

    def reboot(self) -> None:
        self.known = [p for p in self.known if p.state is not PatchState.PENDING]
        self.deaf = self.away
        _tell(self.on_reboot)

    def _installed(self) -> Iterator[Patch]:
        for patch in self.known:
            if patch.state in (PatchState.PENDING, PatchState.REJECTED):
                yield patch
            elif patch.id in self.broken:
                yield replace(patch, state=PatchState.FAILED)
            elif patch.id in self.kernels:
                yield replace(patch, state=PatchState.PENDING)


def _tell(hook: Callable[[], object] | None) -> None:
    if hook is not None:
        hook()
