"""Configuration of connections, functions, and what the provider refuses by name."""

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub

from provisioner.sandbox.provider.convert import UNKNOWN, decode, encode
from tests.sandbox.conftest import Sandbox
from tests.sandbox.provider.engine import NONE, SOME, Engine
from tests.sandbox.provider.world import ACCOUNT, Stack, allow

pytestmark = pytest.mark.sandbox
VPC = "aws:ec2/vpc:Vpc"


def test_attach_plugin_info_and_cancel(engine: Engine) -> None:
    engine.stub.Attach(plugin_pb2.PluginAttach(address="127.0.0.1:1"))
    assert engine.stub.GetPluginInfo(Empty()).version == "7.51.1+sandbox"
    engine.stub.Cancel(Empty())
    assert engine.invoke("aws:index/getRegion:getRegion", {})["name"] == "eu-west-1"


def test_connections_have_regions_and_tags_of_their_own(connect: Callable[..., Engine], sandbox: Sandbox) -> None:
    ours = connect(region="eu-west-1", config={"defaultTags": {"tags": {"who": "we"}}})
    theirs = connect(region="us-east-1", config={"defaultTags": json.dumps({"tags": {"who": "they"}})})
    made = [e.create(VPC, "vpc", {"cidrBlock": "10.0.0.0/16", "tags": {"a": "b"}}) for e in (ours, theirs)]
    assert [m.state["region"] for m in made] == ["eu-west-1", "us-east-1"]
    for engine, vpc, who in zip((ours, theirs), made, ("we", "they"), strict=True):
        assert vpc.inputs["tagsAll"] == vpc.state["tagsAll"] == {"a": "b", "who": who}
        assert vpc.state["tags"] == {"a": "b"}
        found = sandbox.client("ec2", engine.region).describe_vpcs(VpcIds=[vpc.id])["Vpcs"]
        assert {"Key": "who", "Value": who} in found[0]["Tags"]
        engine.delete(vpc)


def test_a_region_of_the_resource_itself_wins(engine: Engine, sandbox: Sandbox) -> None:
    made = engine.create(VPC, "vpc", {"cidrBlock": "10.0.0.0/16", "region": "us-west-2"})
    assert sandbox.client("ec2", "us-west-2").describe_vpcs(VpcIds=[made.id])["Vpcs"]
    moved = engine.checked(VPC, "vpc", {"cidrBlock": "10.0.0.0/16", "region": "eu-west-1"}, made.inputs)
    assert list(engine.diff(made, moved).replaces) == ["region"]
    engine.delete(made)


def test_changed_default_tags_are_an_update(connect: Callable[..., Engine]) -> None:
    before = connect(config={"defaultTags": {"tags": {"team": "a"}}})
    made = before.create(VPC, "vpc", {"cidrBlock": "10.0.0.0/16"})
    after = connect(config={"defaultTags": {"tags": {"team": "b"}}})
    news = after.checked(VPC, "vpc", {"cidrBlock": "10.0.0.0/16"}, made.inputs)
    answer = after.diff(made, news)
    assert list(answer.detailedDiff) == ["tagsAll.team"]
    assert not list(answer.replaces)
    changed = after.update(made, news)
    assert changed.state["tagsAll"] == {"team": "b"}
    after.delete(changed)


def test_ignored_tags_are_not_seen(connect: Callable[..., Engine], sandbox: Sandbox) -> None:
    engine = connect(config={"ignoreTags": {"keys": ["cost"], "keyPrefixes": ["audit:"]}})
    made = engine.create(VPC, "vpc", {"cidrBlock": "10.0.0.0/16", "tags": {"a": "b"}})
    tags = [{"Key": k, "Value": "1"} for k in ("cost", "audit:x", "sandbox:port")]
    sandbox.client("ec2").create_tags(Resources=[made.id], Tags=tags)
    read = engine.refresh(made)
    assert read
    assert read.state["tagsAll"] == {"a": "b"}
    engine.delete(made)


def test_a_change_of_region_replaces_everything(engine: Engine) -> None:
    request = provider_pb2.DiffRequest(
        old_inputs=encode({"region": "eu-west-1", "version": "7.51.0"}),
        news=encode({"region": "us-east-1", "version": "7.51.1"}),
    )
    answer = engine.stub.DiffConfig(request)
    assert list(answer.replaces) == ["region"]
    same = engine.stub.DiffConfig(provider_pb2.DiffRequest(old_inputs=request.news, news=request.news))
    assert same.changes == NONE


def test_check_config_wants_a_region(engine: Engine) -> None:
    answer = engine.stub.CheckConfig(provider_pb2.CheckRequest(news=encode({"version": "7.51.1"})))
    assert [f.property for f in answer.failures] == ["region"]


def test_another_account_is_refused(connect: Callable[..., Engine]) -> None:
    with pytest.raises(grpc.RpcError, match=f"this sandbox is account {ACCOUNT}"):
        connect(config={"allowedAccountIds": ["999999999999"]})
    connect(config={"allowedAccountIds": json.dumps([ACCOUNT])})


def test_a_connection_must_be_configured(sandbox: Sandbox) -> None:
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{sandbox.info.provider_port}", options) as channel:
        request = provider_pb2.InvokeRequest(tok="aws:index/getRegion:getRegion")
        with pytest.raises(grpc.RpcError, match="this connection was not configured"):
            ResourceProviderStub(channel).Invoke(request)


def test_unsupported_types_and_functions_are_refused_by_name(engine: Engine) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        engine.check("aws:eks/cluster:Cluster", "c", {})
    assert refused.value.details() == "aws:eks/cluster:Cluster is not supported by the sandbox"
    with pytest.raises(grpc.RpcError) as refused:
        engine.invoke("aws:eks/getCluster:getCluster", {})
    assert refused.value.details() == "aws:eks/getCluster:getCluster is not supported by the sandbox"


