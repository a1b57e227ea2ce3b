"""A house of fakes in which a tenant can be moved: an engine whose outputs follow the arguments, both machines, and a
product that answers as the machine which serves."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from provisioner.model.change import RunResult
from provisioner.model.cloud import CommandResult, Health, Machine
from provisioner.model.errors import ProvisionError
from provisioner.model.json import Json
from provisioner.model.ports import RunOptions, Stack
from provisioner.model.rollout.strategy import Gate
from provisioner.model.stack import StackArgs
from provisioner.model.tenant import Release
from tests.unit.ops.fake_cloud import FakeCloud
from tests.unit.ops.fakes import CREATE, FakeEngine, FakeHouse
from tests.unit.ops.people import made

IMAGES = {"sandbox": "/images/2"}
ONLINE = Release("1.1.0", IMAGES, 2, "online", "code-only", "1.0.0")
RELEASES = {
    "1.1.0": ONLINE,
    "1.2.0": replace(ONLINE, version="1.2.0", schema_version=2, migration="offline", undo="needs-restore"),
    "1.3.0": replace(ONLINE, version="1.3.0", undo="one-way"),
    "1.4.0": replace(ONLINE, version="1.4.0", yanked="it forgets"),
    "1.5.0": replace(ONLINE, version="1.5.0", min_from="1.1.0"),
    "0.9.0": Release("0.9.0", IMAGES, 1, "none", "code-only"),
}
OPERATION = "0123456789abcdef"
GATE = Gate(samples=3, good=2, seconds=2, warm_up=1, settle=2)


def well(release: str = "1.0.0", schema: int = 1) -> dict[str, Any]:
    return {"status": "ok", "tenant": "acme", "release": release, "schema_version": schema, "detail": None}


class Engine(FakeEngine):
    """Its outputs follow the arguments, as the program's do. `broken`: the shape that fails, with `error`, as often as
    `times` says (None: always); where it `moves`, its requests go to where they should all the same."""

    def __init__(self, cloud: "Cloud") -> None:
        super().__init__()
        self.seen: list[str] = []
        self.broken: str | None = None
        self.times: int | None = None
        self.moves = False
        self.error: ProvisionError = ProvisionError("the cloud said no")
        self.serving = ("1.0.0", 1)
        self.database = "acme"
        self._cloud = cloud

    def up(self, stack: Stack, options: RunOptions = RunOptions()) -> RunResult:  # noqa: B008
        args: StackArgs = stack.program.args[0]  # type: ignore[attr-defined]
        other = f"+{args.other.suffix or 'a'}{'*' if args.other.attached else ''}" if args.other else ""
        shape = f"{args.machine or 'a'}{other}"
        shape = "quarantine" if args.quarantine else shape
        self.seen.append(shape)
        self.stacks.add(stack.name)
        if shape == self.broken and self.times != 0:
            self.times = None if self.times is None else self.times - 1
            if self.moves:
                self._send_requests(args)
            raise self.error
        if args.quarantine:
            return RunResult(CREATE.steps, {**self.outputs_now, "machine_id": "i-q"})
        self._send_requests(args)
        self.serving, self.database = (args.release, args.schema_version), args.identifier(args.serving)
        self.outputs_now |= {
            "database_identifier": self.database,
            "databases": {d.suffix: self._made(args.identifier(d)) for d in args.databases},
            "machine_id": f"i-{args.machine or 'a'}",
            "other_machine_id": f"i-{args.other.suffix or 'a'}" if args.other else "",
            "target_group_arn": "arn:group" if args.sizing.front == "balancer" else "",
        }
        return RunResult(CREATE.steps, dict(self.outputs_now))

    def _send_requests(self, args: StackArgs) -> None:
        attached = {args.other.suffix} if args.other and args.other.attached else set()
        self._cloud.receivers = [f"i-{suffix or 'a'}" for suffix in {args.machine, *attached}]

    def _made(self, name: str) -> dict[str, Json]:
        self._cloud.database_status.setdefault(name, "available")
        return {"identifier": name, "address": "127.9.1.2", "port": 5432, "master_secret_arn": "arn:master"}


class Prober:
    """The product answers as its machine's release, on the newest schema that its database was ever brought to. `ill`:
    the release that falls ill when it has answered once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.ill: str | None = None
        self.schemas: dict[str, int] = {}
        self.asked: list[str] = []

    def probe(self, url: str, *, timeout: float = 5.0) -> Health:
        release, schema = self._engine.serving
        database = self._engine.database
        self.schemas[database] = max(self.schemas.get(database, 0), schema)
        self.asked.append(release)
        status = "unhealthy" if release == self.ill and self.asked.count(release) > 1 else "healthy"
        return Health(status, release, self.schemas[database], "acme")


class Cloud(FakeCloud):
    """Both machines are there; what runs on one may fail, with `words`. `receivers`: who gets the tenant's requests;
    `unhealthy`: whom a balancer finds so."""

    failing: str | None = None
    words = "it is broken"
    receivers: list[str]
    unhealthy: str | None = None

    def addressed(self, tenant: str) -> list[str]:
        return self.receivers

    def target_health(self, group_arn: str, machine_id: str) -> str:
        super().target_health(group_arn, machine_id)
        if machine_id not in self.receivers:
            return "unused"
        return "unhealthy" if machine_id == self.unhealthy else "healthy"

    def machines(self, tenant: str) -> list[Machine]:
        return [Machine(f"i-{s}", self.machine_state, "ami-1", "t4g.small", None) for s in "ab"]

    def run_command(self, machine_id: str, script: str, *, comment: str, timeout: float) -> CommandResult:
        done = super().run_command(machine_id, script, comment=comment, timeout=timeout)
        self.calls[-1] += f" on {machine_id}"
        if self.failing == comment.split()[1]:
            return CommandResult("Failed", 1, "", self.words)
        return done


class House(FakeHouse):
    prober: Any
    operations: Any

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fake_cloud: Cloud = Cloud(clock=self.clock)
        self.fake_cloud.receivers = ["i-a"]
        self.fake_engine: Engine = Engine(self.fake_cloud)
        self.file.releases |= RELEASES

    def stack(self, args: StackArgs) -> Stack:
        return Stack(args.project, args.name, partial(_nothing, args))


def moved_in(folder: Path) -> House:
    """With tenant acme, on 1.0.0; what was asked for that is forgotten."""
    house = House(folder)
    made(house, "acme")
    house.file.entries["acme"] = replace(house.file.entries["acme"], channel="stable")
    house.prober = Prober(house.fake_engine)
    house.fake_engine.seen.clear()
    house.fake_cloud.calls.clear()
    return house


def _nothing(args: StackArgs) -> None:
    """The fake engine reads the arguments, and makes nothing of them."""
