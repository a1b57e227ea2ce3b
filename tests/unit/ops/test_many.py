"""Work for several tenants at once, when it is stopped."""

import threading
import time
from pathlib import Path

import pytest

from provisioner.ops.many import each
from tests.unit.ops.fakes import FakeHouse


def test_a_step_that_does_not_stop_holds_up_no_end(tmp_path: Path) -> None:
    """^C while one of them waits for something that takes hours."""
    over = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            raise KeyboardInterrupt
        over.wait(60)
        return item

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        each(FakeHouse(tmp_path), [0, 1, 2], work, at_once=2)
    assert time.monotonic() - began < 30
    over.set()
