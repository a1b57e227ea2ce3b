"""Running a Pulumi program with the official SDK, in a thread and a context of its own."""

import asyncio
import contextlib
import contextvars
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from pulumi._utils import ContextProperty
from pulumi.errors import RunError
from pulumi.runtime import resource as sdk_resource
from pulumi.runtime import settings
from pulumi.runtime.config import set_all_config
from pulumi.runtime.proto import source_pb2
from pulumi.runtime.stack import run_in_stack

from provisioner.engines.embedded.monitor import Log, Monitor
from provisioner.engines.embedded.run import Run
from provisioner.engines.embedded.values import refuse
from provisioner.model.errors import EngineError

_POLL: Final = 0.05
_GRACE: Final = 5.0
_UNSUPPORTED: Final = re.compile(r"The Pulumi CLI does not support (?:the )?(.+?)\. Please update the Pulumi CLI")


class _Executor(ThreadPoolExecutor):
    """Carries the context into its threads: without it `loop.run_in_executor` in a program would see another stack."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(contextvars.copy_context().run, fn, *args, **kwargs)


def run_program(run: Run, monitor: Monitor) -> None:
    """Run the stack's program to its end, or until the run is stopped. What goes wrong is recorded in `run`."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, _context: None)
    ended = threading.Event()
    context = contextvars.copy_context()
    thread = threading.Thread(
        target=context.run, args=(_main, run, monitor, loop, ended), name=f"pulumi-{run.stack.name}", daemon=True
    )
    thread.start()
    try:
        with run.interruptible():
            _wait(run, ended, loop)
    finally:
        _wait(run, ended, loop)
        run.closed = True
        if ended.is_set():
            thread.join()


def _wait(run: Run, ended: threading.Event, loop: asyncio.AbstractEventLoop) -> None:
    """Until the program has ended. One that doesn't end by itself when the run does is cancelled, then left alone."""
    idle_since: float | None = None
    cancelled = False
    watched = run.options.cancel is not None or run.options.deadline is not None
    while not ended.wait(_POLL if watched or run.stopped else 1.0):
        if not run.poll() or not run.idle:
            idle_since = None
            continue
        idle_since = idle_since or time.monotonic()
        if time.monotonic() - idle_since > _GRACE and not cancelled:
            cancelled = True
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
        if time.monotonic() - idle_since > 2 * _GRACE:
            run.fail("", EngineError("the program did not end when it was told to; its thread is left behind"))
            return


def _main(run: Run, monitor: Monitor, loop: asyncio.AbstractEventLoop, ended: threading.Event) -> None:
    executor = _Executor(max_workers=max(1, run.options.parallel) * 4, thread_name_prefix=f"pulumi-{run.stack.name}")
    try:
        _configure(run, monitor)
        loop.set_default_executor(executor)
        loop.run_until_complete(run_in_stack(run.stack.program))
    except BaseException as error:  # noqa: BLE001 - whatever a program raises is its failure
        _record(run, error)
    finally:
        try:
            _cancel_leftovers(loop)
            executor.shutdown(wait=True, cancel_futures=True)
            loop.close()
        finally:
            ended.set()


def _configure(run: Run, monitor: Monitor) -> None:
    _leave_stack_traces_out()
    settings.reset_options(
        project=run.stack.project,
        stack=run.stack.name,
        parallel=run.options.parallel,
        monitor_address=monitor,  # type: ignore[arg-type]  # anything but a str is taken as the stub itself
        engine_address=Log(run),  # type: ignore[arg-type]
        preview=run.preview,
        organization="organization",
    )
    set_all_config({}, [])
    # The SDK also keeps the values of the first context that sets them as everybody's default: a bare thread of one
    # program would register its resources in another stack. Without a default it fails instead.
    for found in vars(settings.Settings).values():
        if isinstance(found, ContextProperty):
            found._ContextProperty__default = None  # type: ignore[attr-defined]  # noqa: SLF001 - no public way


def _leave_stack_traces_out() -> None:
    """Source positions cost a third of a program's CPU and are not kept in our checkpoints."""
    if hasattr(sdk_resource, "_get_stack_trace"):
        sdk_resource._get_stack_trace = source_pb2.StackTrace  # noqa: SLF001 - no public way


def _cancel_leftovers(loop: asyncio.AbstractEventLoop) -> None:
    leftovers = asyncio.all_tasks(loop)
    for task in leftovers:
        task.cancel()
    if leftovers:
        loop.run_until_complete(asyncio.gather(*leftovers, return_exceptions=True))


def _record(run: Run, error: BaseException) -> None:
    """A program that fails because the run is ending has no failure of its own."""
    if run.stopped is not None:
        return
    unsupported = _UNSUPPORTED.search(str(error))
    if unsupported is not None:
        run.fail("", refuse(unsupported.group(1)))
    elif isinstance(error, RunError):
        run.fail("program", error)
    else:
        run.fail("program", EngineError(f"{type(error).__name__}: {error}"))
        run.cause = error
