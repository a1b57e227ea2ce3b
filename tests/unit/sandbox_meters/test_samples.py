"""Measurements are kept, thinned, and given out by GetMetricData."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.cloudwatch.models import CloudWatchBackend

from provisioner.cloud.measured import readings
from provisioner.cloud.session import Access, Clients
from provisioner.model.cloud import Metric, Reading
from provisioner.model.errors import ProvisionError
from provisioner.sandbox.meters import answers
from provisioner.sandbox.meters.samples import Sample, Samples, series

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
CPU = series("AWS/EC2", "CPUUtilization", {"InstanceId": "i-1"})
AT = int(NOON.timestamp())


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    return Samples(tmp_path / "metrics.db")


@pytest.fixture
def clients(samples: Samples, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    # The hook goes with the test.
    monkeypatch.setattr(CloudWatchBackend, "get_metric_data", CloudWatchBackend.get_metric_data)
    answers.install(samples)
    with mock_aws():
        yield Clients(Access("eu-west-1"))


def cpu(machine: str, statistic: str = "Average", period: int = 60) -> Metric:
    return Metric("AWS/EC2", "CPUUtilization", {"InstanceId": machine}, statistic, period)


def test_a_series_has_a_value_for_a_second(samples: Samples) -> None:
    samples.add([Sample(CPU, AT, 1.0), Sample(CPU, AT, 2.0)])
    assert samples.read(CPU, AT, AT + 1, 1, "Average") == [(AT, 2.0)]
    assert samples.has(CPU)
    assert not samples.has("another")


def test_old_measurements_are_thinned_to_one_an_hour_and_forgotten(samples: Samples) -> None:
    minutes = range(AT - 101 * 86_400, AT + 1, 1800)
    samples.add([Sample(CPU, at + 60, 1.0) for at in minutes])
    samples.thin(AT)
    left = [at for at, _ in samples.read(CPU, 0, AT + 3600, 1, "Average")]
    assert len([at for at in left if at < AT - 3 * 86_400]) == 97 * 24
    assert len([at for at in left if at >= AT - 3 * 86_400]) == 3 * 48 + 1


def test_the_adapter_gets_statistics_of_periods(samples: Samples, clients: Clients) -> None:
    samples.add([Sample(CPU, AT + second, float(second)) for second in (0, 20, 40, 60, 180)])
    asked = [cpu("i-1"), cpu("i-1", "Maximum"), cpu("i-2"), cpu("i-1", "Minimum", 3600)]
    found = readings(clients, asked, NOON, NOON + timedelta(minutes=5))
    middle = NOON + timedelta(seconds=30)
    assert found[0] == [Reading(middle + timedelta(minutes=m), v) for m, v in ((0, 20.0), (1, 60.0), (3, 180.0))]
    assert [r.value for r in found[1]] == [40.0, 60.0, 180.0]
    assert found[2] == []
    assert found[3] == [Reading(NOON + timedelta(minutes=30), 0.0)]
    assert readings(clients, asked, NOON + timedelta(hours=1), NOON + timedelta(hours=2)) == [[], [], [], []]


def test_what_others_put_is_still_moto_s(clients: Clients) -> None:
    own = {"MetricName": "requests", "Value": 7.0, "Timestamp": NOON, "Dimensions": [{"Name": "of", "Value": "acme"}]}
    clients["cloudwatch"].put_metric_data(Namespace="product", MetricData=[own])
    metric = Metric("product", "requests", {"of": "acme"}, "Sum", 60)
    found = readings(clients, [metric, cpu("i-1")], NOON, NOON + timedelta(minutes=5))
    assert [[r.value for r in one] for one in found] == [[7.0], []]


def test_a_statistic_that_is_not_kept_is_refused(samples: Samples, clients: Clients) -> None:
    samples.add([Sample(CPU, AT, 1.0)])
    with pytest.raises(ProvisionError, match="p99 is not supported by the sandbox") as refused:
        readings(clients, [cpu("i-1", "p99")], NOON, NOON + timedelta(minutes=5))
    assert isinstance(refused.value.__cause__, ClientError)
