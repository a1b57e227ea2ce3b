"""Jobs of several tenants at once: what waits for what, and what is left alone for a while."""

import threading
from collections.abc import Callable

import pytest

from provisioner.model.errors import ProvisionError
from provisioner.ops.lanes import NOTHING, Done, Job, Lanes, Patience, done
from provisioner.ops.worker import Worker
from tests.unit.ops.fake_cloud import StepClock
from tests.unit.ops.fakes import FakeHouse
from tests.unit.ops.people import backed_up, made, quiet

SOON = 20.0


class Scene:
    """Lanes, and jobs that last until they are let go. `ends` in their order."""

    def __init__(self, at_once: int) -> None:
        self.lanes = Lanes(quiet, self._told, at_once=at_once)
        self.ends: list[str] = []
        self.begun: list[str] = []
        self._changed = threading.Condition()
        self._go: set[str] = set()

    def job(self, tenant: str, what: str) -> Job:
        """One that lasts until `go`."""
        return Job(tenant, what, "why", lambda _: self._last(f"{what} of {tenant}"))

    def go(self, *names: str) -> None:
        """Let jobs end, and wait until they have."""
        with self._changed:
            self._go |= set(names)
            self._changed.notify_all()
        self.until(lambda: set(names) <= set(self.ends))

    def until(self, true: Callable[[], bool]) -> None:
        """Wait for something."""
        with self._changed:
            assert self._changed.wait_for(true, SOON), (self.begun, self.ends)

    def _last(self, name: str) -> None:
        with self._changed:
            self.begun.append(name)
            self._changed.notify_all()
            self._changed.wait_for(lambda: name in self._go, SOON)

    def _told(self, job: Job, _: Done) -> None:
        with self._changed:
            self.ends.append(f"{job.what} of {job.tenant}")
            self._changed.notify_all()


def test_no_backup_waits_for_drills_and_a_place_that_is_free_is_taken() -> None:
    scene = Scene(at_once=1)
    drills, backups = ([scene.job(t, what) for t in ("a", "b")] for what in ("drill", "backup"))
    scene.lanes.offer([drills[0]])
    scene.until(lambda: scene.begun == ["drill of a"])
    scene.lanes.offer([*drills, *backups])
    scene.go("backup of b")
    assert scene.ends == ["backup of b"], "a's own one waits for its drill, b's drill for a place"
    scene.go("drill of a")
    scene.go("backup of a", "drill of b")
    scene.lanes.wait()
    assert sorted(scene.begun) == ["backup of a", "backup of b", "drill of a", "drill of b"], "each once"


def test_a_tenants_backup_is_before_its_drill_and_never_beside_it() -> None:
    scene = Scene(at_once=4)
    scene.lanes.offer([scene.job("a", "drill"), scene.job("a", "prune"), scene.job("a", "backup")])
    for name in ("backup of a", "prune of a", "drill of a"):
        scene.until(lambda name=name: scene.begun[-1:] == [name])  # type: ignore[misc]
        scene.go(name)
    scene.lanes.wait()
    assert scene.begun == ["backup of a", "prune of a", "drill of a"]


def test_a_new_look_replaces_what_waited_and_repeats_nothing() -> None:
    scene = Scene(at_once=1)
    a, b, c = (scene.job(t, "backup") for t in ("a", "b", "c"))
    scene.lanes.offer([a, b])
    scene.until(lambda: scene.begun == ["backup of a"])
    scene.lanes.offer([a, c])
    scene.go("backup of a", "backup of c")
    scene.lanes.wait()
    assert scene.begun == ["backup of a", "backup of c"]


def test_what_is_stopped_begins_nothing_more() -> None:
    scene = Scene(at_once=1)
    scene.lanes.offer([scene.job("a", "backup"), scene.job("b", "backup")])
    scene.until(lambda: scene.begun == ["backup of a"])
    scene.lanes.stop()
    scene.go("backup of a")
    scene.lanes.offer([scene.job("c", "backup")])
    assert scene.begun == ["backup of a"]


def fails(*_: object) -> object:
    raise ProvisionError("no capacity", hint="ask for more")


@pytest.fixture
def clock() -> StepClock:
    return StepClock()


def test_a_job_that_fails_is_left_alone_for_longer_and_longer(clock: StepClock) -> None:
    patience, job = Patience(clock), Job("a", "backup", "every 24 h", fails)
    end = done(job, quiet)
    assert (end.outcome, end.detail, end.hint) == ("failed", "no capacity", "ask for more")
    for pause in (60, 300, 900, 900):
        assert patience.ready(job)
        assert patience.note(end) == pause
        clock.sleep(pause - 1)
        assert not patience.ready(job)
        assert not patience.ready(Job("a", "backup", "another reason", fails))
        assert patience.ready(Job("b", "backup", "every 24 h", fails))
        clock.sleep(2)
    assert patience.note(done(Job("a", "backup", "", lambda _: None), quiet)) is None
    assert patience.ready(job)
    assert patience.note(end) == 60, "it begins anew"


def test_what_had_nothing_to_do_is_told_apart() -> None:
    assert done(Job("a", "stop", "", lambda _: NOTHING), quiet).outcome == "idle"


def test_a_worker_looks_while_a_drill_goes_on(house: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """acme's drill lasts: beta, which came since, is backed up all the same; what fails has to wait."""
    made(house, "acme")
    backed_up(house)
    over, told, ended = threading.Event(), list[tuple[str, str, float | None]](), threading.Semaphore(0)
    began = threading.Event()

    def lasting(*_: object) -> None:
        began.set()
        over.wait(SOON)

    def tell(end: Done, pause: float | None) -> None:
        if end.outcome != "idle":  # the fakes' drill has no lease: looks meanwhile take it for one that was cut off
            told.append((f"{end.what} of {end.tenant}", end.outcome, pause))
            ended.release()

    worker = Worker(house, quiet, tell, at_once=1)
    monkeypatch.setattr(house.fake_cloud, "ensure_password", lasting)
    worker.look()
    assert began.wait(SOON)
    monkeypatch.setattr(house.fake_cloud, "ensure_password", lambda *_: None)
    made(house, "beta")
    house.fake_engine.outputs_now["database_identifier"] = "beta"
    whole = house.fake_cloud.make_snapshot
    monkeypatch.setattr(house.fake_cloud, "make_snapshot", fails)
    worker.look()
    assert ended.acquire(timeout=SOON)
    monkeypatch.setattr(house.fake_cloud, "make_snapshot", whole)
    worker.look()
    assert not ended.acquire(timeout=0.2), "a minute isn't over"
    house.clock.sleep(61)
    worker.look()
    assert ended.acquire(timeout=SOON)
    over.set()
    assert ended.acquire(timeout=SOON)
    worker.stop()
    assert told == [("backup of beta", "failed", 60), ("backup of beta", "done", None), ("drill of acme", "done", None)]
