"""What the engine does around the CLI's runs: limits, locks, leftovers, and streams that can't be trusted."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest

from provisioner.engines.pulumi_cli import child
from provisioner.engines.pulumi_cli.engine import Backend, PulumiCliEngine
from provisioner.model.change import Event
from provisioner.model.errors import (
    CancelledError,
    EngineError,
    LeaseHeldError,
    LeaseLostError,
    ProvisionError,
    TimedOutError,
)
from provisioner.model.ports import RunOptions, Stack
from tests.unit.pulumi_cli import fake

STACK = Stack("tenant", "acme", lambda: None)
HERE = socket.gethostname()
SLEEP = "time.sleep(60)"
STUBBORN = f"signal.signal(signal.SIGINT, signal.SIG_IGN); {SLEEP}"
GOOD = fake.tells()


def script(state: Any = None, **verbs: str) -> str:
    """A CLI that does this for each verb, exports this state, and writes down what it was asked."""
    exported = {"deployment": {"manifest": {"time": datetime.now(UTC).isoformat()}, "resources": [], **(state or {})}}
    known = {"export": f"print({json.dumps(exported)!r})", "import": "", "init": "", "cancel": "", **verbs}
    chosen = "\n".join(
        f"if verb == {verb!r}:\n" + "".join(f"    {line}\n" for line in f"pass\n{words}".strip().splitlines())
        for verb, words in known.items()
    )
    return f"""
verb = sys.argv[3] if sys.argv[2] == "stack" else sys.argv[2]
open("asked", "a").write(verb + " ")
{chosen}
"""


class Made:
    """An engine over such a CLI."""

    def __init__(self, folder: Path, words: str, *, grace: float = 0.3, patience: float = 0.0) -> None:
        self.root = folder / "work"
        self.folder = self.root / "tenant" / "acme"
        self.found: list[str | None] = []
        found = fake.cli(folder, words)
        backend = Backend("file:///s", "passphrase", dict, patience)
        self.engine = PulumiCliEngine(self.root, lambda: found, backend, lambda *_: None, grace=grace)

    @property
    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().split()

    def notes(self) -> list[Path]:
        return sorted(self.folder.glob("*-*.json"))


@contextmanager
def within(least: float, most: float) -> Iterator[None]:
    """It takes so long, in seconds."""
    began = time.monotonic()
    yield
    assert least <= time.monotonic() - began < most


# A machine with other work is slow; what isn't ended takes a minute.
MOST = 20.0
SLOW = [{"destroy": SLEEP}, {"destroy": STUBBORN}, {"export": SLEEP}, {"export": STUBBORN}]


@pytest.mark.parametrize("verbs", SLOW, ids=["run", "stubborn run", "export", "stubborn export"])
def test_the_deadline_holds_for_all_of_it(tmp_path: Path, verbs: dict[str, str]) -> None:
    made = Made(tmp_path, script(**verbs))
    with (
        within(1.5, MOST),
        pytest.raises(TimedOutError, match=r"^destroy of stack tenant/acme ran out of time \(1.5 s\)$") as caught,
    ):
        made.engine.destroy(STACK, RunOptions(deadline=1.5))
    assert caught.value.exit_code == 9
    assert all(child.over(note) for note in made.notes())


@pytest.mark.parametrize("verbs", SLOW, ids=["run", "stubborn run", "export", "stubborn export"])
def test_so_does_the_cancel_flag(tmp_path: Path, verbs: dict[str, str]) -> None:
    made, flag = Made(tmp_path, script(**verbs)), threading.Event()
    threading.Timer(1.5, flag.set).start()
    with within(1.5, MOST), pytest.raises(CancelledError, match=r"^destroy of stack tenant/acme was cancelled$"):
        made.engine.destroy(STACK, RunOptions(cancel=flag))
    assert all(child.over(note) for note in made.notes())


def test_nothing_is_started_once_it_is_cancelled(tmp_path: Path) -> None:
    made, flag = Made(tmp_path, script()), threading.Event()
    flag.set()
    for call in (made.engine.preview, made.engine.up, made.engine.refresh, made.engine.destroy):
        with pytest.raises(CancelledError):
            call(STACK, RunOptions(cancel=flag))
    assert not (made.folder / "asked").exists()


@pytest.mark.parametrize("words", [SLEEP, STUBBORN])
def test_a_preview_ends_soon_whatever_grace_others_have(tmp_path: Path, words: str) -> None:
    made, flag = Made(tmp_path, script(preview=words), grace=60), threading.Event()
    threading.Timer(1.5, flag.set).start()
    with within(1.5, MOST), pytest.raises(CancelledError, match=r"^preview of stack tenant/acme was cancelled$"):
        made.engine.preview(STACK, RunOptions(cancel=flag))
    assert made.notes() == []


def test_looking_for_what_was_left_ends_at_the_deadline(tmp_path: Path) -> None:
    resource = {"urn": "urn:pulumi:acme::tenant::aws:ec2/vpc:Vpc::vpc", "custom": True, "type": "aws:ec2/vpc:Vpc"}
    left = {"pending_operations": [{"type": "creating", "resource": resource}]}
    made = Made(tmp_path, script(left, destroy=GOOD), patience=60)
    with within(1.5, MOST), pytest.raises(TimedOutError, match="destroy of stack"):
        made.engine.destroy(STACK, RunOptions(deadline=1.5))
    assert set(made.asked) == {"export"}


LOCKS = f"""
if os.path.exists("locked"):
    pid = open("locked").read()
    print("error: the stack is currently locked by 1 lock(s). Either wait", file=sys.stderr)
    print(f"  file:///s/l.json: created by ann@{HERE} (pid {{pid}}) at 2026-11-22T12:00:00Z", file=sys.stderr)
    sys.exit(255)
