"""What the caller may do, by IAM's simulation, and whose clock is right."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from botocore.stub import Stubber
from botocore.validate import ParamValidator

from provisioner.cloud.permissions import clock_skew, denied, key_state
from provisioner.cloud.session import Access, Clients
from provisioner.model.deployer import questions
from provisioner.model.deployer.simulation import Answers, Question
from provisioner.model.errors import ProvisionError
from tests.unit.deployer.evaluate import allowed
from tests.unit.deployer.production import ALL, TARGET

ROLE = "arn:aws:iam::123456789012:role/path/provision-deployer"
SESSION = "arn:aws:sts::123456789012:assumed-role/provision-deployer/provision-acme"
USER = "arn:aws:iam::123456789012:user/ann"


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    return Clients(Access("eu-west-1"))


Allow = list[dict[str, Any]]


class Iam:
    """IAM's simulation, by the same rules as the fence's tests."""

    def __init__(self, statements: Allow, real: Any) -> None:
        self._statements = statements
        self._shape = real.meta.service_model.operation_model("SimulatePrincipalPolicy").input_shape
        self.asked: list[dict[str, Any]] = []

    def get_paginator(self, call: str) -> "Iam":
        assert call == "simulate_principal_policy"
        return self

    def paginate(self, **words: Any) -> list[dict[str, Any]]:
        self.asked.append(words)
        assert not ParamValidator().validate(words, self._shape).has_errors()
        context = {
            e["ContextKeyName"]: e["ContextKeyValues"]
            if e["ContextKeyType"] == "stringList"
            else e["ContextKeyValues"][0]
            for e in words["ContextEntries"]
        }
        return [{"EvaluationResults": [self._result(a, words["ResourceArns"], context)]} for a in words["ActionNames"]]

    def _result(self, action: str, resources: list[str], context: dict[str, Any]) -> dict[str, Any]:
        each = [
            "allowed" if allowed(self._statements, action, resource, context) else "implicitDeny"
            for resource in resources
        ]
        specific = [{"EvalResourceName": r, "EvalResourceDecision": d} for r, d in zip(resources, each, strict=True)]
        return {"EvalActionName": action, "EvalDecision": each[0], "ResourceSpecificResults": specific}


def simulated(clients: Clients, statements: Allow, sid: str | None = None) -> tuple[Answers, Iam]:
    """What is found of all questions, or of one statement's."""
    iam = Iam(statements, clients["iam"])
    clients._clients["iam"] = iam
    return denied(clients, USER, [q for q in questions(TARGET) if sid in (None, q.sid)]), iam


def test_who_has_the_generated_policies_lacks_nothing(clients: Clients) -> None:
    answers, iam = simulated(clients, ALL)
    assert answers == Answers(())
    for words in iam.asked:
        assert words["PolicySourceArn"] == USER
        assert not [r for r in words["ResourceArns"] if ("*" in r and r != "*") or "$" in r]
        # Without it, what is denied outside of the target's regions would be denied everywhere.
        assert "aws:RequestedRegion" in {e["ContextKeyName"] for e in words["ContextEntries"]}


def test_each_statement_that_is_missing_is_named(clients: Clients) -> None:
    sids = [p["Sid"] for p in ALL if p["Effect"] == "Allow"]
    for sid in sids:
        clients._clients.clear()
        answers, _ = simulated(clients, [p for p in ALL if p["Sid"] != sid], sid)
        assert {word.partition(" (")[2] for word in answers.missing} == {f"{sid})"}


def test_who_may_do_everything_lacks_nothing(clients: Clients) -> None:
    assert simulated(clients, [{"Effect": "Allow", "Action": "*", "Resource": "*"}])[0] == Answers(())


ONE = Question("Machines", ("ec2:RunInstances", "ec2:StopInstances"), ("*",), {"aws:x": ("string", ("y",))})
ASKED = {
    "PolicySourceArn": USER,
    "ActionNames": ["ec2:RunInstances", "ec2:StopInstances"],
    "ResourceArns": ["*"],
    "ContextEntries": [{"ContextKeyName": "aws:x", "ContextKeyType": "string", "ContextKeyValues": ["y"]}],
}


def result(action: str, decision: str, *lacking: str) -> dict[str, object]:
    return {"EvalActionName": action, "EvalDecision": decision, "MissingContextValues": list(lacking)}


def test_a_denial_counts_unless_a_condition_could_not_be_judged(clients: Clients) -> None:
    cases = {
        ("allowed", "allowed"): Answers(()),
        ("implicitDeny", "explicitDeny"): Answers(
            ("ec2:RunInstances (Machines)", "ec2:StopInstances (Machines)"),
        ),
    }
    for (first, second), answers in cases.items():
        results = [result("ec2:RunInstances", first), result("ec2:StopInstances", second)]
        with Stubber(clients["iam"]) as stubber:
            stubber.add_response("simulate_principal_policy", {"EvaluationResults": results}, ASKED)
            assert denied(clients, USER, [ONE]) == answers
    results = [
        result("ec2:RunInstances", "implicitDeny", "aws:x"),
        result("ec2:StopInstances", "explicitDeny", "aws:x"),
    ]
    with Stubber(clients["iam"]) as stubber:
        stubber.add_response("simulate_principal_policy", {"EvaluationResults": results}, ASKED)
        found = denied(clients, USER, [ONE])
    assert found == Answers(("ec2:StopInstances (Machines)",), ("ec2:RunInstances (Machines)",))


def test_a_question_that_iam_does_not_understand_tells_nothing(clients: Clients) -> None:
    with Stubber(clients["iam"]) as stubber:
        stubber.add_client_error("simulate_principal_policy", "InvalidInput", "no such resource")
        found = denied(clients, USER, [ONE])
    assert found == Answers((), ("ec2:RunInstances (Machines)", "ec2:StopInstances (Machines)"))


def test_of_a_session_the_role_is_asked_with_its_path(clients: Clients) -> None:
    role = {
        "Path": "/path/",
        "RoleName": "provision-deployer",
        "RoleId": "AROA" + "X" * 16,
        "Arn": ROLE,
        "CreateDate": datetime.now(UTC),
    }
    with Stubber(clients["iam"]) as stubber:
        stubber.add_response("get_role", {"Role": role}, {"RoleName": "provision-deployer"})
        answer = {"EvaluationResults": [result(n, "allowed") for n in ONE.actions]}
        stubber.add_response("simulate_principal_policy", answer, {**ASKED, "PolicySourceArn": ROLE})
        assert denied(clients, SESSION, [ONE]) == Answers(())
        stubber.assert_no_pending_responses()


def test_who_may_not_ask_is_told_so(clients: Clients) -> None:
    with Stubber(clients["iam"]) as stubber:
        stubber.add_client_error("simulate_principal_policy", "AccessDenied", "no")
        with pytest.raises(ProvisionError, match="SimulatePrincipalPolicy: AccessDenied"):
            denied(clients, USER, [ONE])


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
