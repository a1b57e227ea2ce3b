"""Many stacks at once in one process: nothing of one shows up in another, and nothing stays behind."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pulumi
import pytest

from provisioner.engines.embedded.engine import EmbeddedEngine
from provisioner.model.errors import EngineError
from provisioner.model.ports import RunOptions, Stack

from .conftest import Harness
from .toy import Cloud, Thing, Toy, options


def program_of(name: str, seen: dict[str, Any]) -> Any:
    """A program that notes what it sees of its stack from everywhere it can run code."""

    def program() -> None:
        toy = Toy(region=name)
        a = Thing(f"{name}-a", options(toy), text=name)

        def look(arn: str) -> str:
            seen["apply"] = pulumi.get_stack()
            return arn

        async def work() -> str:
            seen["to_thread"] = await asyncio.to_thread(pulumi.get_stack)
            seen["executor"] = await asyncio.get_running_loop().run_in_executor(None, pulumi.get_stack)
            return name

        Thing(f"{name}-b", options(toy), text=a.arn.apply(look), more=pulumi.Output.from_input(work()))
        seen["program"] = pulumi.get_stack()
        seen["region"] = pulumi.runtime.invoke("toy:index:lookup", {}, pulumi.InvokeOptions(provider=toy)).value[
            "region"
        ]
        pulumi.export("secret", pulumi.Output.secret(f"secret of {name}"))
        pulumi.export("name", name)

    return program


def test_sixteen_stacks_in_eight_threads(tmp_path: Path, cloud: Cloud) -> None:
    cloud.latency = 0.002
    warmed: list[int] = []
    engine = EmbeddedEngine(tmp_path, lambda: "p", lambda _p: cloud.address, lambda: warmed.append(1))
    seen: dict[str, dict[str, Any]] = {f"s{n}": {} for n in range(16)}
    before = set(threading.enumerate())

    def run(name: str) -> Any:
        stack = Stack("tenant", name, program_of(name, seen[name]))
        engine.preview(stack)
        engine.up(stack, RunOptions(parallel=2))
        return engine.up(stack)

    with ThreadPoolExecutor(8) as pool:
        results = dict(zip(seen, pool.map(run, seen), strict=True))
    for name, views in seen.items():
        assert set(views.values()) == {name}, name
        assert results[name].outputs == {"name": name}
        assert results[name].summary == {"same": 4}
    assert cloud.names() == sorted(f"s{n}-{x}" for n in range(16) for x in "ab")
    assert warmed == [1]
    left = {t for t in set(threading.enumerate()) - before if not t.name.startswith(("Thread-", "ThreadPoolExecutor-"))}
    assert not left


def test_a_bare_thread_of_a_program_sees_no_stack_rather_than_another(here: Harness) -> None:
    seen: list[Any] = []

    def program() -> None:
        thread = threading.Thread(target=lambda: seen.append(pulumi.get_stack()))
        thread.start()
        thread.join()

    here.engine.up(Stack("tenant", "first", lambda: None))
    here.up(program)
    assert seen == [None]


def test_tasks_that_a_program_leaves_behind_are_cancelled(here: Harness) -> None:
    ended: list[str] = []

    def program() -> None:
        async def linger() -> None:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise

        here.task = asyncio.ensure_future(linger())  # type: ignore[attr-defined]  # keeps it alive

    here.up(program)
    assert ended == ["cancelled"]


def test_the_caller_may_have_a_loop_of_its_own(here: Harness) -> None:
    async def main() -> Any:
        return here.up(lambda: pulumi.export("x", 1))

    assert asyncio.run(main()).outputs == {"x": 1}


def test_one_stack_cannot_run_twice_at_once(here: Harness) -> None:
    inside = threading.Event()
    leave = threading.Event()

    def slow() -> None:
        inside.set()
        leave.wait(20)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(here.up, slow)
        assert inside.wait(20)
        with pytest.raises(EngineError, match="another run holds the lock"):
            here.up(lambda: None)
        leave.set()
        running.result()


def test_parallel_limits_the_steps_at_once(here: Harness) -> None:
    busy: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    def enter() -> None:
        with lock:
            busy.append(1)
            most.append(len(busy))

    def leave() -> None:
        with lock:
            busy.pop()

    names = [f"t{n}" for n in range(8)]
    for name in names:
        here.cloud.before["Create", name] = enter
        here.cloud.after["Create", name] = leave
    here.cloud.latency = 0.005

    def program() -> None:
        toy = Toy()
        for name in names:
            Thing(name, options(toy))

    here.up(program, parallel=2)
    assert max(most) <= 2
    assert len(most) == 8
