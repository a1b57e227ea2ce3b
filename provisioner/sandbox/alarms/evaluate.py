"""Looks at every metric alarm after each measurement, and sets moto's state of those that changed."""

from collections.abc import Callable, Iterator
from datetime import UTC
from typing import Any

from moto.cloudwatch.models import CloudWatchBackend, cloudwatch_backends

from provisioner.sandbox.alarms.judge import UNKNOWN, Rule, Verdict, judge
from provisioner.sandbox.hooking import around
from provisioner.sandbox.meters.samples import Samples, series
from provisioner.sandbox.world import World

_HISTORY = 50
_SHORTEST = 60  # seconds: it isn't measured more often


def install() -> None:
    """A new alarm knows nothing yet, and one that is put again keeps its state: moto calls both OK."""

    @around(CloudWatchBackend, "put_metric_alarm")
    def put_metric_alarm(original: Callable[..., Any], backend: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        before = backend.alarms.get(name)
        alarm = original(backend, name, *args, **kwargs)
        if before is None:
            alarm.state_value = UNKNOWN
        else:
            for field in ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp", "history"):
                setattr(alarm, field, getattr(before, field))
        return alarm


class Alarms:
    """All alarms of the sandbox. `pace`: the sandbox's seconds for a real one: where it measures more often than every
    minute, for people and tests who can't wait, alarms' periods are shorter in proportion."""

    def __init__(self, world: World, samples: Samples, pace: float) -> None:
        self._world = world
        self._samples = samples
        self._pace = pace

    def look(self, now: float) -> None:
        """Evaluate all of them by what is measured up to now."""
        with self._world.lock:
            asked = [(a, rule, a.state_value, _since(a)) for a in self._all() if (rule := self._rule(a))]
        verdicts = [(a, rule, self._judged(rule, now, before, since)) for a, rule, before, since in asked]
        with self._world.lock:
            current = {id(alarm) for alarm in self._all()}
            changed = [
                (a, v) for a, r, v in verdicts if v and id(a) in current and self._rule(a) == r and _differs(a, v)
            ]
            for alarm, verdict in changed:
                alarm.update_state(verdict.reason, verdict.data, verdict.state)
                del alarm.history[:-_HISTORY]
            if changed:
                self._world.dirty()

    def _all(self) -> Iterator[Any]:
        for backend in list(cloudwatch_backends[self._world.account].values()):
            yield from backend.alarms.values()

    def _rule(self, alarm: Any) -> Rule | None:
        """None for what can't be told here: composite alarms, metric math, percentiles, and metrics that nobody
        measures, which are unknown for good."""
        if alarm.rule is not None or alarm.metric_data_queries or not alarm.metric_name or not alarm.statistic:
            return None
        periods = int(alarm.evaluation_periods)
        rule = Rule(
            series(alarm.namespace, alarm.metric_name, {d.name: d.value for d in alarm.dimensions}),
            alarm.statistic,
            max(int(alarm.period), _SHORTEST) * self._pace,
            periods,
            int(alarm.datapoints_to_alarm or periods),
            alarm.comparison_operator,
            float(alarm.threshold),
            alarm.treat_missing_data or "missing",
        )
        return rule if rule.supported else None

    def _judged(self, rule: Rule, now: float, before: str, since: float) -> Verdict | None:
        """None while it is too early: what an alarm was made for may not have been measured yet."""
        found = self._samples.read(rule.series, int(now - rule.reach), int(now) + 1, 1, "Average")
        if not found and now - since < rule.period:
            return None
        return judge(rule, found, now, before)


def _differs(alarm: Any, verdict: Verdict) -> bool:
    return bool(alarm.state_value != verdict.state or alarm.state_reason.startswith("Unchecked"))


def _since(alarm: Any) -> float:
    """When it was last put; moto's times are of UTC without saying so."""
    return float(alarm.configuration_updated_timestamp.replace(tzinfo=UTC).timestamp())
