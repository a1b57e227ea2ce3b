"""A tenant's alarms are asked for by their whole names."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from provisioner.cloud.alarms import alarms
from provisioner.cloud.session import Access, Clients
from provisioner.model.cloud import Alarm
from provisioner.model.deployer.names import ALARMS
from provisioner.model.errors import ProvisionError

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
ASKED = {"AlarmNames": [f"provision-acme-{part}" for part in ALARMS], "AlarmTypes": ["MetricAlarm"]}


@pytest.fixture
def clients() -> Clients:
    return Clients(Access("eu-west-1", access_key_id="x", secret_access_key="x"))


def raw(name: str, state: str, **more: Any) -> dict[str, Any]:
    return {"AlarmName": f"provision-acme-{name}", "StateValue": state, "StateUpdatedTimestamp": NOON, **more}


def test_states_in_our_words_by_name(clients: Clients) -> None:
    found = [
        raw("machine-status", "OK", StateTransitionedTimestamp=NOON.replace(hour=1)),
        raw("database-space", "ALARM", StateReason="Threshold crossed"),
        raw("database-cpu", "INSUFFICIENT_DATA"),
    ]
    with Stubber(clients["cloudwatch"]) as stubber:
        stubber.add_response("describe_alarms", {"MetricAlarms": found}, ASKED)
        assert alarms(clients, "acme") == [
            Alarm("database-cpu", "silent", "", NOON),
            Alarm("database-space", "firing", "Threshold crossed", NOON),
            Alarm("machine-status", "ok", "", NOON.replace(hour=1)),
        ]


def test_a_refusal_is_ours(clients: Clients) -> None:
    with Stubber(clients["cloudwatch"]) as stubber:
        stubber.add_client_error("describe_alarms", "AccessDenied", "no")
        with pytest.raises(ProvisionError, match="cloudwatch DescribeAlarms: AccessDenied"):
            alarms(clients, "acme")
