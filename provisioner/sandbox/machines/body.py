"""The process of a machine: how it is started, found again and ended."""

import os
from dataclasses import dataclass
from pathlib import Path

from provisioner.model.errors import SandboxError
from provisioner.sandbox import images, launch
from provisioner.sandbox.addresses import Address
from provisioner.sandbox.launch import Launcher, Process
from provisioner.sandbox.machines import sweep
from provisioner.sandbox.machines.place import PRODUCT_ENV, Place
from provisioner.sandbox.machines.tools import Tools
from provisioner.sandbox.world import World

_MARK = "SANDBOX_MACHINE"
_GRACE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Body:
    """What one machine runs as, and where."""

    world: World
    launcher: Launcher
    tools: Tools
    instance_id: str
    region: str
    image_id: str
    place: Place
    address: Address

    @property
    def image(self) -> Path:
        """The release's directory. Raises SandboxError when it is registered no more."""
        directory = images.resolve(self.image_id)
        if directory is None:
            raise SandboxError(f"no directory is registered for the image {self.image_id}")
        return directory

    def environment(self) -> dict[str, str]:
        """The machine's variables: those of product.env, and the sandbox's on top (docs/architecture.md)."""
        return self.place.product_env() | {
            "PRODUCT_HOME": str(self.image),
            "PROVISION_ENV": str(self.place.root / PRODUCT_ENV.lstrip("/")),
            "STATE_DIR": str(self.place.state),
            "LISTEN_ADDRESS": self.address.host,
            "LISTEN_PORT": str(self.address.port),
            "PGSSLROOTCERT": str(self.world.home / "ca" / "ca.pem"),
            "AWS_ENDPOINT_URL": self.world.endpoint_url,
            "AWS_SHARED_CREDENTIALS_FILE": str(self.place.credentials),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "HOME": str(self.place.home),
            "TMPDIR": str(self.place.tmp),
            "PATH": self.tools.path,
            "PYTHONDONTWRITEBYTECODE": "1",  # an image doesn't change because it runs
            "LANG": "C.UTF-8",
            "SANDBOX_ROOT": str(self.place.root),
            "SANDBOX_BOOT": self.place.boot,
            _MARK: self.instance_id,
        }

    @property
    def reach(self) -> tuple[Path, ...]:
        """What the machine's uid has to see, wherever it lies."""
        return (
            *self.tools.reach,
            self.image,
            self.place.credentials.parent,
            self.world.home / "ca",
            *self.place.own,
        )

    def running(self) -> Process | None:
        """The product's process, also one that an earlier daemon started."""
        return launch.recorded(self.place.record)

    def start(self) -> Process:
        """Start `bin/serve`. Raises SandboxError where the host doesn't let it."""
        serve = self.image / "bin" / "serve"
        if not serve.is_file() or not os.access(serve, os.X_OK):
            raise SandboxError(f"{serve} is not there, or not executable")
        for path in (self.image, serve.parent, serve):
            if self.place.uid != os.geteuid() and path.stat().st_mode & 0o005 != 0o005:
                raise SandboxError(
                    f"{path} is closed to the machine's uid {self.place.uid}", hint=f"chmod -R go+rX {self.image}"
                )
        return self.launcher.spawn(
            [str(serve)],
            uid=self.place.uid,
            env=self.environment(),
            cwd=self.place.home,
            log=self.place.log,
            record=self.place.record,
            reach=[p for p in self.reach if p.exists()],
            writable=self.place.own,
        )

    def end(self) -> None:
        """End everything that the machine runs."""
        end(self.place, self.instance_id)


def key(instance_id: str) -> str:
    """The name under which a machine's address and uid are kept."""
    return f"machine/{instance_id}"


def end(place: Place, instance_id: str) -> None:
    """End the product, SIGTERM first, then whatever else the machine runs. Nothing running is fine."""
    process = launch.recorded(place.record)
    if process is not None:
        launch.stop(process, grace=_GRACE_SECONDS, group=True)
    mine = sweep.marked(_MARK, instance_id)
    if place.uid != os.geteuid():
        mine = sweep.either(sweep.of_uid(place.uid), mine)
    if not sweep.kill(mine):
        raise SandboxError(f"some processes of {instance_id} can't be killed")
    place.record.unlink(missing_ok=True)
    place.end_boot()
