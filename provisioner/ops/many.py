"""The same work for several tenants at once. One that fails stops no other; ^C stops all at their next safe place."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from provisioner.ops.house import House

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def each(house: House, items: Sequence[Item], work: Callable[[Item], Answer], *, at_once: int) -> list[Answer]:
    """`work` on all of them, `at_once` at the same time; the answers are in the given order.

    `work` must not raise ProvisionErrors: an answer carries them. ^C asks every running operation to stop, and each
    stays resumable. A step that doesn't stop in the time that it is given is left to end with this process.
    """
    pool = ThreadPoolExecutor(max_workers=max(1, min(at_once, len(items))))
    futures = [pool.submit(work, item) for item in items]
    try:
        return [f.result() for f in futures]
    except BaseException:
        for future in futures:
            future.cancel()
        house.operations.close()
        raise
    finally:
        pool.shutdown(wait=False)
