"""A tenant's alarms, as CloudWatch has them."""

from collections.abc import Mapping
from typing import Any

from provisioner.cloud.session import Clients, translated
from provisioner.model.cloud import Alarm
from provisioner.model.deployer.names import ALARMS, physical

_STATES = {"OK": "ok", "ALARM": "firing", "INSUFFICIENT_DATA": "silent"}


def alarms(clients: Clients, tenant: str) -> list[Alarm]:
    """Those of its stack, by name; see `ports.Cloud.alarms`. They are asked for by their whole names: `acme-x` begins
    like `acme`."""
    names = {physical(part, tenant): part for part in ALARMS}
    with translated("cloudwatch DescribeAlarms"):
        answer = clients["cloudwatch"].describe_alarms(AlarmNames=list(names), AlarmTypes=["MetricAlarm"])
    found = [_alarm(names[raw["AlarmName"]], raw) for raw in answer["MetricAlarms"] if raw["AlarmName"] in names]
    return sorted(found, key=lambda alarm: alarm.name)


def _alarm(name: str, raw: Mapping[str, Any]) -> Alarm:
    since = raw.get("StateTransitionedTimestamp") or raw["StateUpdatedTimestamp"]
    return Alarm(name, _STATES.get(raw["StateValue"], "silent"), raw.get("StateReason") or "", since)
