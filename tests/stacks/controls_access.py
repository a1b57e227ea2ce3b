"""Controls of who reaches what: network, machine, front, roles, alarms."""

import json
from collections.abc import Iterator
from typing import Any

from provisioner.model.tenant import CloudKind
from tests.stacks.control import REMOVED, Mutation, control, required
from tests.stacks.controls_data import QUARANTINE, UNGUARDED
from tests.stacks.recorder import Recording, Resource

_FRONT = "the machine is its own front: only an address of its own makes a small instance cheap"
_ADDRESS = {"trial-aws": _FRONT, "trial-sandbox": _FRONT, "guarded-address-aws": _FRONT}
_WAY_OUT = "its way out is an address of its own: a NAT gateway takes minutes to make, and nobody comes in either way"
_DRILLED = {"quarantine-aws": _WAY_OUT, "quarantine-sandbox": _WAY_OUT}
_LOOPBACK = "the sandbox's front is plain HTTP on a loopback address"
_SANDBOX = {"trial-sandbox": _LOOPBACK, "standard-sandbox": _LOOPBACK, "restored-sandbox": _LOOPBACK}
_RULES = ("vpc:SecurityGroupIngressRule", "vpc:SecurityGroupEgressRule")

# Network
required("EC2.15", "ec2:Subnet", "mapPublicIpOnLaunch", False, True)
required("own-dns", "ec2:Vpc", "enableDnsHostnames", True, False)
required("EC2.6", "ec2:FlowLog", "trafficType", "ALL", "REJECT")


@control(
    "EC2.6",
    covers=("ec2:Vpc", "ec2:FlowLog"),
    spoiled_by=(Mutation("ec2:FlowLog", "", REMOVED),),
    exempt=QUARANTINE,
)
def every_network_has_a_flow_log(recording: Recording) -> Iterator[str]:
    logged = {log.inputs.get("vpcId") for log in recording.of("ec2:FlowLog")}
    yield from (f"{vpc.name} has none" for vpc in recording.of("ec2:Vpc") if f"{vpc.name}-id" not in logged)


@control(
    "EC2.2",
    covers="ec2:DefaultSecurityGroup",
    spoiled_by=(
        Mutation("ec2:DefaultSecurityGroup", "ingress", [{"protocol": "-1"}]),
        Mutation("ec2:DefaultSecurityGroup", "egress", [{"protocol": "-1"}]),
        Mutation("ec2:DefaultSecurityGroup", "", REMOVED),
    ),
)
def the_default_group_is_closed(recording: Recording) -> Iterator[str]:
    groups = recording.of("ec2:DefaultSecurityGroup")
    if len(groups) != len(recording.of("ec2:Vpc")):
        yield "a network's default group is not taken over"
    for group in groups:
        if group.inputs.get("ingress") or group.inputs.get("egress"):
            yield f"{group.name} lets something through"


def _open_ports(recording: Recording) -> Iterator[tuple[Resource, int, int]]:
    for rule in recording.of("vpc:SecurityGroupIngressRule"):
        if rule.inputs.get("cidrIpv4") or rule.inputs.get("cidrIpv6") or rule.inputs.get("prefixListId"):
            low, high = rule.inputs.get("fromPort", 0), rule.inputs.get("toPort", 65535)
            yield rule, (0 if low == -1 else low), (65535 if high == -1 else high)


@control(
    "EC2.13",
    "EC2.14",
    covers="vpc:SecurityGroupIngressRule",
    spoiled_by=(
        Mutation("vpc:SecurityGroupIngressRule", "fromPort", 22),
        Mutation("vpc:SecurityGroupIngressRule", "fromPort", REMOVED),
        Mutation("vpc:SecurityGroupIngressRule", "toPort", 3389),
    ),
)
def no_administrators_port_is_open(recording: Recording) -> Iterator[str]:
    for rule, low, high in _open_ports(recording):
        if any(low <= port <= high for port in (22, 3389)):
            yield f"{rule.name} opens {low}-{high}"


@control(
    "EC2.18",
    "EC2.19",
    covers="vpc:SecurityGroupIngressRule",
    spoiled_by=(Mutation("vpc:SecurityGroupIngressRule", "toPort", 8080),),
    exempt=_SANDBOX,
)
def the_world_reaches_80_and_443_only(recording: Recording) -> Iterator[str]:
    for rule, low, high in _open_ports(recording):
        if (low, high) not in ((80, 80), (443, 443)):
            yield f"{rule.name} opens {low}-{high}"


