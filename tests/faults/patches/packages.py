"""The packages of a fleet: the feed that its sandbox reads, and what is on its machines' disks."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provisioner.sandbox import packages
from provisioner.sandbox.packages.feed import VARIABLE
from tests.faults.rollouts.fleet import machines
from tests.installation import Installation


class Feed:
    """A feed of one's own, as the shipped one; it is read for each command."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._whole = Path(packages.__path__[0], "feed.json").read_text()
        self.mend()

    @property
    def environment(self) -> dict[str, str]:
        """For the sandbox's start."""
        return {VARIABLE: str(self.path)}

    def break_(self, package: str, script: str) -> None:
        """The script is run when the newest version of the package is installed."""
        feed = json.loads(self._whole)
        feed["packages"][package][-1]["install"] = script
        self.path.write_text(json.dumps(feed))

    def mend(self) -> None:
        """As it shipped."""
        self.path.write_text(self._whole)


def lay(installation: Installation, tenant: str, versions: Mapping[str, str]) -> None:
    """These versions are on the tenant's machine, as if its image had come with them."""
    folder = _folder(installation, tenant) / "root" / "var/lib/packages"
    owner = folder.stat()
    for name, version in versions.items():
        record = {"name": name, "version": version, "at": "2026-01-01T00:00:00+00:00", "boot": None}
        path = folder / f"{name}.json"
        path.write_text(json.dumps(record))
        os.chown(path, owner.st_uid, owner.st_gid)


def states(installation: Installation, tenant: str) -> dict[str, str]:
    """What Patch Manager says of each package, by the API."""
    ssm = installation.client("ssm")
    pages = ssm.get_paginator("describe_instance_patches").paginate(InstanceId=_folder(installation, tenant).name)
    return {p["KBId"].partition(".")[0]: p["State"] for page in pages for p in page["Patches"]}


def critical(installation: Installation, tenant: str) -> int:
    """How many of them are critical and not in effect, by the API."""
    machine = _folder(installation, tenant).name
    asked: Any = installation.client("ssm").describe_instance_patch_states(InstanceIds=[machine])
    [found] = asked["InstancePatchStates"]
    return int(found["CriticalNonCompliantCount"])


def boot(installation: Installation, tenant: str) -> str:
    """The process of the tenant's machine, which another boot has another one of."""
    return (_folder(installation, tenant) / "process.json").read_text()


def _folder(installation: Installation, tenant: str) -> Path:
    """Of its machine's body."""
    [machine] = machines(installation)[tenant]
    return installation.home / "sandbox" / "machines" / machine.split()[0]
