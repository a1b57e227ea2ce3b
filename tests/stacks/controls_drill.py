"""Controls of a drill's quarantine, and of the databases that a restore keeps beside the one that serves."""

from collections.abc import Iterator
from typing import Any

from tests.stacks.control import REMOVED, Mutation, control
from tests.stacks.controls_data import STATEFUL, database_of
from tests.stacks.recorder import Recording, short

_SHAPE = "quarantine-aws"
# What a quarantine is made of. Whatever else turned up would outlive it, be reached from outside, or cost for nothing.
_PARTS = {
    "ec2:DefaultSecurityGroup",
    "ec2:Instance",
    "ec2:InternetGateway",
    "ec2:Route",
    "ec2:RouteTable",
    "ec2:RouteTableAssociation",
    "ec2:SecurityGroup",
    "ec2:Subnet",
    "ec2:Vpc",
    "iam:InstanceProfile",
    "iam:Policy",
    "iam:Role",
    "iam:RolePolicy",
    "iam:RolePolicyAttachment",
    "providers:aws",
    "rds:Instance",
    "rds:ParameterGroup",
    "rds:SubnetGroup",
    "secretsmanager:Secret",
    "vpc:SecurityGroupEgressRule",
    "vpc:SecurityGroupIngressRule",
}


@control(
    "own-quarantine",
    covers=("ec2:Instance", "rds:Instance"),
    spoiled_by=tuple(
        Mutation("ec2:DefaultSecurityGroup", "@type", token)
        for token in (
            "aws:kms/key:Key",
            "aws:s3/bucket:Bucket",
            "aws:cloudwatch/logGroup:LogGroup",
            "aws:route53/record:Record",
            "aws:ec2/eip:Eip",
        )
    ),
    shape=_SHAPE,
)
def a_quarantine_has_a_machine_and_a_database_and_little_else(recording: Recording) -> Iterator[str]:
    if recording.args.quarantine is None:
        return
    yield from (f"{r.type} {r.name}" for r in recording.resources if short(r.type) not in _PARTS)
    for kind in ("ec2:Instance", "rds:Instance", "ec2:Vpc"):
        if len(recording.of(kind)) != 1:
            yield f"{len(recording.of(kind))} of {kind}"


@control(
    "own-quarantine",
    covers=("vpc:SecurityGroupIngressRule", "ec2:SecurityGroup"),
    spoiled_by=(
        Mutation("vpc:SecurityGroupIngressRule", "cidrIpv4", "10.0.0.0/8"),
        Mutation("vpc:SecurityGroupIngressRule", "securityGroupId", "machine-group-id"),
        Mutation("vpc:SecurityGroupIngressRule", "referencedSecurityGroupId", "sg-of-the-tenant"),
        Mutation("vpc:SecurityGroupEgressRule", "toPort", 8080),
    ),
    shape=_SHAPE,
)
def nobody_comes_into_a_quarantine(recording: Recording) -> Iterator[str]:
    """The only rule inwards is the machine's to its own database; outwards there is HTTPS besides."""
    if recording.args.quarantine is None:
        return
    found = [
        (r.inputs["securityGroupId"], r.inputs.get("referencedSecurityGroupId"), r.inputs.get("cidrIpv4"))
        for r in recording.of("vpc:SecurityGroupIngressRule")
    ]
    if found != [("database-group-id", "machine-group-id", None)]:
        yield f"inwards: {found}"
    ports = sorted(r.inputs["toPort"] for r in recording.of("vpc:SecurityGroupEgressRule"))
    if ports != [443, 5433]:
        yield f"outwards: {ports}"


_NOTHING_STAYS: dict[str, dict[str, Any]] = {
    "rds:Instance": {
        "deletionProtection": False,
        "skipFinalSnapshot": True,
        "deleteAutomatedBackups": True,
        "backupRetentionPeriod": 0,
    },
    "ec2:Instance": {"disableApiTermination": False, "forceDestroy": True},
    "secretsmanager:Secret": {"recoveryWindowInDays": 0},
}


