"""Every type, by gRPC against the real daemon: made, read, changed, deleted, and never a difference that isn't one."""

import pytest

from provisioner.sandbox.provider.types import RESOURCES
from tests.sandbox.provider.cases import CASES
from tests.sandbox.provider.engine import NONE, SOME, Engine, Made
from tests.sandbox.provider.world import Stack

pytestmark = pytest.mark.sandbox
# They need a database or a proof that takes its time: test_databases.py and test_certificates.py.
ELSEWHERE = {"aws:rds/instance:Instance", "aws:acm/certificateValidation:CertificateValidation"}


def test_every_type_has_a_case() -> None:
    assert CASES.keys() | ELSEWHERE == RESOURCES.keys()


def assert_same(engine: Engine, made: Made, inputs: dict[str, object]) -> None:
    answer = engine.diff(made, engine.checked(made.token, made.name, inputs, made.inputs))
    assert answer.changes == NONE, dict(answer.detailedDiff)


@pytest.mark.parametrize("token", CASES)
def test_life_of(token: str, stack: Stack) -> None:
    case, engine, name = CASES[token], stack.engine, "case"
    tags = {"tags": engine.tags(name)} if case.tagged else {}
    inputs = {**case.inputs(stack), **tags}
    checked = engine.checked(token, name, inputs)
    previewed = engine.preview(token, name, inputs)
    assert previewed == checked

    made = engine.create(token, name, inputs)
    stack.made[name] = made
    assert made.id
    missing = [
        key for key in (*checked, *case.outputs) if key not in made.state and checked.get(key) not in ([], {}, "")
    ]
    assert not missing
    assert_same(engine, made, inputs)

    read = engine.refresh(made)
    assert read
    assert read.id == made.id
    assert read.inputs == made.inputs
    assert_same(engine, read, inputs)

    imported = engine.import_(token, name, case.imports(stack, made.id) if case.imports else made.id)
    assert imported
    assert imported.id == made.id
    again = engine.diff(imported, engine.checked(token, name, inputs, made.inputs))
    assert not list(again.replaces), dict(again.detailedDiff)

    if case.change:
        made = change(engine, made, {**case.change(stack), **tags})
        stack.made[name] = made
    if case.tagged:
        made = change(engine, made, {**(case.change or case.inputs)(stack), "tags": {**engine.tags(name), "more": "1"}})
        stack.made[name] = made
        assert made.state["tagsAll"]["more"] == "1"
    if case.replace:
        news = engine.checked(token, name, {**case.replace(stack), **tags}, made.inputs)
        assert list(engine.diff(made, news).replaces)

    engine.delete(made)
    assert engine.refresh(made) is None or token in KEPT
    engine.delete(made)


# AWS keeps these whatever is deleted: a default group, an old secret's version, a topic's policy, a versioned bucket's
# settings.
KEPT = {
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    "aws:secretsmanager/secretVersion:SecretVersion",
    "aws:sns/topicPolicy:TopicPolicy",
    "aws:s3/bucketVersioning:BucketVersioning",
}


def change(engine: Engine, made: Made, inputs: dict[str, object]) -> Made:
    """Diff says in place, update does it, nothing is left to do, and the cloud says the same."""
    news = engine.checked(made.token, made.name, inputs, made.inputs)
    answer = engine.diff(made, news)
    assert answer.changes == SOME
    assert not list(answer.replaces), dict(answer.detailedDiff)
    changed = engine.update(made, news)
    assert_same(engine, changed, inputs)
    read = engine.refresh(changed)
    assert read
    assert_same(engine, read, inputs)
    return changed
