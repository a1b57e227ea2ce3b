"""A fleet over fakes, and steps that end as a test says: whoever drives a rollout has no cloud there."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from provisioner.model.change import Event
from provisioner.model.cloud import Health
from provisioner.model.ledger import Holder, Lease
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import Progress
from provisioner.model.rollout.progress import Row
from provisioner.model.rollout.record import RolloutRecord
from provisioner.model.rollout.states import RolloutStatus, StepState
from provisioner.model.rollout.strategy import Strategy
from provisioner.model.tenant import Release
from provisioner.ops.rollout import verbs
from provisioner.ops.rollout.drive import drive
from provisioner.ops.rollout.find import find, lease_of
from provisioner.ops.rollout.propose import Words, propose
from provisioner.ops.rollout.step import Ended, Task
from tests.unit.ops.fakes import FakeHouse, tenant

S = StepState
IMAGES = {"sandbox": "/images/2"}
NEXT = Release("1.1.0", IMAGES, 2, "online", "code-only")
STRATEGY = Strategy(waves=("ring 0", "rest"), bake_minutes=(0,))
WORKER = Holder("worker-1", "", 7, "", "joe")


class Killed(BaseException):
    """As the end of a process: nothing is done after it."""


class Prober:
    """Every product answers as its tenant's release, but those that are `ill` or
    `away`. The url is the tenant."""

    def __init__(self, house: FakeHouse) -> None:
        self._house = house
        self.ill: dict[str, str] = {}
        self.away: set[str] = set()
        self.asked: list[str] = []

    def probe(self, url: str, *, timeout: float = 5.0) -> Health:
        self.asked.append(url)
        record = self._house.ledger.tenant(url)
        release = record.assigned_release if record else None
        schema = 1 if release == "1.0.0" else 2
        if url in self.away:
            return Health("unreachable")
        if url in self.ill:
            return Health("unhealthy", release, schema, url, self.ill[url])
        return Health("healthy", release, schema, url)


class Script:
    """The port `Steps`. `ends`: what each try of a tenant's comes to, in turn; afterwards, and for all others, it goes
    well. `log`: who was moved (`t0`) or taken back (`-t0`). `seen` is called before each."""

    def __init__(self, house: FakeHouse) -> None:
        self._house = house
        self._lock = Lock()
        self.ends: dict[str, list[Any]] = {}
        self.log: list[str] = []
        self.operations: dict[str, list[str]] = {}
        self.seen: Callable[[Task], None] = lambda _: None

    def forward(self, task: Task, progress: Progress) -> Ended:
        return self._step(task, task.tenant, task.plan.release, S.SUCCEEDED)

    def back(self, task: Task, progress: Progress) -> Ended:
        return self._step(task, f"-{task.tenant}", task.plan.tenants[task.tenant].from_release, S.REVERTED)

    def _step(self, task: Task, name: str, release: str, good: StepState) -> Ended:
        with self._lock:
            self.log.append(name)
            self.operations.setdefault(name, []).append(task.operation)
            self.seen(task)
            ends = self.ends.get(name)
            end = ends.pop(0) if ends else None
        if isinstance(end, BaseException):
            raise end
        if end is None:
            self._house.ledger.assign_release(task.tenant, release)
            return Ended(task.tenant, good, operation=task.operation)
        if isinstance(end, Ended):
            return replace(end, tenant=task.tenant)
        state, cause = end
        return Ended(task.tenant, state, cause, operation=task.operation)


class Fleet(FakeHouse):
    """t0 and t1 are in ring 0, the others in ring 1; all are well, on 1.0.0."""

    prober: Any

    def began(
        self, count: int = 6, release: Release = NEXT, *, on: str = "1.0.0", whole: bool = True, **strategy: Any
    ) -> "Rollout":
        """Make it, all `on` a release, and record a rollout."""
        self.prober = Prober(self)
        self.file.releases[release.version] = release
        self.file.strategies[None] = replace(STRATEGY, **strategy)
        for number in range(count):
            name = f"t{number}"
            self.file.entries[name] = tenant(name, ring=0 if number < 2 else 1, channel="stable")
            self.ledger.ensure_tenant(name, "sandbox")
            self.ledger.set_lifecycle(name, Lifecycle.PROVISIONING)
            self.ledger.set_lifecycle(name, Lifecycle.ACTIVE)
            self.ledger.assign_release(name, on)
            self.ledger.observe(name, "url", {"url": name})
        plan = propose(self, self.file, self.file.tenants(), Words(release.version, whole=whole))
        return Rollout(self, verbs.start(self, plan, "jane@laptop").id)


class Rollout:
    """One rollout, and what its driver is told by its steps."""

    def __init__(self, house: Fleet, rollout_id: str) -> None:
        self.house, self.id = house, rollout_id
        self.steps = Script(house)
        self.said: list[str] = []

    def drive(self) -> str:
        """Until it stops. Returns its status."""
        return str(drive(self.house, self.id, self.told, steps=self.steps).status)

    def told(self, event: Event) -> None:
        """The progress."""
        self.said.append(f"{event.subject}: {event.message}")

    @property
    def record(self) -> RolloutRecord:
        return find(self.house, self.id)

    @property
    def rows(self) -> dict[str, Row]:
        return {row.tenant: row for row in self.record.rows}

    def states(self) -> str:
        """`t0 succeeded, t1 failed`, without those that wait."""
        rows = self.record.rows
        return ", ".join(f"{row.tenant} {row.state}" for row in sorted(rows, key=_tenant) if row.state is not S.WAITING)

    def when(self, tenant_id: str, act: Callable[[], object]) -> None:
        """Do something when a tenant's step is under way."""

        def seen(task: Task) -> None:
            if task.tenant == tenant_id:
                self.steps.seen = lambda _: None
                act()

        self.steps.seen = seen

    def somebody(self) -> Lease:
        """Another one drives it."""
        return self.house.ledger.acquire_lease(lease_of(self.id), self.id, "it", WORKER, timedelta(days=1))

    @property
    def order(self) -> list[str]:
        """Its tenants, in the order of their turns."""
        return list(self.record.plan.tenants)

    @property
    def channel(self) -> str:
        return self.house.file.channels["stable"]

    def ended(self, tenant_id: str) -> datetime:
        at = self.rows[tenant_id].ended_at
        assert at is not None
        return at

    def status(self) -> RolloutStatus:
        return self.record.status


def _tenant(row: Row) -> str:
    return row.tenant
