"""The state file: group commit, refusals, and what is kept."""

import threading
from pathlib import Path
from threading import RLock

import pytest

from provisioner.model.errors import SandboxError
from provisioner.sandbox import pickling
from provisioner.sandbox.store import NotDurableError, Store


class _Memory:
    """Stands where moto's state is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state = b"empty"
        self.dumps = 0
        monkeypatch.setattr(pickling, "dump", self._dump)
        monkeypatch.setattr(pickling, "restore", self._restore)

    def _dump(self) -> bytes:
        self.dumps += 1
        if self.state == b"poison":
            raise TypeError("cannot pickle poison")
        return self.state

    def _restore(self, payload: bytes) -> None:
        self.state = payload


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> _Memory:
    return _Memory(monkeypatch)


def _store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "state.bin", RLock())
    store.start()
    return store


def test_what_was_committed_is_loaded(tmp_path: Path, memory: _Memory) -> None:
    store = _store(tmp_path)
    memory.state = b"one\ntwo\x00"
    store.commit()
    memory.state = b"lost: nobody was told"
    assert Store(tmp_path / "state.bin", RLock()).load()
    assert memory.state == b"one\ntwo\x00"
    store.close()


def test_there_is_nothing_to_load_at_first(tmp_path: Path, memory: _Memory) -> None:
    assert not Store(tmp_path / "state.bin", RLock()).load()
    assert memory.state == b"empty"


def test_close_writes_what_is_left(tmp_path: Path, memory: _Memory) -> None:
    store = _store(tmp_path)
    memory.state = b"late"
    store.dirty()
    store.close()
    Store(tmp_path / "state.bin", RLock()).load()
    assert memory.state == b"late"


def test_waiting_writers_share_a_commit(tmp_path: Path, memory: _Memory) -> None:
    lock = RLock()
    store = Store(tmp_path / "state.bin", lock)
    store.start()
    with lock:  # the committer needs it: tickets pile up meanwhile
        tickets = [store.touch() for _ in range(20)]
        writers = [threading.Thread(target=store.wait, args=(ticket,)) for ticket in tickets]
        for writer in writers:
            writer.start()
    for writer in writers:
        writer.join()
    assert memory.dumps <= 2
    store.close()


def test_a_failure_is_told_to_those_who_wait_and_is_over_with_the_next_success(tmp_path: Path, memory: _Memory) -> None:
    store = _store(tmp_path)
    memory.state = b"poison"
    with pytest.raises(NotDurableError, match="cannot pickle poison"):
        store.commit()
    memory.state = b"well"
    store.commit()
    store.close()


def test_commit_under_the_worlds_lock_is_a_bug_and_no_deadlock(tmp_path: Path, memory: _Memory) -> None:
    lock = RLock()
    store = Store(tmp_path / "state.bin", lock)
    store.start()
    with lock, pytest.raises(RuntimeError, match="under the world's lock"):
        store.commit()
    store.close()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda c: b"", "is damaged"),
        (lambda c: c[:-3], "is damaged"),
        (lambda c: c[:-3] + b"xyz", "is damaged"),
        (lambda c: b"\x80\x05pickle", "is damaged"),
        (lambda c: c.replace(b'{"moto"', b'{"moto'), "is damaged"),
        (lambda c: c.replace(b'"moto": "5.', b'"moto": "9.'), r"was written with moto 9\."),
    ],
)
def test_a_file_that_is_not_ours_or_not_whole_is_refused_with_a_way_out(
    tmp_path: Path, memory: _Memory, damage: object, message: str
) -> None:
    store = _store(tmp_path)
    memory.state = b"state" * 10
    store.commit()
    store.close()
    file = tmp_path / "state.bin"
    Store(file, RLock()).load()
    good = file.read_bytes()
    file.write_bytes(damage(good))  # type: ignore[operator]
    memory.state = b"untouched"
    with pytest.raises(SandboxError, match=message) as problem:
        Store(file, RLock()).load()
    assert "provision sandbox reset" in str(problem.value.hint)
    assert memory.state == b"untouched"
    assert file.with_suffix(".bak").exists()


def test_the_last_file_that_could_be_loaded_is_kept(tmp_path: Path, memory: _Memory) -> None:
    store = _store(tmp_path)
    memory.state = b"first"
    store.commit()
    Store(tmp_path / "state.bin", RLock()).load()
    memory.state = b"second"
    store.commit()
    store.close()
    assert b"first" in (tmp_path / "state.bak").read_bytes()
    assert b"second" in (tmp_path / "state.bin").read_bytes()
