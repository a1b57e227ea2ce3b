"""A cloud on a bad day: throttles, failures, answers that are lost. Whatever happens, there is one of each."""

from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto.provider_pb2_grpc import add_ResourceProviderServicer_to_server

from provisioner.sandbox.provider.aws import Aws
from provisioner.sandbox.provider.server import Provider
from tests.sandbox.conftest import Sandbox
from tests.sandbox.provider.cases import CASES
from tests.sandbox.provider.engine import NONE, Engine, init_failed
from tests.sandbox.provider.world import ACCOUNT, Stack

pytestmark = [pytest.mark.sandbox, pytest.mark.faults]

# Type -> the call that makes it
MAKING = {
    "aws:ec2/vpc:Vpc": ("ec2", "CreateVpc"),
    "aws:ec2/eip:Eip": ("ec2", "AllocateAddress"),
    "aws:ec2/natGateway:NatGateway": ("ec2", "CreateNatGateway"),
    "aws:ec2/securityGroup:SecurityGroup": ("ec2", "CreateSecurityGroup"),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ("ec2", "AuthorizeSecurityGroupIngress"),
    "aws:ec2/route:Route": ("ec2", "CreateRoute"),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": ("ec2", "AssociateRouteTable"),
    "aws:ec2/flowLog:FlowLog": ("ec2", "CreateFlowLogs"),
    "aws:ec2/instance:Instance": ("ec2", "RunInstances"),
    "aws:ec2/eipAssociation:EipAssociation": ("ec2", "AssociateAddress"),
    "aws:lb/loadBalancer:LoadBalancer": ("elbv2", "CreateLoadBalancer"),
    "aws:lb/listener:Listener": ("elbv2", "CreateListener"),
    "aws:rds/parameterGroup:ParameterGroup": ("rds", "CreateDBParameterGroup"),
    "aws:kms/key:Key": ("kms", "CreateKey"),
    "aws:kms/alias:Alias": ("kms", "CreateAlias"),
    "aws:iam/role:Role": ("iam", "CreateRole"),
    "aws:iam/policy:Policy": ("iam", "CreatePolicy"),
    "aws:iam/instanceProfile:InstanceProfile": ("iam", "CreateInstanceProfile"),
    "aws:secretsmanager/secret:Secret": ("secretsmanager", "CreateSecret"),
    "aws:ssm/parameter:Parameter": ("ssm", "PutParameter"),
    "aws:s3/bucket:Bucket": ("s3", "CreateBucket"),
    "aws:cloudwatch/logGroup:LogGroup": ("logs", "CreateLogGroup"),
    "aws:cloudwatch/metricAlarm:MetricAlarm": ("cloudwatch", "PutMetricAlarm"),
    "aws:sns/topic:Topic": ("sns", "CreateTopic"),
    "aws:sns/topicSubscription:TopicSubscription": ("sns", "Subscribe"),
    "aws:route53/zone:Zone": ("route53", "CreateHostedZone"),
    "aws:route53/record:Record": ("route53", "ChangeResourceRecordSets"),
    "aws:acm/certificate:Certificate": ("acm", "RequestCertificate"),
}


@pytest.fixture
def fault(sandbox: Sandbox) -> Iterator[Callable[..., None]]:
    def add(kind: str, service: str, operation: str, **rule: Any) -> None:
        sandbox.control.add_fault({"kind": kind, "service": service, "operation": operation, **rule})

    yield add
    sandbox.control.clear_faults()


def matched(sandbox: Sandbox) -> int:
    return sum(int(str(rule["matched"])) for rule in sandbox.control.faults())


@pytest.mark.parametrize("token", MAKING)
def test_a_lost_reply_makes_one(token: str, stack: Stack, sandbox: Sandbox, fault: Callable[..., None]) -> None:
    """The first answer is lost after the thing was made: the resource is found and not made again."""
    case, engine = CASES[token], stack.engine
    inputs = {**case.inputs(stack), **({"tags": engine.tags("case")} if case.tagged else {})}
    before = everything(stack)
    fault("lost-reply", *MAKING[token], stop=1)
    made = stack.made["case"] = engine.create(token, "case", inputs)
    assert matched(sandbox) >= 1
    sandbox.control.clear_faults()
    assert engine.diff(made, engine.checked(token, "case", inputs, made.inputs)).changes == NONE
    engine.delete(made)
    del stack.made["case"]
    assert everything(stack) == before


