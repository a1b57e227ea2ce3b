"""Where runs happen: the first few in threads here, more of them in spawned processes.

A program's Python is bound to one processor by the interpreter's lock (0.1 to 0.4 s for each stack), so a fleet's
`apply` needs more than one process; a single tenant must not pay for starting another.
"""

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import count
from multiprocessing.connection import Connection
from typing import Any

from provisioner.engines.pulumi_cli.run import Job, Outcome, run
from provisioner.model.change import Event
from provisioner.model.errors import EngineError

HERE = 4
"""Runs at once in this process; and in each worker."""
Progress = Callable[[Event], None]


class Workers:
    """Hands out runs. Threads and processes are made on demand and end with this process."""

    def __init__(self, warm: Callable[[], None] | None, *, here: int = HERE, processes: int | None = None) -> None:
        self._warm = warm
        self._warmed = False
        self._lock = threading.Lock()
        self._slots = here
        self._most = processes if processes is not None else max(1, (os.cpu_count() or 2) - 1)
        self._threads = ThreadPoolExecutor(max_workers=1024, thread_name_prefix="pulumi")
        self._others: list[_Worker] = []

    def submit(self, job: Job, progress: Progress | None) -> "Future[Outcome]":
        """Start a run. A program that can't be sent to another process runs here."""
        with self._lock:
            if self._slots <= 0:
                sent = self._send(job, progress)
                if sent is not None:
                    return sent
            self._slots -= 1
            if self._warm is not None and not self._warmed:
                self._warm()
                self._warmed = True
            future = self._threads.submit(run, job, progress)
        future.add_done_callback(self._free)
        return future

    @staticmethod
    def wait(future: "Future[Outcome]", seconds: float) -> bool:
        """Whether it has ended within that time."""
        return bool(wait([future], timeout=seconds).done)

    def _send(self, job: Job, progress: Progress | None) -> "Future[Outcome] | None":
        try:
            sent = pickle.dumps(job)
        except (pickle.PicklingError, AttributeError, TypeError):
            return None
        while True:
            self._others = [worker for worker in self._others if worker.alive]
            if len(self._others) < self._most:
                self._others.append(_Worker(self._warm))
            idlest = min(self._others, key=lambda worker: worker.load)
            with suppress(OSError):  # it died this moment: the next round is without it
                return idlest.submit(sent, progress)

    def _free(self, _future: Any) -> None:
        with self._lock:
            self._slots += 1


class _Worker:
    """A spawned process (a fork after gRPC has started is unsafe) and what it is running."""

    def __init__(self, warm: Callable[[], None] | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, warm), daemon=True)
        self._process.start()
        theirs.close()
        self._lock = threading.Lock()
        self._deaf = False
        self._numbers = count()
        self._running: dict[int, tuple[Future[Outcome], Progress | None]] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether it can be given more."""
        return self._process.is_alive() and not self._deaf

    @property
    def load(self) -> int:
        """Runs that it was given and has not ended."""
        return len(self._running)

    def submit(self, job: bytes, progress: Progress | None) -> "Future[Outcome]":
        """Give it a pickled job. Raises OSError where it is dead."""
        future: Future[Outcome] = Future()
        with self._lock:
            if self._deaf:
                raise BrokenPipeError
            number = next(self._numbers)
            self._running[number] = (future, progress)
            try:
                self._pipe.send((number, job))
            except OSError:
                self._deaf = True
                self._running.pop(number, None)
                raise
        return future

    def _listen(self) -> None:
        try:
            while True:
                number, said = self._pipe.recv()
                future, progress = self._running[number]
                if isinstance(said, Event):
                    if progress is not None:
                        progress(said)
                    continue
                self._running.pop(number)
                if isinstance(said, Outcome):
                    future.set_result(said)
                else:
                    future.set_exception(said)
        except (EOFError, OSError):
            with self._lock:
                self._deaf = True
                lost = list(self._running.values())
                self._running.clear()
            for future, _ in lost:
                future.set_exception(EngineError("a worker process died", hint="run the same command again"))


def _serve(pipe: Connection, warm: Callable[[], None] | None) -> None:
    """A worker's life: it ends with the process that started it, whose end closes the pipe. A terminal's ^C reaches it
    too, and is the parent's to judge; a handler, since what is ignored would be ignored by the CLI as well."""
    signal.signal(signal.SIGINT, lambda *_: None)
    if warm is not None:
        warm()
    lock = threading.Lock()

    def tell(number: int, said: object) -> None:
        with lock:
            pipe.send((number, said))

    def work(number: int, job: Job) -> None:
        try:
            tell(number, run(job, lambda event: tell(number, event)))
        except Exception as error:  # noqa: BLE001 - the one who waits must hear of it, whatever it is
            tell(number, EngineError(f"{job.verb} of stack {job.project}/{job.stack}: {error}"))

    threads = ThreadPoolExecutor(max_workers=64)
    try:
        while True:
            number, job = pipe.recv()
            threads.submit(work, number, pickle.loads(job))  # noqa: S301 - from the process that started this one
    except EOFError:
        os._exit(0)
