"""What plain moto lets pass and AWS refuses."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.conftest import Sandbox


@pytest.fixture(scope="module")
def ec2(sandbox: Sandbox) -> Any:
    return sandbox.client("ec2")


@pytest.fixture
def vpc(ec2: Any) -> Iterator[str]:
    return ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]  # type: ignore[no-any-return]


@pytest.fixture
def subnets(ec2: Any, vpc: str) -> list[str]:
    made = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"eu-west-1{zone}")
        for n, zone in enumerate("ab")
    ]
    return [m["Subnet"]["SubnetId"] for m in made]


def _code(problem: pytest.ExceptionInfo[ClientError]) -> str:
    return str(problem.value.response["Error"]["Code"])


def test_a_client_token_makes_one_volume(ec2: Any) -> None:
    wanted = {"AvailabilityZone": "eu-west-1a", "Size": 8, "ClientToken": "once"}
    first = ec2.create_volume(**wanted)["VolumeId"]
    assert ec2.create_volume(**wanted)["VolumeId"] == first
    assert ec2.create_volume(AvailabilityZone="eu-west-1a", Size=8)["VolumeId"] != first
    with pytest.raises(ClientError) as problem:
        ec2.create_volume(**wanted | {"Size": 9})
    assert _code(problem) == "IdempotentParameterMismatch"


def test_a_client_token_outlives_the_daemon(sandbox: Sandbox, ec2: Any) -> None:
    wanted = {"AvailabilityZone": "eu-west-1a", "Size": 8, "ClientToken": "kept"}
    first = ec2.create_volume(**wanted)["VolumeId"]
    sandbox.kill()
    sandbox.start()
    assert sandbox.client("ec2").create_volume(**wanted)["VolumeId"] == first


def test_a_volume_only_grows(ec2: Any) -> None:
    volume = ec2.create_volume(AvailabilityZone="eu-west-1a", Size=8)["VolumeId"]
    ec2.modify_volume(VolumeId=volume, Size=10)
    with pytest.raises(ClientError) as problem:
        ec2.modify_volume(VolumeId=volume, Size=9)
    assert _code(problem) == "InvalidParameterValue"


@pytest.mark.parametrize("wrong", [{"InstanceType": "t4g.imaginary"}, {"ImageId": "ami-0123456789abcdef0"}])
def test_unknown_types_and_images_are_refused(ec2: Any, wrong: dict[str, str]) -> None:
    with pytest.raises(ClientError) as problem:
        ec2.run_instances(**{"ImageId": "ami-1", "InstanceType": "t4g.small", "MinCount": 1, "MaxCount": 1} | wrong)
    assert _code(problem).startswith("Invalid")


def test_a_security_group_that_another_names_stays(ec2: Any, vpc: str) -> None:
    one, two = (ec2.create_security_group(GroupName=n, Description=n, VpcId=vpc)["GroupId"] for n in ("one", "two"))
    pair = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": one}]}]
    rule = ec2.authorize_security_group_ingress(GroupId=two, IpPermissions=pair)["SecurityGroupRules"][0]
    with pytest.raises(ClientError, match=two) as problem:
        ec2.delete_security_group(GroupId=one)
    assert _code(problem) == "DependencyViolation"
    ec2.revoke_security_group_ingress(GroupId=two, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    ec2.delete_security_group(GroupId=one)


def test_a_vpc_with_a_gateway_or_a_group_stays(ec2: Any, vpc: str) -> None:
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    with pytest.raises(ClientError, match=gateway) as problem:
        ec2.delete_vpc(VpcId=vpc)
    assert _code(problem) == "DependencyViolation"
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    with pytest.raises(ClientError, match=group):
        ec2.delete_vpc(VpcId=vpc)
    ec2.delete_security_group(GroupId=group)
    ec2.delete_vpc(VpcId=vpc)


def test_a_subnet_and_an_address_with_a_nat_gateway_stay(ec2: Any, subnets: list[str]) -> None:
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=subnets[0], AllocationId=address)["NatGateway"]["NatGatewayId"]
    with pytest.raises(ClientError, match=nat) as problem:
        ec2.delete_subnet(SubnetId=subnets[0])
    assert _code(problem) == "DependencyViolation"
    with pytest.raises(ClientError, match=nat) as problem:
        ec2.release_address(AllocationId=address)
    assert _code(problem) == "InvalidIPAddress.InUse"
    ec2.delete_nat_gateway(NatGatewayId=nat)
    ec2.release_address(AllocationId=address)
    ec2.delete_subnet(SubnetId=subnets[0])


def test_a_balancer_holds_its_subnets_and_groups(sandbox: Sandbox, ec2: Any, vpc: str, subnets: list[str]) -> None:
    group = ec2.create_security_group(GroupName="lb", Description="lb", VpcId=vpc)["GroupId"]
    elb = sandbox.client("elbv2")
    balancer = elb.create_load_balancer(Name="lb", Subnets=subnets, SecurityGroups=[group])["LoadBalancers"][0]
    with pytest.raises(ClientError, match="loadbalancer") as problem:
        ec2.delete_subnet(SubnetId=subnets[1])
    assert _code(problem) == "DependencyViolation"
    with pytest.raises(ClientError, match="loadbalancer"):
        ec2.delete_security_group(GroupId=group)
    elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])
    ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=subnets[1])


def test_policies_of_aws_can_be_attached(sandbox: Sandbox) -> None:
    iam = sandbox.client("iam")
    iam.create_role(RoleName="machine", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17"}))
    arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
    iam.attach_role_policy(RoleName="machine", PolicyArn=arn)
    assert iam.list_attached_role_policies(RoleName="machine")["AttachedPolicies"][0]["PolicyArn"] == arn
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    assert "ssm:UpdateInstanceInformation" in json.dumps(document)
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.attach_role_policy(RoleName="machine", PolicyArn="arn:aws:iam::aws:policy/NoSuchPolicy")


def test_a_key_is_known_by_its_arn_everywhere(sandbox: Sandbox) -> None:
    kms = sandbox.client("kms")
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    kms.disable_key(KeyId=arn)
    kms.enable_key(KeyId=arn)
    kms.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    kms.cancel_key_deletion(KeyId=arn)


def test_operations_that_moto_lacks(sandbox: Sandbox) -> None:
    logs, key = sandbox.client("logs"), "arn:aws:kms:eu-west-1:123456789012:key/k"
    logs.create_log_group(logGroupName="/g")
    logs.associate_kms_key(logGroupName="/g", kmsKeyId=key)
    assert logs.describe_log_groups(logGroupNamePrefix="/g")["logGroups"][0]["kmsKeyId"] == key
    logs.disassociate_kms_key(logGroupName="/g")
    assert "kmsKeyId" not in logs.describe_log_groups(logGroupNamePrefix="/g")["logGroups"][0]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        logs.associate_kms_key(logGroupName="/none", kmsKeyId=key)
    with pytest.raises(ClientError, match="NatGatewayNotFound"):
        sandbox.client("ec2").delete_nat_gateway(NatGatewayId="nat-0123456789abcdef0")
    ec2 = sandbox.client("ec2", "eu-north-1")
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    ec2.modify_ebs_default_kms_key_id(KmsKeyId=key)
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == key
