"""Machine images: an AMI id stands for a release's directory.

The id follows from product, version and path, so that registering again changes nothing. The AMI is made in a region
when it is first looked for there.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

from moto.ec2.models import EC2Backend
from moto.ec2.models.amis import Ami

from provisioner.model.errors import SandboxError
from provisioner.sandbox.hooking import around
from provisioner.sandbox.info import write_atomically


class Images:
    """The images of one home, kept in `images.json`: id -> product, version, directory."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = Lock()
        self._known: dict[str, dict[str, str]] = json.loads(file.read_text()) if file.exists() else {}

    def register(self, directory: Path) -> str:
        """The id of a directory with a `release.json`. Raises SandboxError where that is missing or says nothing."""
        file = directory / "release.json"
        try:
            release = json.loads(file.read_text())
            product, version = str(release["product"]), str(release["version"])
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise SandboxError(
                f"{directory} is no machine image: {file} has no product and version ({problem!r})",
                hint="see docs/product-contract.md",
            ) from None
        name = hashlib.sha256(f"{product}\n{version}\n{directory}".encode()).hexdigest()
        image_id = f"ami-{name[:17]}"
        with self._lock:
            entry = {"product": product, "version": version, "directory": str(directory)}
            if self._known.get(image_id) != entry:
                self._known[image_id] = entry
                write_atomically(self._file, json.dumps(self._known, indent=2).encode())
        return image_id

    def resolve(self, image_id: str) -> Path | None:
        """The directory of an image; None for an id that isn't of ours."""
        entry = self._known.get(image_id)
        return Path(entry["directory"]) if entry else None

    def all(self) -> dict[str, dict[str, str]]:
        """id -> product, version, directory."""
        return dict(self._known)

    def put_into(self, backend: Any) -> None:
        """Make the AMIs that a region's backend lacks."""
        zone = backend.describe_availability_zones()[0].name  # of the snapshot that moto makes for it
        for image_id, entry in self.all().items():
            if image_id not in backend.amis:
                backend.amis[image_id] = Ami(
                    backend,
                    image_id,
                    name=f"{entry['product']}-{entry['version']}",
                    description=entry["directory"],
                    virtualization_type="hvm",
                    architecture="x86_64",
                    hypervisor="xen",
                    root_device_type="ebs",
                    root_device_name="/dev/xvda",
                    region_name=zone,
                )


_images: Images | None = None


def install(file: Path) -> Images:
    """Load a home's images and have moto's DescribeImages and RunInstances know them."""
    global _images  # noqa: PLW0603 - moto's backends are global too: one daemon, one set of images
    _images = images = Images(file)

    @around(EC2Backend, "describe_images")
    def describe_images(original: Callable[..., Any], backend: Any, *args: Any, **kwargs: Any) -> Any:
        images.put_into(backend)
        return original(backend, *args, **kwargs)

    return images


def resolve(image_id: str) -> Path | None:
    """The directory that an AMI stands for; None for an AMI that isn't a registered release."""
    return _images.resolve(image_id) if _images else None