@control(
    "own-egress",
    covers="vpc:SecurityGroupEgressRule",
    spoiled_by=(
        Mutation("vpc:SecurityGroupEgressRule", "fromPort", 0),
        Mutation("vpc:SecurityGroupEgressRule", "ipProtocol", "-1"),
    ),
)
def machines_reach_https_and_their_neighbours_only(recording: Recording) -> Iterator[str]:
    for rule in recording.of("vpc:SecurityGroupEgressRule"):
        inside = "referencedSecurityGroupId" in rule.inputs
        ports = (rule.inputs.get("fromPort"), rule.inputs.get("toPort"))
        if rule.inputs["ipProtocol"] != "tcp" or ports[0] != ports[1] or not (inside or ports == (443, 443)):
            yield f"{rule.name}: {rule.inputs['ipProtocol']} {ports}"


@control(
    "own-database-neighbours",
    covers="ec2:SecurityGroup",
    spoiled_by=(
        Mutation("vpc:SecurityGroupIngressRule", "referencedSecurityGroupId", "someone-else"),
        Mutation("vpc:SecurityGroupIngressRule", "cidrIpv4", "10.0.0.0/8"),
        Mutation("ec2:SecurityGroup", "ingress", [{"fromPort": 0}]),
    ),
)
def only_the_machine_reaches_the_database(recording: Recording) -> Iterator[str]:
    for group in recording.of("ec2:SecurityGroup"):
        if group.inputs.get("ingress") or group.inputs.get("egress"):
            yield f"{group.name} has rules inside, which fight with those outside"
    for rule in recording.of("vpc:SecurityGroupIngressRule"):
        to_database = rule.inputs["securityGroupId"] == "database-group-id"
        from_machine = rule.inputs.get("referencedSecurityGroupId") == "machine-group-id"
        if to_database and ("cidrIpv4" in rule.inputs or not from_machine):
            yield f"{rule.name} lets others in"


@control(
    "EC2.12",
    covers=("ec2:Eip", "ec2:EipAssociation", "ec2:NatGateway"),
    spoiled_by=(Mutation("ec2:NatGateway", "", REMOVED),),
)
def every_address_is_used(recording: Recording) -> Iterator[str]:
    used = {r.inputs["allocationId"] for r in recording.of("ec2:EipAssociation", "ec2:NatGateway")}
    yield from (f"{a.name} isn't" for a in recording.of("ec2:Eip") if f"{a.name}-id" not in used)


@control(
    "own-private-routes",
    covers=("ec2:Route", "ec2:RouteTableAssociation"),
    spoiled_by=(Mutation("ec2:Route", "gatewayId", "internet-id"),),
)
def private_subnets_have_no_way_in(recording: Recording) -> Iterator[str]:
    public = {r.inputs["routeTableId"] for r in recording.of("ec2:Route") if r.inputs.get("gatewayId")}
    for link in recording.of("ec2:RouteTableAssociation"):
        if link.inputs["subnetId"].startswith("private") and link.inputs["routeTableId"] in public:
            yield f"{link.name} leads to the internet gateway"


required("own-s3-endpoint", "ec2:VpcEndpoint", "serviceName", "com.amazonaws.eu-west-1.s3")

# Machine
required("EC2.8", "ec2:Instance", "metadataOptions.httpTokens", "required", "optional")
required("EC2.8", "ec2:Instance", "metadataOptions.httpPutResponseHopLimit", 1, 2)
required("EC2.3 EC2.7", "ec2:Instance", "rootBlockDevice.encrypted", True, False)
required("EC2.17", "ec2:Instance", "networkInterfaces", None, [{"deviceIndex": 1}])
required("own-no-ssh", "ec2:Instance", "keyName", None, "somebody")
required("own-monitoring", "ec2:Instance", "monitoring", True, False)
required("own-termination", "ec2:Instance", "disableApiTermination", True, False, UNGUARDED)
required("own-fresh-user-data", "ec2:Instance", "userDataReplaceOnChange", True, False)


@control(
    "EC2.9",
    covers=("ec2:Instance", "ec2:Subnet"),
    spoiled_by=(
        Mutation("ec2:Instance", "subnetId", "public-a-id"),
        Mutation("ec2:Instance", "associatePublicIpAddress", True),
    ),
    exempt=_ADDRESS | _DRILLED,
)
def machines_have_no_public_address(recording: Recording) -> Iterator[str]:
    if recording.of("ec2:EipAssociation"):
        yield "an address leads to the machine"
    for machine in recording.of("ec2:Instance"):
        if machine.inputs.get("associatePublicIpAddress") or not machine.inputs["subnetId"].startswith("private"):
            yield f"{machine.name} is in {machine.inputs['subnetId']}"