def test_unsupported_and_missing_properties_are_named(engine: Engine) -> None:
    answer = engine.check("aws:ec2/instance:Instance", "m", {"ami": "ami-1", "hibernation": True})
    assert [(f.property, f.reason) for f in answer.failures] == [
        ("hibernation", "aws:ec2/instance:Instance has no property 'hibernation' in the sandbox"),
        ("instanceType", "aws:ec2/instance:Instance needs the property 'instanceType'"),
    ]


def test_unknowns_are_for_previews_only(engine: Engine) -> None:
    checked = engine.checked("aws:ec2/subnet:Subnet", "s", {"vpcId": UNKNOWN, "cidrBlock": "10.0.0.0/24"})
    assert checked["vpcId"] == UNKNOWN
    assert engine.preview("aws:ec2/subnet:Subnet", "s", {"vpcId": UNKNOWN, "cidrBlock": "10.0.0.0/24"}) == checked
    with pytest.raises(grpc.RpcError, match="an input is unknown; nothing was done"):
        engine.create_checked("aws:ec2/subnet:Subnet", "s", checked)


def test_ignore_changes(engine: Engine) -> None:
    made = engine.create(VPC, "vpc", {"cidrBlock": "10.0.0.0/16", "tags": {"a": "1"}})
    news = engine.checked(VPC, "vpc", {"cidrBlock": "10.0.0.0/16", "tags": {"a": "2"}}, made.inputs)
    assert engine.diff(made, news).changes == SOME
    assert engine.diff(made, news, ignore=("tags", "tagsAll")).changes == NONE
    assert engine.diff(made, news, ignore=("tags.a", "tagsAll")).changes == NONE
    engine.delete(made)


def test_a_change_by_hand_is_seen_after_refresh_and_mended(stack: Stack) -> None:
    engine, ec2 = stack.engine, stack.client("ec2")
    made = stack.make(VPC, "vpc", {"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": True})
    ec2.modify_vpc_attribute(VpcId=made.id, EnableDnsHostnames={"Value": False})
    ec2.create_tags(Resources=[made.id], Tags=[{"Key": "by", "Value": "hand"}])
    ec2.delete_tags(Resources=[made.id], Tags=[{"Key": "provision:tenant"}])
    read = engine.refresh(made)
    assert read
    answer = engine.diff(read, made.inputs)
    assert {"enableDnsHostnames", "tagsAll.by", 'tagsAll["provision:tenant"]'} <= set(answer.detailedDiff)
    mended = stack.made["vpc"] = engine.update(read, made.inputs)
    assert mended.state == made.state
    again = engine.refresh(mended)
    assert again
    assert engine.diff(again, made.inputs).changes == NONE


def test_secrets_and_names_are_repeatable(engine: Engine) -> None:
    first = engine.check("aws:sns/topic:Topic", "alarms", {}, seed=b"a")
    assert decode(first.inputs)["name"].startswith("alarms-")
    assert engine.check("aws:sns/topic:Topic", "alarms", {}, seed=b"a") == first
    other = engine.check("aws:sns/topic:Topic", "alarms", {}, seed=b"b")
    assert other != first
    kept = engine.check("aws:sns/topic:Topic", "alarms", {}, decode(first.inputs), seed=b"b")
    assert decode(kept.inputs)["name"] == decode(first.inputs)["name"]


def test_a_fixed_name_is_deleted_before_it_is_replaced(engine: Engine) -> None:
    token = "aws:iam/role:Role"
    for inputs, first in (({"name": "fixed"}, True), ({}, False)):
        common: dict[str, Any] = {"assumeRolePolicy": allow("sts:AssumeRole"), **inputs}
        made = engine.create(token, "role", common)
        news = engine.checked(token, "role", {**common, "path": "/x/"}, made.inputs)
        assert engine.diff(made, news).deleteBeforeReplace is first
        engine.delete(made)


def test_functions(stack: Stack, sandbox: Sandbox) -> None:
    engine = stack.engine
    assert engine.invoke("aws:index/getCallerIdentity:getCallerIdentity", {})["accountId"] == ACCOUNT
    assert engine.invoke("aws:index/getPartition:getPartition", {})["partition"] == "aws"
    zones = engine.invoke("aws:index/getAvailabilityZones:getAvailabilityZones", {"state": "available"})
    assert zones["names"] == ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
    zone = stack.get("zone")
    assert engine.invoke("aws:route53/getZone:getZone", {"name": "stack.test"})["zoneId"] == zone.id
    with pytest.raises(grpc.RpcError, match=r"0 zones are named missing\.test, not one"):
        engine.invoke("aws:route53/getZone:getZone", {"name": "missing.test"})
    with pytest.raises(grpc.RpcError, match="no image fits"):
        engine.invoke("aws:ec2/getAmi:getAmi", {"filters": [{"name": "name", "values": ["nothing"]}]})


def test_policy_documents_are_as_the_real_function_writes_them(engine: Engine) -> None:
    statement = {
        "actions": ["s3:GetObject"],
        "resources": ["a", "b"],
        "principals": [{"type": "Service", "identifiers": ["ec2.amazonaws.com"]}],
        "conditions": [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["true"]}],
    }
    answer = engine.invoke("aws:iam/getPolicyDocument:getPolicyDocument", {"statements": [statement]})
    assert json.loads(answer["json"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": ["b", "a"],
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Condition": {"Bool": {"aws:SecureTransport": "true"}},
            }
        ],
    }
    assert json.loads(answer["minifiedJson"]) == json.loads(answer["json"])
