"""One instance with its body: a thread that brings the body to where the instance's state points."""

import contextlib
import json
import logging
import os
import select
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from provisioner.sandbox.machines import roles, states, userdata
from provisioner.sandbox.machines.body import Body
from provisioner.sandbox.packages import agent

_FIRST_WAIT, _LONGEST_WAIT = 0.2, 10.0
_STABLE_SECONDS = 10.0
_TICK_SECONDS = 10.0
_REBOOT_POLL_SECONDS = 0.05
log = logging.getLogger(__name__)


class Machine:
    """Looks after one instance until it is terminated.

    The instance's state in moto is both wish and record: an API call sets a state on the way (pending, stopping,
    shutting-down) and calls `wake`; the thread acts, and then sets the state that was meant. A new daemon that finds a
    state on the way goes on from there. `reached` is called, under the world's lock, with the
    instance's id and the state that it has reached.
    """

    def __init__(self, instance: Any, body: Body, reached: Callable[[str, str], None]) -> None:
        self.instance = instance
        self.body = body
        self._reached = reached
        self._world = body.world
        self._bell = os.fdopen(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK), "r+b", buffering=0)
        self._thread = Thread(target=self._look_after, name=f"machine-{instance.id}", daemon=True)
        self._gate = Lock()
        self._closing = False
        self._rebooting = False
        self._up_since: float | None = None
        self._failures = 0
        self._next_start = 0.0
        self._problem: str | None = None

    def begin(self) -> None:
        """Start to look after the instance."""
        self._thread.start()

    def wake(self) -> None:
        """Have the thread look at the instance's state now. May be called under the world's lock."""
        self._bell.write((1).to_bytes(8, "little"))

    def reboot(self) -> None:
        """End the product and start it again, once."""
        self._rebooting = True
        self.wake()

    def close(self) -> None:
        """Begin to end the body and leave the instance's state as it is. `join` waits for it."""
        self._closing = True
        self.wake()

    def join(self, seconds: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(seconds)

    def reboot_and_wait(self, boot: str, seconds: float) -> bool:
        """Reboot, unless it was since `boot`. False where it isn't up again in time, or somebody stops it."""
        if self.body.place.boot == boot:
            self.reboot()
        deadline = time.monotonic() + seconds
        while self.body.place.boot in {"", boot}:
            with self._world.lock:
                up = states.state_of(self.instance) == states.RUNNING
            if not up or self._closing or time.monotonic() > deadline:
                return False
            time.sleep(_REBOOT_POLL_SECONDS)
        return True

    def run(self, start: Callable[[], None]) -> bool:
        """Start something on the machine. False, and nothing started, where it isn't running or is about to end."""
        with self._gate:
            with self._world.lock:
                up = states.state_of(self.instance) == states.RUNNING and not self._closing
            if up:
                start()
            return up

    @property
    def healthy(self) -> bool:
        """Whether the product runs, and hasn't died a moment ago."""
        return self._failures == 0 and self.body.running() is not None

    @property
    def notes(self) -> list[str]:
        """What somebody who looks at this machine should know."""
        notes = [f"not supported by the sandbox: {line}" for line in self.body.place.refused()]
        if self._failures:
            notes.append(f"the product ended {self._failures} time(s) in a row")
        if self._problem:
            notes.append(self._problem)
        return notes

    def _look_after(self) -> None:
        patience: float | None = 0.0
        while patience is not None:
            self._wait(patience)
            try:
                patience = self._step()
                self._problem = None
            except Exception as error:  # a machine that can't be helped now may be helped later
                log.exception("machine %s", self.instance.id)
                self._failures += 1
                patience = self._back_off()
                self._next_start = time.monotonic() + patience
                self._say(str(error))

    def _step(self) -> float | None:
        """Do what the state asks for. Returns in how many seconds to look again, None when there is nothing left."""
        with self._world.lock:
            state = states.state_of(self.instance)
        if self._closing:
            self._end()
            return None
        match state:
            case states.PENDING | states.RUNNING:
                return self._run()
            case states.STOPPING:
                self._end()
                self._reach(states.STOPPING, states.STOPPED)
            case states.SHUTTING_DOWN:
                self._end()
                self.body.place.remove()
                self._reach(states.SHUTTING_DOWN, states.TERMINATED)
            case states.TERMINATED:
                return None
        with self._world.lock:  # whatever was asked for meanwhile
            return _TICK_SECONDS if states.state_of(self.instance) == states.STOPPED else 0.0

    def _reach(self, before: str, after: str) -> None:
        """Set the state that was meant, unless another was asked for meanwhile."""
        with self._world.lock:
            if states.state_of(self.instance) != before:
                return
            states.set_state(self.instance, after)
            self._reached(self.instance.id, after)
            self._world.dirty()

    def _end(self) -> None:
        with self._gate:
            self.body.end()
        self._rebooting, self._up_since, self._failures, self._next_start = False, None, 0, 0.0

    def _run(self) -> float:
        if self._rebooting:
            self.body.place.remark("reboot")
            self._end()
        try:
            if self.body.running() is None:
                return self._start()
            if self._up_since is None:
                self._up_since = time.monotonic()
            if roles.refresh(self._world, self.instance, self.body.place):
                self._world.dirty()
        finally:
            # As in EC2, an instance whose product can't start runs all the same; its status checks fail.
            self._reach(states.PENDING, states.RUNNING)
        self.body.place.trim_log()
        if time.monotonic() - self._up_since > _STABLE_SECONDS:
            self._failures = 0
        return _TICK_SECONDS

    def _start(self) -> float:
        """Start the product, unless it ended so short a time ago that it has to wait."""
        place = self.body.place
        if self._up_since is not None:
            lasted = time.monotonic() - self._up_since
            self._failures = 1 if lasted > _STABLE_SECONDS else self._failures + 1
            self._up_since, self._next_start = None, time.monotonic() + self._back_off()
            place.remark(f"the product ended after {lasted:.1f} s; it is started again")
        if (wait := self._next_start - time.monotonic()) > 0:
            return wait
        place.prepare()
        if not place.booted():
            data = userdata.of(self.instance)
            place.first_boot(replace(data, files=(*_packages(self.body.image), *data.files)))
        place.begin_boot()
        roles.refresh(self._world, self.instance, place)
        # What a client was told, and the keys that the product is about to read, have to outlive this process.
        self._world.commit()
        self.body.start()
        self._up_since = time.monotonic()
        return _TICK_SECONDS

    def _back_off(self) -> float:
        return min(_FIRST_WAIT * 2.0 ** (self._failures - 1), _LONGEST_WAIT)

    def _say(self, problem: str) -> None:
        if problem != self._problem:
            with contextlib.suppress(OSError):
                self.body.place.remark(problem)
        self._problem = problem

    def _wait(self, seconds: float) -> None:
        """Until the product ends, somebody rings the bell, or the time is over."""
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        process = self.body.running() if self._up_since is not None else None
        with contextlib.ExitStack() as handles:
            if process is not None:
                try:
                    handle = os.pidfd_open(process.pid)
                except ProcessLookupError:
                    return
                handles.callback(os.close, handle)
                poll.register(handle, select.POLLIN)
            elif self._up_since is not None:
                return  # it ended already
            poll.poll(seconds * 1000)
            self._bell.read(8)


def _packages(image: Path) -> Iterator[userdata.File]:
    """What the base image has installed, as files of the machine."""
    from provisioner.sandbox.packages import feed

    for name, version in feed.base(image).items():
        record = {"name": name, "version": version, "at": agent.now(), "boot": None}
        yield userdata.File(f"/{agent.RECORDS}/{name}.json", json.dumps(record).encode(), 0o644, append=False)