@control(
    "SSM.1",
    covers=("iam:InstanceProfile", "iam:RolePolicyAttachment", "ec2:Instance"),
    spoiled_by=(
        Mutation("ec2:Instance", "iamInstanceProfile", REMOVED),
        Mutation("iam:RolePolicyAttachment", "policyArn", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
        Mutation("ec2:Instance", "@depends_on", frozenset()),
    ),
)
def machines_are_managed_by_ssm(recording: Recording) -> Iterator[str]:
    profiles = {p.inputs["name"]: p.inputs["role"] for p in recording.of("iam:InstanceProfile")}
    managed = {
        a.inputs["role"]: a.urn
        for a in recording.of("iam:RolePolicyAttachment")
        if a.inputs["policyArn"] == "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
    }
    for machine in recording.of("ec2:Instance"):
        attachment = managed.get(profiles.get(machine.inputs.get("iamInstanceProfile", ""), ""))
        if attachment is None or attachment not in machine.depends_on:
            yield f"{machine.name} boots before the agent may register"


@control(
    "own-no-secrets-in-user-data",
    covers="ec2:Instance",
    spoiled_by=(
        Mutation("ec2:Instance", "userData", "DATABASE_PASSWORD=x"),
        Mutation("ec2:Instance", "userData", "x" * 20_000),
    ),
)
def user_data_is_small_and_names_the_secret_only(recording: Recording) -> Iterator[str]:
    for machine in recording.of("ec2:Instance"):
        text = machine.inputs["userData"]
        if "PASSWORD" in text.upper() or "DATABASE_SECRET=arn:" not in text:
            yield f"{machine.name}: a password where everybody can read it"
        if len(text.encode()) > 16_384:
            yield f"{machine.name}: {len(text)} bytes are too many for EC2"


# Roles
def _statements(recording: Recording) -> Iterator[tuple[str, dict[str, Any]]]:
    for policy in recording.of("iam:Policy", "iam:RolePolicy"):
        yield from ((policy.name, s) for s in policy.policy())


def _policy(*actions: str, resource: str = "*") -> str:
    return json.dumps({"Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": [resource]}]})


@control(
    "IAM.1",
    "IAM.21",
    covers=("iam:Policy", "iam:RolePolicy"),
    spoiled_by=(Mutation("iam:RolePolicy", "policy", _policy("s3:*")),),
)
def no_policy_allows_a_whole_service(recording: Recording) -> Iterator[str]:
    for name, statement in _statements(recording):
        yield from (f"{name} allows {action}" for action in statement["Action"] if action.endswith("*"))


@control(
    "KMS.1",
    "KMS.2",
    "own-least-privilege",
    covers=("iam:Policy", "iam:RolePolicy"),
    spoiled_by=(
        Mutation("iam:RolePolicy", "policy", _policy("kms:Decrypt")),
        Mutation("iam:RolePolicy", "policy", _policy("secretsmanager:GetSecretValue")),
        Mutation("iam:RolePolicy", "policy", _policy("ssm:GetParameter")),
        Mutation("iam:RolePolicy", "policy", _policy("cloudwatch:PutMetricData")),
        Mutation("iam:RolePolicy", "policy", _policy("s3:GetObject", resource="arn:aws:s3:::*")),
    ),
)
def roles_reach_their_own_tenant_only(recording: Recording) -> Iterator[str]:
    for name, statement in _statements(recording):
        wide = [r for r in statement["Resource"] if r.startswith("*") or r.endswith(":::*")]
        for action in statement["Action"] if wide else ():
            service, _, verb = action.partition(":")
            agent = service in ("ssmmessages", "ec2messages") or (service == "ssm" and "Parameter" not in verb)
            own = statement.get("Condition", {}).get("StringEquals", {}).get("cloudwatch:namespace")
            metrics = action == "cloudwatch:PutMetricData" and own == f"provision/{recording.args.tenant}"
            if not (agent or metrics or action == "logs:DescribeLogGroups"):
                yield f"{name} allows {action} on {wide}"


@control(
    "own-boundary",
    covers="iam:Role",
    spoiled_by=(Mutation("iam:Role", "permissionsBoundary", REMOVED),),
)
def roles_have_a_boundary(recording: Recording) -> Iterator[str]:
    """On AWS it is the account's own, for every role; on the sandbox the stack makes one for the machine."""
    wanted, roles = f"arn:aws:iam::{recording.args.account}:policy/provision-boundary", recording.of("iam:Role")
    if recording.args.cloud is CloudKind.SANDBOX:
        boundary = recording.named("machine-boundary", "iam:Policy")
        wanted, roles = f"arn:aws:{boundary.type}:{boundary.name}", [recording.named("machine-role", "iam:Role")]
    for role in roles:
        if role.inputs.get("permissionsBoundary") != wanted:
            yield f"whoever can attach a policy to {role.name} can leave the tenant"


