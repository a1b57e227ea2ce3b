"""GetMetricData is asked in portions, and its pages are put together."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.stub import ANY, Stubber

from provisioner.cloud.measured import readings
from provisioner.cloud.session import Access, Clients
from provisioner.model.cloud import Metric, Reading

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_pages_belong_together_and_a_call_takes_five_hundred(monkeypatch: pytest.MonkeyPatch) -> None:
    clients = Clients(Access("eu-west-1", access_key_id="x", secret_access_key="x"))
    metrics = [Metric("AWS/EC2", "CPUUtilization", {"InstanceId": f"i-{n}"}, "Average", 3600) for n in range(501)]
    asked = {"StartTime": NOON, "EndTime": ANY, "ScanBy": "TimestampAscending", "MetricDataQueries": ANY}
    first = {"MetricDataResults": [{"Id": "m499", "Timestamps": [NOON], "Values": [1.0]}], "NextToken": "more"}
    later = [{"Id": "m499", "Timestamps": [NOON + timedelta(hours=1)], "Values": [2.0]}]
    last = [{"Id": "m0", "Timestamps": [NOON], "Values": [3.0]}]
    with Stubber(clients["cloudwatch"]) as stubber:
        stubber.add_response("get_metric_data", first, asked)
        stubber.add_response("get_metric_data", {"MetricDataResults": later}, {**asked, "NextToken": "more"})
        stubber.add_response("get_metric_data", {"MetricDataResults": last}, asked)
        found = readings(clients, metrics, NOON, NOON + timedelta(hours=3))
        stubber.assert_no_pending_responses()
    half = NOON + timedelta(minutes=30)
    assert found[499] == [Reading(half, 1.0), Reading(half + timedelta(hours=1), 2.0)]
    assert found[500] == [Reading(half, 3.0)]
    assert found[0] == []
