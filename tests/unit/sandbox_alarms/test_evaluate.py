"""States of alarms in moto, by what was measured."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import RLock
from types import SimpleNamespace
from typing import Any, cast

import pytest
from moto import mock_aws
from moto.cloudwatch.models import CloudWatchBackend
from moto.core.models import DEFAULT_ACCOUNT_ID

from provisioner.cloud.session import Access, Clients
from provisioner.sandbox.alarms import evaluate
from provisioner.sandbox.meters.samples import Sample, Samples, series
from provisioner.sandbox.world import World

DISK = {"InstanceId": "i-1", "path": "/"}
SERIES = series("provision/acme", "disk_used_percent", DISK)
AT = int(time.time()) + 3600
Put = Callable[..., None]


class House:
    """A world with alarms, at a pace of a second for a minute."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples
        self.changes = 0
        world = SimpleNamespace(lock=RLock(), account=DEFAULT_ACCOUNT_ID, dirty=self._dirty)
        self.alarms = evaluate.Alarms(cast("World", world), samples, 1 / 60)

    def _dirty(self) -> None:
        self.changes += 1

    def measured(self, *values: float, until: int = AT) -> None:
        """One a second up to now; then look."""
        self.samples.add(Sample(SERIES, until - age, value) for age, value in enumerate(reversed(values)))
        self.alarms.look(until)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(Samples(tmp_path / "metrics.db"))


@pytest.fixture
def cloudwatch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setattr(CloudWatchBackend, "put_metric_alarm", CloudWatchBackend.put_metric_alarm)
    evaluate.install()
    with mock_aws():
        yield Clients(Access("eu-west-1"))["cloudwatch"]


def put(cloudwatch: Any, **more: Any) -> None:
    """The alarm of a disk: one period of five minutes at 85 %."""
    words = {
        "AlarmName": "disk",
        "Namespace": "provision/acme",
        "MetricName": "disk_used_percent",
        "Dimensions": [{"Name": name, "Value": value} for name, value in DISK.items()],
        "Statistic": "Average",
        "Period": 300,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Threshold": 85.0,
    }
    given = {name: value for name, value in {**words, **more}.items() if value is not None}
    cloudwatch.put_metric_alarm(**given)


def state(cloudwatch: Any) -> str:
    return str(cloudwatch.describe_alarms(AlarmNames=["disk"])["MetricAlarms"][0]["StateValue"])


def test_a_full_disk_raises_one_and_a_cleaned_one_ends_it(house: House, cloudwatch: Any) -> None:
    put(cloudwatch)
    assert state(cloudwatch) == "INSUFFICIENT_DATA"
    house.measured(10.0)
    assert state(cloudwatch) == "OK"
    house.measured(*[90.0] * 5, until=AT + 5)
    found = cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"][0]
    assert found["AlarmName"] == "disk"
    assert "1 out of the last 1 datapoints [90]" in found["StateReason"]
    house.measured(90.0, until=AT + 6)
    assert house.changes == 2, "what didn't change was written"
    put(cloudwatch, Threshold=80.0)
    assert state(cloudwatch) == "ALARM", "a changed threshold forgot it"
    house.measured(*[10.0] * 5, until=AT + 11)
    assert state(cloudwatch) == "OK"
    house.alarms.look(AT + 100)
    assert state(cloudwatch) == "INSUFFICIENT_DATA"


def test_an_alarm_is_not_judged_before_anything_could_be_measured(house: House, cloudwatch: Any) -> None:
    put(cloudwatch, TreatMissingData="breaching")
    house.alarms.look(int(time.time()))
    assert state(cloudwatch) == "INSUFFICIENT_DATA"
    house.alarms.look(AT)
    assert state(cloudwatch) == "ALARM"


def test_what_cannot_be_told_stays_unknown(house: House, cloudwatch: Any) -> None:
    put(cloudwatch, Statistic=None, ExtendedStatistic="p99")
    house.measured(90.0)
    assert state(cloudwatch) == "INSUFFICIENT_DATA"
    assert house.changes == 0