@control(
    "own-trust",
    covers="iam:Role",
    spoiled_by=(
        Mutation("iam:Role", "assumeRolePolicy", '{"Statement": [{"Principal": {"AWS": "*"}}]}'),
        Mutation(
            "iam:Role",
            "assumeRolePolicy",
            '{"Statement": [{"Principal": {"Service": "vpc-flow-logs.amazonaws.com"}}]}',
        ),
    ),
)
def roles_are_for_one_service_of_this_account(recording: Recording) -> Iterator[str]:
    for role in recording.of("iam:Role"):
        for statement in role.policy("assumeRolePolicy"):
            who = statement["Principal"].get("Service")
            account = statement.get("Condition", {}).get("StringEquals", {}).get("aws:SourceAccount")
            # EC2 assumes a role for the instance that was given it; the others act for whoever asks them.
            if who != "ec2.amazonaws.com" and (not who or account != recording.args.account):
                yield f"{role.name} trusts {statement['Principal']}"


# Front
_LB = "lb:LoadBalancer"
required("ELB.4", _LB, "dropInvalidHeaderFields", True, False)
required("ELB.6", _LB, "enableDeletionProtection", True, False, {"unguarded-balancer-aws": "as its data"})
required("ELB.12", _LB, "desyncMitigationMode", lambda mode: mode in ("defensive", "strictest"), "monitor")
required("own-two-zones", _LB, "subnets", ["public-a-id", "public-b-id"], ["public-a-id"])
required("own-health", "lb:TargetGroup", "healthCheck.path", "/healthz", "/")
required("own-validation", "acm:Certificate", "validationMethod", "DNS", "EMAIL")


@control(
    "ELB.1",
    "ELB.17",
    "ACM.1",
    covers=("lb:Listener", "acm:Certificate", "acm:CertificateValidation"),
    spoiled_by=(
        Mutation("lb:Listener", "protocol", "HTTP"),
        Mutation("lb:Listener", "sslPolicy", "ELBSecurityPolicy-2016-08"),
        Mutation("lb:Listener", "defaultActions", [{"type": "forward"}]),
    ),
    exempt={"standard-sandbox": _LOOPBACK, "restored-sandbox": _LOOPBACK},
)
def the_front_speaks_tls(recording: Recording) -> Iterator[str]:
    for listener in recording.of("lb:Listener"):
        if listener.inputs["port"] == 443:
            modern = str(listener.inputs.get("sslPolicy")).startswith("ELBSecurityPolicy-TLS13")
            if listener.inputs["protocol"] != "HTTPS" or not modern or "certificateArn" not in listener.inputs:
                yield f"{listener.name} is not TLS"
        elif [a["type"] for a in listener.inputs["defaultActions"]] != ["redirect"]:
            yield f"{listener.name} answers on port {listener.inputs['port']}"


@control(
    "own-only-the-balancer",
    covers=("lb:TargetGroupAttachment", "lb:TargetGroup"),
    spoiled_by=(Mutation("vpc:SecurityGroupIngressRule", "securityGroupId", "machine-group-id"),),
    exempt=_ADDRESS,
)
def only_the_balancer_reaches_the_machine(recording: Recording) -> Iterator[str]:
    for rule in recording.of("vpc:SecurityGroupIngressRule"):
        if rule.inputs["securityGroupId"] == "machine-group-id" and "cidrIpv4" in rule.inputs:
            yield f"{rule.name} goes round the balancer"


@control(
    "own-name",
    covers="route53:Record",
    spoiled_by=(Mutation("route53:Record", "name", "other.example.com"),),
)
def names_are_the_tenants_own(recording: Recording) -> Iterator[str]:
    host = f"{recording.args.tenant}.{recording.args.domain}"
    for record in recording.of("route53:Record"):
        if record.inputs["name"] not in (host, "_p") or record.inputs.get("allowOverwrite"):
            yield f"{record.name} is {record.inputs['name']}"


# Alarms
required("CloudWatch.15", "cloudwatch:MetricAlarm", "alarmActions", lambda actions: len(actions or ()) == 1, [])
required("CloudWatch.17", "cloudwatch:MetricAlarm", "actionsEnabled", lambda on: on is not False, False)
required(
    "own-silence",
    "cloudwatch:MetricAlarm",
    "treatMissingData",
    lambda missing: missing in ("missing", "breaching", "notBreaching"),
)


@control(
    "SNS.4",
    covers=("sns:Topic", "sns:TopicPolicy"),
    spoiled_by=(
        Mutation("sns:TopicPolicy", "policy", '{"Statement": [{"Principal": "*"}]}'),
        Mutation("sns:TopicPolicy", "", REMOVED),
    ),
)
def only_this_accounts_alarms_publish(recording: Recording) -> Iterator[str]:
    if len(recording.of("sns:TopicPolicy")) != len(recording.of("sns:Topic")):
        yield "a topic has no policy"
    for policy in recording.of("sns:TopicPolicy"):
        for statement in policy.policy():
            account = statement.get("Condition", {}).get("StringEquals", {}).get("aws:SourceAccount")
            if account != recording.args.account:
                yield f"{policy.name}: {statement['Principal']} may publish"