if not os.path.exists("died"):
    open("died", "w").close()
    open("locked", "w").write(str(os.getpid()))
    os.kill(os.getpid(), signal.SIGKILL)
"""
UNLOCKS = "os.unlink('locked')"


def killed(tmp_path: Path, verb: str = "destroy") -> Made:
    """A run that was killed, and left its lock."""
    made = Made(tmp_path, script(cancel=UNLOCKS, **{verb: LOCKS + GOOD}))
    with pytest.raises(EngineError, match="killed by signal 9"):
        getattr(made.engine, verb)(STACK)
    assert len(made.notes()) == 1
    return made


def test_a_lock_that_our_killed_cli_left_is_broken_under_the_lease(tmp_path: Path) -> None:
    made = killed(tmp_path)
    told: list[Event] = []
    asked: list[str] = []
    made.engine.destroy(STACK, RunOptions(progress=told.append, guard=lambda: asked.append("guard")))
    assert asked == ["guard"]
    assert made.asked[-3:] == ["destroy", "cancel", "destroy"]
    (said,) = [e.message for e in told]
    assert said is not None
    assert said.startswith(f"the lock of a dead process is broken (ann@{HERE}, process ")
    assert made.notes() == [], "who came to a good end had the lock alone"


def test_it_is_still_ours_after_another_run_that_met_it(tmp_path: Path) -> None:
    made = killed(tmp_path)
    with pytest.raises(LeaseHeldError):
        made.engine.destroy(STACK)
    assert "cancel" not in made.asked, "without the lease nothing is broken"
    made.engine.destroy(STACK, RunOptions(guard=lambda: None))


def test_a_lost_lease_breaks_nothing(tmp_path: Path) -> None:
    made = killed(tmp_path)

    def lost() -> NoReturn:
        raise LeaseLostError("another took it")

    with pytest.raises(LeaseLostError):
        made.engine.destroy(STACK, RunOptions(guard=lost))
    assert "cancel" not in made.asked


def test_a_lock_that_was_not_ours_is_never_broken(tmp_path: Path) -> None:
    made = killed(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    (made.folder / "locked").write_text(str(process.pid))  # dead, and of this host by its name
    with pytest.raises(LeaseHeldError, match=f"ann@{HERE}, process {process.pid}"):
        made.engine.destroy(STACK, RunOptions(guard=lambda: None))
    assert "cancel" not in made.asked


def test_an_import_that_was_killed_leaves_a_lock_of_ours_too(tmp_path: Path) -> None:
    made = Made(tmp_path, script({"pending_operations": []}, cancel=UNLOCKS, destroy=LOCKS + GOOD, **{"import": LOCKS}))
    with pytest.raises(EngineError, match="killed by signal 9"):
        made.engine.import_(STACK, {"deployment": {}})
    made.engine.destroy(STACK, RunOptions(guard=lambda: None))
    assert made.asked[-2:] == ["cancel", "destroy"]


UP = "print(flush=True); time.sleep(60)"


@contextmanager
def leftover(made: Made, program: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A CLI that outlived its `provision`."""
    made.folder.mkdir(parents=True)
    held = child.begin(made.folder / "child-0.json")
    words = [sys.executable, "-c", f"import signal, time; {program}"]
    process = subprocess.Popen(words, start_new_session=True, pass_fds=(held,), stdout=subprocess.PIPE)
    child.record(held, process.pid)
    os.close(held)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def reaped(process: "subprocess.Popen[bytes]") -> Callable[[], int]:
    """Wait for it meanwhile, as whoever adopts an orphan does."""
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(process.wait()))
    thread.start()

    def code() -> int:
        thread.join()
        return codes[0]

    return code