@control(
    "own-quarantine",
    covers=tuple(_NOTHING_STAYS),
    spoiled_by=(
        *(Mutation(k, path, not v) for k, paths in _NOTHING_STAYS.items() for path, v in paths.items()),
        *(Mutation(kind, "@protect", True) for kind in _NOTHING_STAYS),
        Mutation("rds:Instance", "@retain_on_delete", True),
    ),
    shape=_SHAPE,
)
def nothing_of_a_quarantine_stays(recording: Recording) -> Iterator[str]:
    """Its destruction is part of the drill: nothing may refuse it, and nothing may be left by it."""
    if recording.args.quarantine is None:
        return
    for resource in recording.resources:
        if resource.protect or resource.retain_on_delete:
            yield f"{resource.type} {resource.name} would stay"
        for path, wanted in _NOTHING_STAYS.get(short(resource.type), {}).items():
            if resource.inputs.get(path) != wanted:
                yield f"{resource.type} {resource.name}: {path} is {resource.inputs.get(path)!r}"


@control(
    "own-restored",
    covers=("rds:Instance",),
    spoiled_by=(
        Mutation("rds:Instance", "dbSubnetGroupName", "default"),
        Mutation("rds:Instance", "parameterGroupName", "default.postgres17"),
        Mutation("rds:Instance", "vpcSecurityGroupIds", ["sg-default"]),
        Mutation("rds:Instance", "vpcSecurityGroupIds", REMOVED),
        Mutation("rds:Instance", "kmsKeyId", REMOVED),
    ),
    shape="restored-aws",
)
def what_a_restore_makes_is_where_the_tenant_s_database_was(recording: Recording) -> Iterator[str]:
    """RDS would put it under the account's defaults: another network, no forced TLS, open to others."""
    (subnets,), (parameters,) = recording.of("rds:SubnetGroup"), recording.of("rds:ParameterGroup")
    keys = [f"arn:aws:{key.type}:{key.name}" for key in recording.of("kms:Key")]
    wanted = {
        "dbSubnetGroupName": subnets.inputs["name"],
        "parameterGroupName": parameters.inputs["name"],
        "vpcSecurityGroupIds": ["database-group-id"],
        "kmsKeyId": keys[0] if keys else recording.args.key_arn,
    }
    for database in recording.of("rds:Instance"):
        yield from (f"{database.name}: {k}" for k, v in wanted.items() if database.inputs.get(k) != v)


@control(
    "own-restored",
    covers=("rds:Instance",),
    spoiled_by=(Mutation("rds:Instance", "@ignore_changes", ()),),
    shape="restored-aws",
)
def a_snapshot_that_is_gone_replaces_no_database(recording: Recording) -> Iterator[str]:
    for database in recording.of("rds:Instance"):
        origin = {"snapshotIdentifier", "restoreToPointInTime"}
        if origin & database.inputs.keys() and not origin <= set(database.ignore_changes):
            yield f"{database.name} would be replaced when its origin changes"


@control(
    "own-kept",
    covers=("rds:Instance",),
    spoiled_by=(Mutation("rds:Instance", "multiAz", True), Mutation("rds:Instance", "monitoringInterval", 60)),
    shape="restoring-aws",
)
def what_waits_costs_no_second_zone(recording: Recording) -> Iterator[str]:
    for resource in recording.of("rds:Instance"):
        database = database_of(recording, resource)
        if database and database.kept and (resource.inputs["multiAz"] or resource.inputs["monitoringInterval"]):
            yield f"{resource.name} is doubled or monitored, and serves nobody"


@control(
    "own-end",
    covers=STATEFUL,
    spoiled_by=(
        Mutation("rds:Instance", "skipFinalSnapshot", True),
        Mutation("rds:Instance", "deletionProtection", True),
        Mutation("rds:Instance", "deletionProtection", False),
        Mutation("rds:Instance", "@protect", True),
        Mutation("rds:Instance", "@protect", False),
    ),
    shape="ending-aws",
)
def only_what_has_a_final_snapshot_s_name_may_go(recording: Recording) -> Iterator[str]:
    for resource in recording.of("rds:Instance"):
        database = database_of(recording, resource)
        ends = database is not None and database.final is not None
        if ends and resource.inputs["skipFinalSnapshot"]:
            yield f"{resource.name} would go without a final snapshot"
        if recording.args.sizing.deletion_protection and recording.args.quarantine is None:
            guarded = resource.protect, resource.inputs["deletionProtection"]
            if guarded != (not ends, not ends):
                yield f"{resource.name}: protected by engine and cloud {guarded}"