def everything(stack: Stack) -> dict[str, int]:
    """How many there are of what a repeated call could double."""
    ec2, elb, sns = stack.client("ec2"), stack.client("elbv2"), stack.client("sns")
    instances = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    nats = ec2.describe_nat_gateways()["NatGateways"]
    keys = stack.client("kms")
    return {
        "vpcs": len(ec2.describe_vpcs()["Vpcs"]),
        "addresses": len(ec2.describe_addresses()["Addresses"]),
        "associations": sum(bool(a.get("InstanceId")) for a in ec2.describe_addresses()["Addresses"]),
        "gateways": sum(n["State"] != "deleted" for n in nats),
        "groups": len(ec2.describe_security_groups()["SecurityGroups"]),
        "rules": len(ec2.describe_security_group_rules()["SecurityGroupRules"]),
        "flow logs": len(ec2.describe_flow_logs()["FlowLogs"]),
        "machines": sum(i["State"]["Name"] != "terminated" for i in instances),
        "balancers": len(elb.describe_load_balancers()["LoadBalancers"]),
        "keys": sum(
            keys.describe_key(KeyId=k["KeyId"])["KeyMetadata"]["KeyState"] == "Enabled"
            for k in keys.list_keys()["Keys"]
        ),
        "subscriptions": len(sns.list_subscriptions()["Subscriptions"]),
        "zones": len(stack.client("route53").list_hosted_zones()["HostedZones"]),
        "certificates": len(stack.client("acm").list_certificates()["CertificateSummaryList"]),
    }


@pytest.mark.parametrize("kind", ["throttle", "error", "reset"])
@pytest.mark.parametrize("token", ["aws:ec2/vpc:Vpc", "aws:iam/role:Role", "aws:kms/key:Key"])
def test_two_failures_are_survived(
    kind: str, token: str, stack: Stack, sandbox: Sandbox, fault: Callable[..., None]
) -> None:
    before = everything(stack)
    fault(kind, *MAKING[token], stop=1 if kind == "reset" else 2)
    inputs = {**CASES[token].inputs(stack), "tags": stack.engine.tags("case")}
    made = stack.made["case"] = stack.engine.create(token, "case", inputs)
    assert matched(sandbox) >= 1
    sandbox.control.clear_faults()
    stack.engine.delete(made)
    del stack.made["case"]
    assert everything(stack) == before


def test_no_capacity_ends_soon(stack: Stack, sandbox: Sandbox, fault: Callable[..., None]) -> None:
    case = CASES["aws:ec2/instance:Instance"]
    inputs = {**case.inputs(stack), "tags": stack.engine.tags("case")}
    before = everything(stack)
    fault("no-capacity", "ec2", "RunInstances")
    with pytest.raises(grpc.RpcError, match="InsufficientInstanceCapacity"):
        stack.engine.create("aws:ec2/instance:Instance", "case", inputs, known=[])
    assert matched(sandbox) == 3
    assert everything(stack) == before


def test_deletes_survive_a_lost_reply(stack: Stack, fault: Callable[..., None]) -> None:
    made = stack.make("aws:ec2/vpc:Vpc", "case", {"cidrBlock": "10.8.0.0/16"})
    fault("lost-reply", "ec2", "DeleteVpc", stop=1)
    stack.engine.delete(made)
    assert stack.engine.refresh(made) is None


def test_a_half_made_resource_is_recorded_and_finished(
    stack: Stack, sandbox: Sandbox, fault: Callable[..., None]
) -> None:
    fault("error", "ec2", "ModifyVpcAttribute", status=400, code="UnauthorizedOperation")
    inputs = {"cidrBlock": "10.7.0.0/16", "enableDnsHostnames": True, "tags": stack.engine.tags("case")}
    with pytest.raises(grpc.RpcError) as failed:
        stack.engine.create("aws:ec2/vpc:Vpc", "case", inputs)
    details = init_failed(failed.value)
    assert details.id.startswith("vpc-")
    assert "UnauthorizedOperation" in details.reasons[0]
    sandbox.control.clear_faults()
    made = stack.engine.create("aws:ec2/vpc:Vpc", "case", inputs, known=[])
    assert made.id == details.id
    stack.made["case"] = stack.engine.update(made, made.inputs)
    answer = stack.client("ec2").describe_vpc_attribute(VpcId=made.id, Attribute="enableDnsHostnames")
    assert answer["EnableDnsHostnames"]["Value"]


@pytest.fixture
def impatient(sandbox: Sandbox) -> Iterator[Engine]:
    """The provider in this process, against the daemon, with a read timeout that a test can wait for."""
    provider = Provider(Aws(sandbox.info.endpoint_url, read_timeout=0.5), ACCOUNT)
    server = grpc.server(futures.ThreadPoolExecutor(4))
    add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    engine = Engine(port)
    yield engine
    engine.close()
    server.stop(None).wait()


def test_a_hang_is_survived(impatient: Engine, sandbox: Sandbox, fault: Callable[..., None]) -> None:
    fault("hang", "ec2", "CreateVpc", stop=1, seconds=3)
    inputs = {"cidrBlock": "10.6.0.0/16", "tags": impatient.tags("case")}
    made = impatient.create("aws:ec2/vpc:Vpc", "case", inputs)
    impatient.delete(made)
    assert impatient.refresh(made) is None


def test_stopping_ends_what_waits(impatient: Engine, sandbox: Sandbox, fault: Callable[..., None]) -> None:
    """A client that goes away ends its wait: no thread of the provider is kept by the dead."""
    fault("throttle", "ec2", "CreateVpc")
    request = impatient.checked("aws:ec2/vpc:Vpc", "case", {"cidrBlock": "10.6.0.0/16"})
    impatient.timeout = 0.5
    with pytest.raises(grpc.RpcError) as gone:
        impatient.create_checked("aws:ec2/vpc:Vpc", "case", request)
    assert gone.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
