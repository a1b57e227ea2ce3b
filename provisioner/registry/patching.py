"""What people write in the registry about patches: a tier's deadlines, and a tenant's exceptions."""

from typing import Annotated, Literal

from pydantic import Field

from provisioner.model.patch.policy import PatchDays, PatchPolicy
from provisioner.registry import fields as f
from provisioner.registry.entry import RECORD, Entry
from provisioner.registry.policy import live

_DEADLINE = live("reports and rollouts of patches read it", "provision patch report")
_SCANS = live("`provision worker` reads it in each of its rounds", "nothing: it holds at once")
_OS = live("`apply` replaces nobody; a rollout of patches does", "provision patch install")
_HOOK = live("the next installation of patches has it", "provision patch install")
_DAYS = PatchDays()


class PatchDaysEntry(Entry):
    """Deadlines by severity: days from when an advisory was first seen missing."""

    critical: Annotated[int, Field(ge=1, le=3650), _DEADLINE] = Field(
        default=_DAYS.critical, description="Days until a critical one must be installed."
    )
    important: Annotated[int, Field(ge=1, le=3650), _DEADLINE] = Field(
        default=_DAYS.important, description="The same of important ones."
    )
    medium: Annotated[int, Field(ge=1, le=3650), _DEADLINE] = Field(
        default=_DAYS.medium, description="The same of medium ones."
    )
    low: Annotated[int, Field(ge=1, le=3650), _DEADLINE] = Field(
        default=_DAYS.low, description="The same of low ones, and of those without a severity."
    )


class PatchEntry(Entry):
    """What a tier promises about patches of the operating system."""

    days: Annotated[PatchDaysEntry, f.SECTION, _DEADLINE] = Field(
        default_factory=PatchDaysEntry, description="Deadlines, from when an advisory was first seen missing."
    )
    scan_hours: Annotated[int, Field(ge=1, le=168), _SCANS] = Field(
        default=PatchPolicy().scan_hours, description="Hours from one look for missing patches to the next."
    )
    way: Annotated[
        Literal["in-place", "replace"], live("the next rollout of patches has it", "provision patch plan")
    ] = Field(
        default=PatchPolicy().way,
        description="Installed on the machine, or by another machine of the same release on its ring's os_releases.",
    )


class PatchHooksEntry(Entry):
    """SSM command documents of the account, which AWS-RunPatchBaselineWithHooks runs on the machine."""

    before: Annotated[f.SsmDocument | None, _HOOK] = Field(
        default=None, description="Before anything is installed; where it fails, nothing is."
    )
    after: Annotated[f.SsmDocument | None, _HOOK] = Field(default=None, description="After the installation.")
    exit: Annotated[f.SsmDocument | None, _HOOK] = Field(default=None, description="At the end, however it was.")


class OsReleasesEntry(Entry):
    """On which OS release the machines of each ring shall be that get their patches by replacement."""

    ring_0: Annotated[f.OsRelease | None, _OS] = Field(default=None, description="Of ring 0.")
    ring_1: Annotated[f.OsRelease | None, _OS] = Field(default=None, description="Of ring 1.")
    ring_2: Annotated[f.OsRelease | None, _OS] = Field(default=None, description="Of ring 2.")
    ring_3: Annotated[f.OsRelease | None, _OS] = Field(default=None, description="Of ring 3.")


class PatchExceptionEntry(Entry):
    """One advisory that a tenant may go without for a while. An expired one is ignored, with a warning."""

    advisory: Annotated[f.Words, RECORD] = Field(description="Its id, its package, or a CVE: CVE-2026-1234.")
    reason: Annotated[f.Words, RECORD] = Field(description="Why.")
    name: Annotated[f.Words, RECORD] = Field(description="Who allowed it.")
    expires: Annotated[f.Date, RECORD] = Field(description="Last day on which it holds.")