def test_what_outlived_its_provision_is_ended_before_the_state_is_read(tmp_path: Path) -> None:
    made = Made(tmp_path, script(refresh=GOOD))
    with leftover(made, f"signal.signal(signal.SIGINT, signal.SIG_IGN); {UP}") as process:
        ended = reaped(process)
        made.engine.refresh(STACK)
        assert ended() == -signal.SIGKILL
    assert made.notes() == []


def test_what_can_not_be_ended_from_here_is_not_worked_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Made(tmp_path, script(refresh=GOOD))
    monkeypatch.setattr(child, "_KILLING", 0.2)
    with leftover(made, UP) as process:
        note = made.folder / "child-0.json"
        note.write_text(note.read_text().replace("pid:[", "another container's pid:["))
        with pytest.raises(EngineError, match=f"can't be ended from here .process {process.pid} on {HERE}."):
            made.engine.refresh(STACK)
        note.write_text("")  # its parent was killed before it had written the pid
        with pytest.raises(EngineError, match=r"can't be ended from here .*child-0\.json"):
            made.engine.refresh(STACK)
        assert process.poll() is None
    assert not (made.folder / "asked").exists()
    made.engine.refresh(STACK)


URN = "urn:pulumi:acme::tenant::aws:rds/instance:Instance::database"
ABOUT = {"urn": URN, "type": "aws:rds/instance:Instance", "provider": "p", "logical": True, "keys": ["the password"]}
UNKNOWN = {"resourcePreEvent": {"metadata": {"op": "obliterate", **ABOUT}}}
SUMMARY: dict[str, Any] = {"summaryEvent": {"resourceChanges": {}}}


@pytest.mark.parametrize(
    ("verb", "events", "why"),
    [
        ("preview", (UNKNOWN, SUMMARY), "event 0 was lost or can't be read"),
        ("destroy", (UNKNOWN, SUMMARY), "event 0 was lost or can't be read"),
        ("preview", ({"resourcePreEvent": {"metadata": {}}}, SUMMARY), "event 0 "),
        ("preview", ({"summaryEvent": {"resourceChanges": {"replace": 1}}},), "the CLI counts 1 steps of kind replace"),
        ("preview", (), "summary event never found"),
    ],
)
def test_a_stream_with_a_hole_is_no_plan(tmp_path: Path, verb: str, events: tuple[Any, ...], why: str) -> None:
    made = Made(tmp_path, script(**{verb: fake.tells(*events)}))
    with warnings.catch_warnings(record=True) as printed, pytest.raises(ProvisionError) as caught:
        getattr(made.engine, verb)(STACK)
    assert isinstance(caught.value, EngineError)
    assert caught.value.message.startswith(f"{verb} of stack tenant/acme: what the Pulumi CLI told can't be trusted: ")
    assert why in caught.value.message
    assert not [w for w in printed if "password" in str(w.message)], "the SDK prints what it can't read"


def test_a_run_whose_events_never_came_is_not_trusted(tmp_path: Path) -> None:
    made = Made(tmp_path, script(destroy="sys.exit(0)"))
    with pytest.raises(EngineError, match="the events end before the run did"):
        made.engine.destroy(STACK)
