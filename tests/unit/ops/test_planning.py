"""`plan` looks at several tenants at once; ^C, once or often, ends the previews that it began, and soon."""

import signal
import threading
import time
from typing import Any

import pytest

from provisioner.model.change import Plan
from provisioner.model.errors import CancelledError
from provisioner.model.ports import RunOptions, Stack
from provisioner.ops import plan as planning
from provisioner.ops.plan import plan
from tests.unit.ops.fakes import CREATE, FakeHouse, tenant


class Looks:
    """Previews that end `lag` seconds after they are cancelled, and not before."""

    def __init__(self, house: FakeHouse, lag: float = 0.0) -> None:
        self.lag = lag
        self.begun = threading.Semaphore(0)
        self.options: list[RunOptions] = []
        self.ended: list[str] = []
        house.fake_engine.preview = self.preview  # type: ignore[method-assign]

    def preview(self, stack: Stack, options: RunOptions = RunOptions()) -> Plan:  # noqa: B008 - as in the port
        self.options.append(options)
        self.begun.release()
        assert options.cancel is not None
        assert options.cancel.wait(30)
        time.sleep(self.lag)
        self.ended.append(stack.name)
        raise CancelledError("cancelled")


def interrupts(looks: Looks, number: int, at_once: int = 2) -> None:
    """^C, as the terminal sends it, once so many previews are under way; more of them follow."""
    main = threading.get_ident()

    def send() -> None:
        for _ in range(at_once):
            looks.begun.acquire()
        for _ in range(number):
            signal.pthread_kill(main, signal.SIGINT)
            time.sleep(0.3)

    threading.Thread(target=send).start()


@pytest.fixture
def tenants(house: FakeHouse) -> list[Any]:
    for name in ("acme", "beta", "gamma"):
        house.file.entries[name] = tenant(name)
    return house.file.tenants()


@pytest.mark.parametrize("number", [1, 3])
def test_an_interrupt_ends_the_previews(house: FakeHouse, tenants: list[Any], number: int) -> None:
    looks = Looks(house, lag=1.2)
    interrupts(looks, number)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        plan(house, house.file, tenants, parallel=2)
    assert sorted(looks.ended) == ["acme", "beta"], "and the third one was never begun"
    assert time.monotonic() - began < 20


def test_what_does_not_end_is_not_waited_for(
    house: FakeHouse, tenants: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "_ENDING", 0.5)
    looks = Looks(house, lag=3)
    interrupts(looks, 1)
    with pytest.raises(KeyboardInterrupt):
        plan(house, house.file, tenants, parallel=2)
    assert looks.ended == []


def test_a_preview_has_a_deadline_and_looks_at_the_cloud(house: FakeHouse, tenants: list[Any]) -> None:
    seen: list[RunOptions] = []

    def preview(stack: Stack, options: RunOptions = RunOptions()) -> Plan:  # noqa: B008
        seen.append(options)
        return CREATE

    house.fake_engine.preview = preview  # type: ignore[method-assign]
    assert [i.verdict for i in plan(house, house.file, tenants)] == ["create"] * 3
    assert {(o.deadline, o.refresh) for o in seen} == {(planning.PREVIEW_DEADLINE, True)}
