"""What CloudWatch measured."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from provisioner.cloud.session import Clients, translated
from provisioner.model.cloud import Metric, Reading

_AT_ONCE = 500  # queries that one GetMetricData takes


def readings(clients: Clients, metrics: Sequence[Metric], start: datetime, end: datetime) -> list[list[Reading]]:
    """What each metric was; see `ports.Cloud.readings`."""
    found: list[list[Reading]] = []
    for first in range(0, len(metrics), _AT_ONCE):
        found += _some(clients, metrics[first : first + _AT_ONCE], start, end)
    return found


def _some(clients: Clients, metrics: Sequence[Metric], start: datetime, end: datetime) -> list[list[Reading]]:
    found: list[list[Reading]] = [[] for _ in metrics]
    queries = [_query(number, metric) for number, metric in enumerate(metrics)]
    with translated("cloudwatch GetMetricData"):
        pages = (
            clients["cloudwatch"]
            .get_paginator("get_metric_data")
            .paginate(MetricDataQueries=queries, StartTime=start, EndTime=end, ScanBy="TimestampAscending")
        )
        for page in pages:
            for result in page["MetricDataResults"]:
                number = int(result["Id"].removeprefix("m"))
                half = timedelta(seconds=metrics[number].period / 2)
                pairs = zip(result["Timestamps"], result["Values"], strict=True)
                found[number] += [Reading(at + half, float(value)) for at, value in pairs]
    return found


def _query(number: int, metric: Metric) -> dict[str, Any]:
    return {
        "Id": f"m{number}",
        "MetricStat": {
            "Metric": {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions.items()],
            },
            "Period": metric.period,
            "Stat": metric.statistic,
        },
    }
