"""An engine's connection to the module's sandbox, and a stack to make things in."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sandbox.conftest import Sandbox
from tests.sandbox.provider.engine import Engine
from tests.sandbox.provider.world import Stack


@pytest.fixture
def connect(sandbox: Sandbox) -> Iterator[Callable[..., Engine]]:
    """Makes engines, each with a connection of its own."""
    engines: list[Engine] = []

    def make(**settings: Any) -> Engine:
        engines.append(Engine(sandbox.info.provider_port, **settings))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture
def engine(connect: Callable[..., Engine]) -> Engine:
    return connect()


@pytest.fixture(scope="module")
def base(sandbox: Sandbox) -> Iterator[Stack]:
    """What the module's tests build upon: a VPC, a key, a machine ..., each made when it is first asked for."""
    engine = Engine(sandbox.info.provider_port)
    made = Stack(sandbox, engine)
    yield made
    made.end()
    engine.close()


@pytest.fixture
def stack(sandbox: Sandbox, engine: Engine, base: Stack) -> Iterator[Stack]:
    made = Stack(sandbox, engine, base)
    yield made
    made.end()
