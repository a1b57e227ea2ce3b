"""What has a stack's name is taken over only where it is the stack's: it will be destroyed with it one day."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.stub import Stubber
from moto import mock_aws

from provisioner.cloud.lookup import find
from provisioner.cloud.lookup.named import TYPES
from provisioner.cloud.session import Access, Clients
from provisioner.model.errors import ProvisionError, RefusedError

STACK = {"provision:stack": "tenant/acme"}
OWN = {**STACK, "provision:resource": "the-one"}
FOREIGN = {
    "another stack's": {"provision:stack": "tenant/globex", "provision:resource": "the-one"},
    "another of the stack": {**STACK, "provision:resource": "other"},
    "nobody's": {"team": "shop"},
}


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with mock_aws():
        yield Clients(Access("eu-west-1"))


def pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": k, "Value": v} for k, v in tags.items()]


def subnets(clients: Clients) -> list[str]:
    return [s["SubnetId"] for s in clients["ec2"].describe_subnets()["Subnets"]][:2]


def role(clients: Clients, tags: dict[str, str]) -> str:
    made = clients["iam"].create_role(RoleName="the-one", AssumeRolePolicyDocument="{}", Tags=pairs(tags))
    return str(made["Role"]["RoleName"])


def profile(clients: Clients, tags: dict[str, str]) -> str:
    made = clients["iam"].create_instance_profile(InstanceProfileName="the-one", Tags=pairs(tags))
    return str(made["InstanceProfile"]["InstanceProfileName"])


def policy(clients: Clients, tags: dict[str, str]) -> str:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
    made = clients["iam"].create_policy(PolicyName="the-one", PolicyDocument=json.dumps(document), Tags=pairs(tags))
    return str(made["Policy"]["Arn"])


def log_group(clients: Clients, tags: dict[str, str]) -> str:
    clients["logs"].create_log_group(logGroupName="the-one-too")
    clients["logs"].create_log_group(logGroupName="the-one", tags=tags)
    return "the-one"


def balancer(clients: Clients, tags: dict[str, str]) -> str:
    made = clients["elbv2"].create_load_balancer(Name="the-one", Subnets=subnets(clients), Tags=pairs(tags))
    return str(made["LoadBalancers"][0]["LoadBalancerArn"])


def target_group(clients: Clients, tags: dict[str, str]) -> str:
    vpc = clients["ec2"].describe_vpcs()["Vpcs"][0]["VpcId"]
    made = clients["elbv2"].create_target_group(Name="the-one", Protocol="HTTP", Port=80, VpcId=vpc, Tags=pairs(tags))
    return str(made["TargetGroups"][0]["TargetGroupArn"])


def database(clients: Clients, tags: dict[str, str]) -> str:
    clients["rds"].create_db_instance(
        DBInstanceIdentifier="the-one",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="owner",
        MasterUserPassword="not-a-secret",
        Tags=pairs(tags),
    )
    return "the-one"


def parameters(clients: Clients, tags: dict[str, str]) -> str:
    clients["rds"].create_db_parameter_group(
        DBParameterGroupName="the-one", DBParameterGroupFamily="postgres17", Description="x", Tags=pairs(tags)
    )
    return "the-one"


def subnet_group(clients: Clients, tags: dict[str, str]) -> str:
    clients["rds"].create_db_subnet_group(
        DBSubnetGroupName="the-one", DBSubnetGroupDescription="x", SubnetIds=subnets(clients), Tags=pairs(tags)
    )
    return "the-one"


def bucket(clients: Clients, tags: dict[str, str]) -> str:
    clients["s3"].create_bucket(Bucket="the-one", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    clients["s3"].put_bucket_tagging(Bucket="the-one", Tagging={"TagSet": pairs(tags)})
    return "the-one"


def secret(clients: Clients, tags: dict[str, str]) -> str:
    return str(clients["secretsmanager"].create_secret(Name="the-one", Tags=pairs(tags))["ARN"])


MAKERS: dict[str, Callable[[Clients, dict[str, str]], str]] = {
    "aws:cloudwatch/logGroup:LogGroup": log_group,
    "aws:iam/instanceProfile:InstanceProfile": profile,
    "aws:iam/policy:Policy": policy,
    "aws:iam/role:Role": role,
    "aws:lb/loadBalancer:LoadBalancer": balancer,
    "aws:lb/targetGroup:TargetGroup": target_group,
    "aws:rds/instance:Instance": database,
    "aws:rds/parameterGroup:ParameterGroup": parameters,
    "aws:rds/subnetGroup:SubnetGroup": subnet_group,
    "aws:s3/bucket:Bucket": bucket,
    "aws:secretsmanager/secret:Secret": secret,
}
INPUTS: dict[str, Any] = {
    "name": "the-one",
    "bucket": "the-one",
    "identifier": "the-one",
    "tags": {"provision:resource": "the-one"},
}


def test_there_is_a_case_for_each_type() -> None:
    assert {*MAKERS, "aws:kms/alias:Alias"} == set(TYPES)


@pytest.mark.parametrize("type_", MAKERS)
def test_what_is_ours_is_taken_over_and_what_is_not_there_is_not(clients: Clients, type_: str) -> None:
    assert find(clients, type_, INPUTS, STACK, ()) is None
    made = MAKERS[type_](clients, OWN)
    assert find(clients, type_, INPUTS, STACK, ()) == made


@pytest.mark.parametrize("whose", FOREIGN)
@pytest.mark.parametrize("type_", MAKERS)
def test_what_is_somebody_else_s_is_refused_by_name(clients: Clients, type_: str, whose: str) -> None:
    made = MAKERS[type_](clients, FOREIGN[whose])
    with pytest.raises(RefusedError, match="isn't the stack's") as caught:
        find(clients, type_, INPUTS, STACK, ())
    assert made in caught.value.message


def test_a_database_that_goes_is_not_taken_over(clients: Clients) -> None:
    going = {"DBInstanceIdentifier": "the-one", "DBInstanceStatus": "deleting", "TagList": pairs(OWN)}
    with Stubber(clients["rds"]) as stubber:
        stubber.add_response("describe_db_instances", {"DBInstances": [going]}, {"DBInstanceIdentifier": "the-one"})
        with pytest.raises(ProvisionError, match="database the-one is being deleted"):
            find(clients, "aws:rds/instance:Instance", INPUTS, STACK, ())


def test_a_bucket_that_was_cut_off_before_its_tags_is_ours_while_it_is_empty(clients: Clients) -> None:
    clients["s3"].create_bucket(Bucket="the-one", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert find(clients, "aws:s3/bucket:Bucket", INPUTS, STACK, ()) == "the-one"
    clients["s3"].put_object(Bucket="the-one", Key="a", Body=b"somebody's")
    with pytest.raises(RefusedError):
        find(clients, "aws:s3/bucket:Bucket", INPUTS, STACK, ())


def test_an_alias_is_ours_where_it_is_of_our_key(clients: Clients) -> None:
    mine, theirs = (clients["kms"].create_key()["KeyMetadata"] for _ in range(2))
    clients["kms"].create_alias(AliasName="alias/the-one", TargetKeyId=mine["KeyId"])
    for target in (mine["KeyId"], mine["Arn"]):
        inputs = {"name": "alias/the-one", "targetKeyId": target}
        assert find(clients, "aws:kms/alias:Alias", inputs, STACK, ()) == "alias/the-one"
    with pytest.raises(RefusedError, match="alias/the-one"):
        find(clients, "aws:kms/alias:Alias", {"name": "alias/the-one", "targetKeyId": theirs["Arn"]}, STACK, ())


@pytest.mark.parametrize(
    ("there", "inputs"),
    [
        ({"TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}, {"records": ["192.0.2.1"], "ttl": 60}),
        (
            {"AliasTarget": {"DNSName": "Acme.elb.example.com.", "HostedZoneId": "Z1", "EvaluateTargetHealth": False}},
            {"aliases": [{"name": "acme.elb.example.com", "zoneId": "Z1"}]},
        ),
    ],
    ids=["address", "alias"],
)
def test_a_name_in_the_dns_is_ours_where_it_says_what_ours_will(
    clients: Clients, there: dict[str, Any], inputs: dict[str, Any]
) -> None:
    zone = clients["route53"].create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"]
    record = {"Name": "acme.example.com", "Type": "A", **there}
    batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    clients["route53"].change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)
    zone_id = zone.rpartition("/")[2]
    ours = {"zoneId": zone_id, "name": "acme.example.com", "type": "A", **inputs}
    type_ = "aws:route53/record:Record"
    assert find(clients, type_, ours, STACK, ()) == f"{zone_id}_acme.example.com_A"
    with pytest.raises(RefusedError, match=r"acme\.example\.com"):
        find(clients, type_, {**ours, "records": ["192.0.2.9"], "aliases": []}, STACK, ())
    assert find(clients, type_, {**ours, "name": "beta.example.com"}, STACK, ()) is None
