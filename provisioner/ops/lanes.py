"""Who does what is due, and when: in lanes, so that no backup waits for a drill.

Backups have a lane of their own, drills and rehearsals have one, rollouts have one, and the rest has one: each does so
many jobs at once. A tenant's jobs are done one after the other, whatever lanes they are in, and one that fails is left
alone for a while.
"""

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from provisioner.model.clock import Clock
from provisioner.model.errors import LeaseHeldError, PausedError, ProvisionError
from provisioner.model.ports import Progress

NOTHING = object()
"""What a job returns that had nothing to do: it was looked for, or somebody was faster."""
_LANES = {"backup": 0, "drill": 2, "rehearse": 2, "reap": 2, "rollout": 3}
_OTHERS = 1
_PAUSES = (60.0, 300.0, 900.0)


@dataclass(frozen=True, slots=True)
class Job:
    """Something that is due for a tenant, and why. Two of the same tenant, words and reason are the same."""

    tenant: str
    what: str
    why: str
    run: Callable[[Progress], object]

    @property
    def lane(self) -> int:
        """Number of its lane, and its turn among a tenant's jobs."""
        return _LANES.get(self.what, _OTHERS)

    @property
    def same(self) -> Hashable:
        """What it has in common with itself at the next look."""
        return self.tenant, self.what, self.why


@dataclass(frozen=True, slots=True)
class Done:
    """How a job ended. `outcome`: done, idle (there was nothing to do), held (somebody else is at it), paused (it waits
    for a person), or failed, with the error's words and what to run next."""

    tenant: str
    what: str
    outcome: str
    detail: str
    hint: str | None = None


class Patience:
    """Which jobs are left alone, because they failed: a minute, then five, then a quarter of an hour each time. It is
    kept in memory: another worker tries at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: dict[tuple[str, str], tuple[int, float]] = {}

    def ready(self, job: Job) -> bool:
        """Whether it may be tried now."""
        _, until = self._failed.get((job.tenant, job.what), (0, 0.0))
        return self._clock.monotonic() >= until

    def note(self, done: Done) -> float | None:
        """Remember how it ended. Returns the seconds until it may be tried again, where it failed."""
        key = done.tenant, done.what
        if done.outcome == "held":
            return None
        if done.outcome != "failed":
            self._failed.pop(key, None)
            return None
        times, _ = self._failed.get(key, (0, 0.0))
        pause = _PAUSES[min(times, len(_PAUSES) - 1)]
        self._failed[key] = times + 1, self._clock.monotonic() + pause
        return pause


class Lanes:
    """Does jobs in threads. `told` is called with each end, from the job's own thread. A job that doesn't stop in the
    time that it is given is left to end with this process."""

    def __init__(self, progress: Progress, told: Callable[[Job, Done], None], *, at_once: int) -> None:
        self._progress = progress
        self._told = told
        self._at_once = at_once
        self._changed = threading.Condition()
        self._waiting: list[Job] = []
        self._busy: dict[str, Job] = {}
        self._stopped = False

    def offer(self, jobs: Sequence[Job]) -> None:
        """Begin what can be begun; what can't waits, in place of what waited since the last look."""
        with self._changed:
            self._waiting = sorted(jobs, key=lambda job: job.lane)
            self._fill()

    def wait(self) -> None:
        """Until all is done."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._busy)

    def stop(self) -> None:
        """Begin nothing more. It waits for no lock: a signal may come while one is held."""
        self._stopped = True

    def _fill(self) -> None:
        left = []
        for job in self._waiting:
            full = sum(busy.lane == job.lane for busy in self._busy.values()) >= self._at_once
            if self._stopped or full or job.tenant in self._busy:
                left.append(job)
            else:
                self._busy[job.tenant] = job
                threading.Thread(target=self._run, args=(job,), daemon=True).start()
        self._waiting = left

    def _run(self, job: Job) -> None:
        try:
            self._told(job, done(job, self._progress))
        finally:
            with self._changed:
                del self._busy[job.tenant]
                # What was offered again while it ran is of a look that couldn't know how it ended.
                self._waiting = [other for other in self._waiting if other.same != job.same]
                self._fill()
                self._changed.notify_all()


def done(job: Job, progress: Progress) -> Done:
    """Do it, and say how it ended: one tenant's trouble must not stop the others' backups, whatever it is."""
    try:
        answer = job.run(progress)
    except LeaseHeldError as error:
        return Done(job.tenant, job.what, "held", error.message, error.hint)
    except PausedError as error:
        return Done(job.tenant, job.what, "paused", error.message, error.hint)
    except ProvisionError as error:
        return Done(job.tenant, job.what, "failed", error.message, error.hint)
    except Exception as error:  # noqa: BLE001 - it is told
        return Done(job.tenant, job.what, "failed", f"{type(error).__name__}: {error}")
    return Done(job.tenant, job.what, "idle" if answer is NOTHING else "done", job.why)
