"""Who the tenant's machine is to AWS: what it may do, and what nobody can ever let it do."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from provisioner.model.deployer.actions import AGENT
from provisioner.model.stack import metrics_namespace
from stacks.policies import Statement, allow, document, trust
from stacks.scope import Scope, log_group

_SSM_CORE = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"


@dataclass(frozen=True, slots=True)
class MachineRoleArgs:
    """ARNs of what is the tenant's own. `master_secret_arns`: of all its databases, for one that a restore has made is
    set up and looked into before it serves. `logs`: whether it has a log group to write to."""

    scope: Scope
    key_arn: pulumi.Input[str]
    product_secret_arn: pulumi.Input[str]
    master_secret_arns: Sequence[pulumi.Input[str]]
    bucket_arn: pulumi.Output[str] | None = None
    logs: bool = True


class MachineRole(pulumi.ComponentResource):
    """Role, instance profile and the log group they write to, if any.

    The permissions boundary keeps the role inside the tenant, whatever is attached to it.
    """

    role_name: pulumi.Output[str]
    profile_name: pulumi.Output[str]
    grants: list[pulumi.Resource]

    def __init__(self, name: str, args: MachineRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("provision:tenant:MachineRole", name, None, opts)
        scope = args.scope
        named = pulumi.ResourceOptions(parent=self, delete_before_replace=True)
        logs = log_group(scope, "machine-log-group", scope.machine_log_path, args.key_arn, self) if args.logs else None
        own = _own(args, logs)
        boundary = (
            scope.boundary_arn
            or aws.iam.Policy(
                "machine-boundary",
                name=scope.physical("machine-boundary"),
                description=f"The most that the machine of tenant {scope.args.tenant} may ever do",
                # The masters' secrets are within it: the bootstrap lets the machine read one for some minutes.
                policy=document(
                    allow(AGENT, ["*"]),
                    *own,
                    allow(["secretsmanager:GetSecretValue"], [args.product_secret_arn, *args.master_secret_arns]),
                ),
                tags=scope.tags("machine-boundary"),
                opts=named,
            ).arn
        )
        role = aws.iam.Role(
            "machine-role",
            name=scope.physical("machine"),
            assume_role_policy=trust("ec2.amazonaws.com"),
            permissions_boundary=boundary,
            force_detach_policies=True,
            tags=scope.tags("machine-role"),
            opts=named,
        )
        managed = aws.iam.RolePolicyAttachment("machine-ssm", role=role.name, policy_arn=_SSM_CORE, opts=named)
        inline = aws.iam.RolePolicy(
            "machine-policy",
            name="own-tenant",
            role=role.name,
            policy=document(*own, allow(["secretsmanager:GetSecretValue"], [args.product_secret_arn])),
            opts=named,
        )
        profile = aws.iam.InstanceProfile(
            "machine-profile",
            name=scope.physical("machine"),
            role=role.name,
            tags=scope.tags("machine-profile"),
            opts=named,
        )
        self.role_name = role.name
        self.profile_name = profile.name
        self.grants = [managed, inline]
        self.register_outputs({"role_name": role.name})


def _own(args: MachineRoleArgs, logs: aws.cloudwatch.LogGroup | None) -> list[Statement]:
    own = [allow(["kms:Decrypt", "kms:GenerateDataKey"], [args.key_arn])]
    if args.bucket_arn is not None:
        objects = pulumi.Output.concat(args.bucket_arn, "/*")
        own.append(allow(["s3:ListBucket"], [args.bucket_arn]))
        own.append(allow(["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], [objects]))
    if logs is not None:
        write = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
        own.append(allow(write, [pulumi.Output.concat(logs.arn, ":*")]))
        # The image's CloudWatch agent says how full the disk is: EC2 itself doesn't know. A metric has no ARN, and in a
        # common namespace each machine could say it of all others.
        namespace = {"StringEquals": {"cloudwatch:namespace": metrics_namespace(args.scope.args.tenant)}}
        own.append(allow(["cloudwatch:PutMetricData"], ["*"], condition=namespace))
    return own
