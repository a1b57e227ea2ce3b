"""GetMetricData of what the sandbox measures; of all else moto answers."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import CloudWatchBackend

from provisioner.sandbox.hooking import around, not_supported
from provisioner.sandbox.meters.samples import STATISTICS, Samples, series


def install(samples: Samples) -> None:
    """Wrap moto's operation."""

    @around(CloudWatchBackend, "get_metric_data")
    def _get_metric_data(
        original: Callable[..., Any],
        backend: Any,
        queries: list[dict[str, Any]],
        start_time: datetime,
        end_time: datetime,
        scan_by: str = "TimestampAscending",
    ) -> list[dict[str, Any]]:
        ours = {query["Id"]: found for query in queries if (found := _ours(samples, query)) is not None}
        others = [query for query in queries if query["Id"] not in ours]
        answers = original(backend, others, start_time, end_time, scan_by) if others else []
        for query in queries:
            if query["Id"] in ours and query.get("ReturnData", True):
                answers.append(_answer(samples, ours[query["Id"]], query, start_time, end_time, scan_by))
        return list(answers)


def _ours(samples: Samples, query: dict[str, Any]) -> str | None:
    """The series that is asked for, if it was ever measured here."""
    if "MetricStat" not in query:
        return None
    metric = query["MetricStat"]["Metric"]
    dimensions = {d["Name"]: d["Value"] for d in metric.get("Dimensions", [])}
    name = series(metric["Namespace"], metric["MetricName"], dimensions)
    return name if samples.has(name) else None


def _answer(
    samples: Samples, name: str, query: dict[str, Any], start: datetime, end: datetime, scan_by: str
) -> dict[str, Any]:
    asked = query["MetricStat"]
    if asked["Stat"] not in STATISTICS:
        raise not_supported(f"the statistic {asked['Stat']}")
    found = samples.read(name, _seconds(start), _seconds(end), int(asked["Period"]), asked["Stat"])
    if scan_by == "TimestampDescending":
        found.reverse()
    return {
        "id": query["Id"],
        "label": query.get("Label") or f"{asked['Metric']['MetricName']} {asked['Stat']}",
        "timestamps": [datetime.fromtimestamp(at, UTC).replace(tzinfo=None) for at, _ in found],
        "values": [value for _, value in found],
        "status_code": "Complete",
    }


def _seconds(at: datetime) -> int:
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
