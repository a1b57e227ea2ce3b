"""What an earlier run made and its state doesn't know is taken over, brought to the wanted inputs, never doubled."""

from collections.abc import Callable

import grpc
import pytest

from tests.sandbox.provider.cases import CASES
from tests.sandbox.provider.engine import NONE, Engine
from tests.sandbox.provider.world import Stack, trust

pytestmark = pytest.mark.sandbox
# Where AWS itself has no two of them, the second create must still not fail.
BY_TAGS = (
    "aws:ec2/vpc:Vpc",
    "aws:ec2/subnet:Subnet",
    "aws:ec2/internetGateway:InternetGateway",
    "aws:ec2/routeTable:RouteTable",
    "aws:ec2/eip:Eip",
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "aws:ebs/volume:Volume",
    "aws:kms/key:Key",
    "aws:acm/certificate:Certificate",
)


@pytest.mark.parametrize("token", CASES)
def test_a_second_create_finds_the_first(token: str, stack: Stack) -> None:
    case, engine = CASES[token], stack.engine
    inputs = {**case.inputs(stack), **({"tags": engine.tags("case")} if case.tagged else {})}
    first = stack.made["case"] = engine.create(token, "case", inputs, known=[])
    second = engine.create(token, "case", inputs, known=[])
    assert second.id == first.id
    assert engine.diff(second, engine.checked(token, "case", inputs, second.inputs)).changes == NONE


@pytest.mark.parametrize("token", ["aws:ec2/vpc:Vpc", "aws:kms/key:Key", "aws:cloudwatch/metricAlarm:MetricAlarm"])
def test_adopting_brings_to_the_wanted_inputs(token: str, stack: Stack) -> None:
    case, engine = CASES[token], stack.engine
    assert case.change
    tags = engine.tags("case")
    first = engine.create(token, "case", {**case.inputs(stack), "tags": {**tags, "old": "1"}}, known=[])
    inputs = {**case.change(stack), "tags": {**tags, "new": "1"}}
    second = stack.made["case"] = engine.create(token, "case", inputs, known=[])
    assert second.id == first.id
    assert second.state["tagsAll"] == inputs["tags"]
    read = engine.refresh(second)
    assert read
    assert engine.diff(read, engine.checked(token, "case", inputs, read.inputs)).changes == NONE


@pytest.mark.parametrize("token", BY_TAGS)
def test_known_ids_are_left_alone(token: str, stack: Stack) -> None:
    """A replacement has the tags of the one that it replaces."""
    case, engine = CASES[token], stack.engine
    inputs = {**case.inputs(stack), "tags": engine.tags("case")}
    first = stack.made["first"] = engine.create(token, "case", inputs, known=[])
    if token == "aws:ec2/subnet:Subnet":
        inputs["cidrBlock"] = "10.0.77.0/24"
    if token == "aws:ec2/internetGateway:InternetGateway":
        del inputs["vpcId"]
    second = stack.made["second"] = engine.create(token, "case", inputs, known=[first.id])
    assert second.id != first.id
    third = engine.create(token, "case", inputs, known=[first.id])
    assert third.id == second.id


def test_without_known_ids_nothing_is_looked_for(stack: Stack) -> None:
    """The Pulumi CLI says nothing about its state, so a second create is a second VPC, as on AWS."""
    inputs = {"cidrBlock": "10.9.0.0/16", "tags": stack.engine.tags("case")}
    first = stack.made["first"] = stack.engine.create("aws:ec2/vpc:Vpc", "case", inputs)
    second = stack.made["second"] = stack.engine.create("aws:ec2/vpc:Vpc", "case", inputs)
    assert first.id != second.id


def test_what_could_only_be_replaced_is_refused(stack: Stack) -> None:
    tags = {"tags": stack.engine.tags("case")}
    stack.made["case"] = first = stack.engine.create("aws:ec2/vpc:Vpc", "case", {"cidrBlock": "10.9.0.0/16", **tags})
    with pytest.raises(grpc.RpcError) as refused:
        stack.engine.create("aws:ec2/vpc:Vpc", "case", {"cidrBlock": "10.8.0.0/16", **tags}, known=[])
    assert f"{first.id} was left by an earlier run of this stack with another cidrBlock" in str(refused.value.details())


def test_a_name_of_another_stack_is_refused(stack: Stack, connect: Callable[..., Engine]) -> None:
    token, inputs = "aws:iam/role:Role", {"name": "shared", "assumeRolePolicy": trust("ec2.amazonaws.com")}
    stack.make(token, "role", inputs)
    other = connect(stack="globex")
    with pytest.raises(grpc.RpcError) as refused:
        other.create(token, "role", {**inputs, "tags": other.tags("role")}, known=[])
    assert "shared exists already and is not tagged as this stack's aws:iam/role:Role" in str(refused.value.details())


def test_an_alias_of_another_stack_is_refused(stack: Stack, connect: Callable[..., Engine]) -> None:
    stack.make("aws:kms/alias:Alias", "alias", {"name": "alias/x", "targetKeyId": stack.id("key")}, tagged=False)
    other = connect(stack="globex")
    key = stack.made["theirs"] = other.create("aws:kms/key:Key", "key", {"tags": other.tags("key")})
    with pytest.raises(grpc.RpcError, match="AlreadyExists"):
        other.create("aws:kms/alias:Alias", "alias", {"name": "alias/x", "targetKeyId": key.id}, known=[])


def test_a_name_of_ones_own_is_refused_without_known_ids(stack: Stack) -> None:
    inputs = {"name": "role", "assumeRolePolicy": trust("ec2.amazonaws.com")}
    stack.make("aws:iam/role:Role", "role", inputs)
    with pytest.raises(grpc.RpcError, match="EntityAlreadyExists"):
        stack.engine.create("aws:iam/role:Role", "role", {**inputs, "tags": stack.engine.tags("role")})
