"""What a scan of a machine says, and what the ledger keeps of it: the tenant's fact `patch`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from provisioner.model.json import JsonDict
from provisioner.model.patch.policy import RANK, Severity

FACT = "patch"
OS = "os"
"""Fact: on which OS release its machine is, and of which release; none where it is the one that was published."""


class PatchState(StrEnum):
    """How a machine stands to a patch that isn't in effect."""

    MISSING = "missing"
    FAILED = "failed"
    PENDING = "pending reboot"
    REJECTED = "rejected"


OPEN = frozenset({PatchState.MISSING, PatchState.FAILED, PatchState.PENDING})
"""Its deadline runs. One that waits for a reboot protects nobody yet; one that the baseline rejects isn't wanted."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch. `id`: as Patch Manager has it (KBId); `since`: when it was first seen open, None where nobody has
    counted yet."""

    id: str
    title: str
    severity: Severity
    classification: str
    state: PatchState
    cves: tuple[str, ...] = ()
    since: datetime | None = None

    @property
    def name(self) -> str:
        """For people: title and id, where they differ."""
        return self.title if self.id in self.title or not self.id else f"{self.title} ({self.id})"

    def known_as(self, word: str) -> bool:
        """Whether a person means it by this word."""
        package = self.title.partition(":")[0]
        names = {self.id, self.title, package, package.rpartition(".")[0], *self.cves}
        return word.lower() in {name.lower() for name in names if name}


@dataclass(frozen=True, slots=True)
class Scan:
    """A machine at one moment. `patches`: those that aren't in effect; `installed`: how many are; `detail`: what the
    machine said of a failure."""

    baseline: str
    at: datetime
    installed: int
    patches: tuple[Patch, ...] = ()
    detail: str = ""

    @property
    def open(self) -> tuple[Patch, ...]:
        """The worst first."""
        return tuple(sorted((p for p in self.patches if p.state in OPEN), key=lambda p: (RANK[p.severity], p.id)))

    @property
    def failed(self) -> tuple[Patch, ...]:
        """Those that couldn't be installed."""
        return tuple(p for p in self.open if p.state is PatchState.FAILED)

    @property
    def pending(self) -> bool:
        """Whether a reboot is missing."""
        return any(p.state is PatchState.PENDING for p in self.open)


def fact(scan: Scan, before: Mapping[str, Any] | None, machine: str, image: str | None) -> JsonDict:
    """What the ledger keeps. `before`: the fact until now: what was open in it at the same severity or a worse one has
    been open since then, whatever version of the package it is by now, and whatever machine."""
    known = open_of(before) if before else ()
    found = [replace(p, since=_since(p, known) or scan.at) for p in scan.open]
    counted = {str(s): sum(p.severity is s for p in found) for s in Severity}
    return {
        "scanned_at": scan.at.isoformat(),
        "machine": machine,
        "image": image,
        "baseline": scan.baseline,
        "installed": scan.installed,
        **counted,
        "failed": len(scan.failed),
        "rejected": sum(p.state is PatchState.REJECTED for p in scan.patches),
        "pending_reboot": scan.pending,
        "open": [_json(p) for p in found],
        "patched_at": before.get("patched_at") if before else None,
    }


def open_of(value: Mapping[str, Any]) -> tuple[Patch, ...]:
    """The open patches of a fact."""
    return tuple(map(_patch, value["open"]))


def behind(value: Mapping[str, Any]) -> tuple[str, str] | None:
    """By a fact `patch`: the database, and the version that it should have; None where it has that, or nobody knows."""
    found = value.get("database")
    return (found["id"], found["newest"]) if found and found["newest"] else None


def counts(value: Mapping[str, Any]) -> JsonDict:
    """How many are open in a fact, by severity."""
    return {str(s): int(value[str(s)]) for s in Severity}


def _since(patch: Patch, known: Sequence[Patch]) -> datetime | None:
    same = [k.since for k in known if k.id == patch.id and RANK[k.severity] <= RANK[patch.severity] and k.since]
    return min(same, default=None)


def _json(patch: Patch) -> JsonDict:
    return {
        "id": patch.id,
        "title": patch.title,
        "severity": str(patch.severity),
        "classification": patch.classification,
        "state": str(patch.state),
        "cves": list(patch.cves),
        "since": patch.since.isoformat() if patch.since else None,
    }


def _patch(raw: Any) -> Patch:
    values = {
        "severity": Severity(raw["severity"]),
        "state": PatchState(raw["state"]),
        "cves": tuple(raw["cves"]),
        "since": datetime.fromisoformat(raw["since"]) if raw["since"] else None,
    }
    return Patch(**{**raw, **values})
