"""What every component of a tenant's stack shares: the arguments, fixed names, tags and the log groups' one shape."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from provisioner.model.deployer.statements import BOUNDARY
from provisioner.model.stack import DRILL, StackArgs
from provisioner.model.tenant import CloudKind, Sizing


@dataclass(frozen=True, slots=True)
class Scope:
    """The tenant for which resources are made. All names are functions of the args: the same args, the same names."""

    args: StackArgs

    @property
    def sizing(self) -> Sizing:
        """What the tier buys."""
        return self.args.sizing

    @property
    def on_aws(self) -> bool:
        """Whether there is TLS, DNS and a certificate authority; the sandbox speaks plain HTTP on loopback."""
        return self.args.cloud is CloudKind.AWS

    @property
    def guarded(self) -> bool:
        """Whether what holds data or is known to the outside is protected against deletion."""
        return self.sizing.deletion_protection

    @property
    def boundary_arn(self) -> str | None:
        """The account's own boundary of all roles of tenants. On AWS the deployer can't make roles without it, nor
        change it (docs/aws.md); the sandbox has none, and the stack makes one."""
        return f"arn:aws:iam::{self.args.account}:policy/{BOUNDARY}" if self.on_aws else None

    @property
    def host(self) -> str:
        """The tenant's name in the DNS."""
        return f"{self.args.tenant}.{self.args.domain}"

    def physical(self, part: str) -> str:
        """A fixed name in the account. A role's has 64 characters at most, so a quarantine's may have 46."""
        return f"provision-{self.args.name}-{part}"

    def tags(self, name: str) -> dict[str, str]:
        """Tags of the resource with the logical name `name`; the provider's default tags come on top."""
        return {"Name": f"{self.args.name}-{name}", "provision:resource": name}

    def default_tags(self) -> dict[str, str]:
        """Tags of every resource. `provision:stack` and `provision:resource` together find what a lost reply made. What
        a drill makes is its tenant's too, and says until when it may be there."""
        args = self.args
        tags = {
            "provision:tenant": args.tenant,
            "provision:stack": f"{args.project}/{args.name}",
            "provision:target": args.target,
            "provision:tier": args.tier,
            "provision:ring": str(args.ring),
        }
        if args.organization:
            tags["provision:organization"] = args.organization
        if args.quarantine:
            tags["provision:purpose"] = DRILL
        if args.expires:
            tags["provision:expires"] = args.expires
        return tags | {f"provision:label:{key}": value for key, value in sorted(args.labels.items())}

    @property
    def flow_log_path(self) -> str:
        """Log group of the network's flow log."""
        return f"/provision/{self.args.tenant}/flow"

    @property
    def machine_log_path(self) -> str:
        """Log group that the machine may write to."""
        return f"/provision/{self.args.tenant}/machine"

    def database_log_path(self, identifier: str, export: str) -> str:
        """Log group that RDS writes an exported log of a database to; RDS chose its name."""
        return f"/aws/rds/instance/{identifier}/{export}"

    def arn(self, service: str, resource: str) -> str:
        """ARN of something of this account and region."""
        return f"arn:aws:{service}:{self.args.region}:{self.args.account}:{resource}"


def log_group(
    scope: Scope, name: str, path: str, key_arn: pulumi.Input[str], parent: pulumi.Resource
) -> aws.cloudwatch.LogGroup:
    """A log group with the tenant's retention and key. Made before its writer: AWS would make one that keeps all."""
    return aws.cloudwatch.LogGroup(
        name,
        name=path,
        retention_in_days=scope.sizing.log_retention_days,
        kms_key_id=key_arn,
        tags=scope.tags(name),
        opts=pulumi.ResourceOptions(parent=parent, delete_before_replace=True),
    )
