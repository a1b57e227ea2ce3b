"""Health of registered targets, checked as their target group says."""

import asyncio
from dataclasses import dataclass
from math import ceil

from provisioner.sandbox.fronts import http
from provisioner.sandbox.fronts.plan import Check, Group, Target

# A sandbox is for people who wait: the group's interval is honoured only as far as it is shorter than this.
_LONGEST_INTERVAL = 1.0
_FIRST_INTERVAL = 0.2

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Health:
    """State of one target in one group, in the words of DescribeTargetHealth."""

    state: str
    reason: str | None = None
    description: str | None = None


INITIAL = Health("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
HEALTHY = Health("healthy")


class HealthChecks:
    """One task for each target of a group in use, on the fronts' event loop; `of` may be called from any thread."""

    def __init__(self) -> None:
        self._known: dict[Key, Health] = {}
        self._tasks: dict[Key, tuple[Group, Target, asyncio.Task[None]]] = {}

    def of(self, group_arn: str, instance_id: str) -> Health | None:
        """The target's health; None where it isn't checked."""
        return self._known.get((group_arn, instance_id))

    def healthy(self, group: Group) -> list[Target]:
        """Targets that get requests now."""
        return [t for t in group.targets if self._known.get((group.arn, t.instance_id)) == HEALTHY]

    def follow(self, groups: tuple[Group, ...]) -> None:
        """Check exactly these groups' targets from now on. A target's known health outlives a change of settings."""
        wanted = {(g.arn, t.instance_id): (g, t) for g in groups for t in g.targets if t.idle is None}
        for key in list(self._tasks):
            group, target, task = self._tasks[key]
            if key not in wanted or (wanted[key][0].check, wanted[key][1]) != (group.check, target):
                task.cancel()
                del self._tasks[key]
        for key in list(self._known):
            if key not in wanted:
                del self._known[key]
        for key, (group, target) in wanted.items():
            if key not in self._tasks:
                self._known.setdefault(key, INITIAL)
                self._tasks[key] = (group, target, asyncio.create_task(self._watch(key, group, target)))

    async def _watch(self, key: Key, group: Group, target: Target) -> None:
        streak = 0
        while True:
            before = self._known[key]
            verdict = await _check(group, target)
            differs = before == INITIAL or (verdict == HEALTHY) != (before == HEALTHY)
            streak = streak + 1 if differs else 0
            if differs and streak >= _needed(before, verdict, group.check):
                self._known[key] = verdict
            await asyncio.sleep(_FIRST_INTERVAL if self._known[key] == INITIAL else _interval(group.check))


def _interval(check: Check) -> float:
    return min(check.interval, _LONGEST_INTERVAL)


def _needed(before: Health, verdict: Health, check: Check) -> int:
    """Checks in a row that change the state. As in AWS, a new target needs one success only."""
    if verdict == HEALTHY:
        return 1 if before == INITIAL else check.healthy_after
    # A new target is looked at more often than the group says, but has as long to come up.
    pace = _interval(check) / _FIRST_INTERVAL if before == INITIAL else 1
    return ceil(check.unhealthy_after * pace)


async def _check(group: Group, target: Target) -> Health:
    check = group.check
    try:
        if check.protocol == "TCP":
            await http.connects(target.check_address, check.timeout)
            return HEALTHY
        status = await http.get_status(target.check_address, check.path, check.timeout)
    except TimeoutError:
        return Health("unhealthy", "Target.Timeout", "Request timed out")
    except (OSError, ValueError):
        return Health("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
    if check.accepts(status):
        return HEALTHY
    return Health("unhealthy", "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{status}]")
