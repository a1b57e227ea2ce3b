"""What the caller may do, by IAM's simulation, and whose clock is right."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from botocore.stub import Stubber

from provisioner.cloud.permissions import clock_skew, denied, key_state
from provisioner.cloud.session import Access, Clients
from provisioner.model.errors import ProvisionError

ROLE = "arn:aws:iam::123456789012:role/path/provision-deployer"
SESSION = "arn:aws:sts::123456789012:assumed-role/provision-deployer/provision-acme"
USER = "arn:aws:iam::123456789012:user/ann"


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    return Clients(Access("eu-west-1"))


def result(action: str, decision: str, *lacking: str) -> dict[str, object]:
    return {"EvalActionName": action, "EvalDecision": decision, "MissingContextValues": list(lacking)}


def test_a_denial_counts_unless_only_the_context_was_lacking(clients: Clients) -> None:
    results = [
        result("ec2:RunInstances", "allowed"),
        result("ec2:StopInstances", "implicitDeny", "aws:ResourceTag/provision:tenant"),
        result("iam:CreateUser", "explicitDeny"),
        result("rds:CreateDBInstance", "implicitDeny"),
    ]
    names = [str(r["EvalActionName"]) for r in results]
    with Stubber(clients["iam"]) as stubber:
        asked = {"PolicySourceArn": USER, "ActionNames": names}
        stubber.add_response("simulate_principal_policy", {"EvaluationResults": results}, asked)
        assert denied(clients, USER, [*names, names[0]]) == ["iam:CreateUser", "rds:CreateDBInstance"]


def test_of_a_session_the_role_is_asked_with_its_path_and_a_hundred_at_once(clients: Clients) -> None:
    names = sorted(f"ec2:Action{n:03}" for n in range(150))
    role = {
        "Path": "/path/",
        "RoleName": "provision-deployer",
        "RoleId": "AROA" + "X" * 16,
        "Arn": ROLE,
        "CreateDate": datetime.now(UTC),
    }
    with Stubber(clients["iam"]) as stubber:
        stubber.add_response("get_role", {"Role": role}, {"RoleName": "provision-deployer"})
        for some in (names[:100], names[100:]):
            answer = {"EvaluationResults": [result(n, "allowed") for n in some]}
            stubber.add_response("simulate_principal_policy", answer, {"PolicySourceArn": ROLE, "ActionNames": some})
        assert denied(clients, SESSION, names) == []
        stubber.assert_no_pending_responses()


def test_who_may_not_ask_is_told_so(clients: Clients) -> None:
    with Stubber(clients["iam"]) as stubber:
        stubber.add_client_error("simulate_principal_policy", "AccessDenied", "no")
        with pytest.raises(ProvisionError, match="SimulatePrincipalPolicy: AccessDenied"):
            denied(clients, USER, ["ec2:RunInstances"])


def test_the_skew_is_theirs_minus_ours(clients: Clients) -> None:
    theirs = datetime.now(UTC) + timedelta(hours=1)
    headers = {"date": format_datetime(theirs, usegmt=True)}
    answer = {"Account": "1" * 12, "ResponseMetadata": {"HTTPHeaders": headers, "HTTPStatusCode": 200}}
    with Stubber(clients["sts"]) as stubber:
        stubber.add_response("get_caller_identity", answer)
        assert abs(clock_skew(clients) - timedelta(hours=1)) < timedelta(seconds=30)


def test_the_state_of_a_key(clients: Clients) -> None:
    about = {"KeyId": "alias/provision", "KeyState": "PendingDeletion"}
    with Stubber(clients["kms"]) as stubber:
        stubber.add_response("describe_key", {"KeyMetadata": about}, {"KeyId": "alias/provision"})
        assert key_state(clients, "alias/provision") == "PendingDeletion"
