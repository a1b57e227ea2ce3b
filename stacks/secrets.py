"""The tenant's key, and the container of the product's database password."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks.policies import Statement, allow, document
from stacks.scope import Scope

KEPT_KEY = "kept-key"
_USE = ("kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey")


@dataclass(frozen=True, slots=True)
class SecretsArgs:
    """`key_arn`: of a key that is there already and stays, for a quarantine; otherwise the stack has one of its own."""

    scope: Scope
    key_arn: pulumi.Input[str] | None = None


class Secrets(pulumi.ComponentResource):
    """One key for everything of the tenant, and an empty secret: no password ever passes through Pulumi."""

    key_arn: pulumi.Output[str]
    product_secret_arn: pulumi.Output[str]

    def __init__(self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("provision:tenant:Secrets", name, None, opts)
        scope = args.scope
        self.key_arn = pulumi.Output.from_input(args.key_arn) if args.key_arn is not None else self._key(scope)
        secret = aws.secretsmanager.Secret(
            "product-secret",
            name=f"provision/{scope.args.tenant}/{scope.args.quarantine or 'product'}",
            description=f"Database user of the product of tenant {scope.args.tenant}: username and password as JSON",
            kms_key_id=self.key_arn,
            recovery_window_in_days=30 if scope.guarded else 0,
            tags=scope.tags("product-secret"),
            opts=pulumi.ResourceOptions(parent=self, protect=scope.guarded),
        )
        self.product_secret_arn = secret.arn
        self.register_outputs({"key_arn": self.key_arn, "product_secret_arn": secret.arn})

    def _key(self, scope: Scope) -> pulumi.Output[str]:
        """A key that recovery points still need outlives the stack; the name that it is known by doesn't. Its tag says
        that it isn't a stack's: a tenant that gets the same id must not take over the key of the one before."""
        kept = scope.args.keep_key
        tags = scope.tags("key") | ({"provision:resource": KEPT_KEY} if kept else {})
        key = aws.kms.Key(
            "key",
            description=f"All data of tenant {scope.args.tenant}",
            enable_key_rotation=True,
            # Snapshots die with their key: the longest grace there is, whatever the tier.
            deletion_window_in_days=30,
            multi_region=scope.sizing.multi_region_key,
            policy=document(*_key_policy(scope)),
            tags=tags,
            # What is protected stops a destroy, also where it would be left in the cloud.
            opts=pulumi.ResourceOptions(parent=self, protect=scope.guarded and not kept, retain_on_delete=kept),
        )
        aws.kms.Alias(
            "key-alias",
            name=f"alias/provision/{scope.args.tenant}",
            target_key_id=key.key_id,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        arn: pulumi.Output[str] = key.arn
        return arn


def _key_policy(scope: Scope) -> tuple[Statement, ...]:
    """The account administers the key through IAM; two services use it where they can't act in a caller's name."""
    identifiers = [scope.args.identifier(database) for database in scope.args.databases]
    databases = [scope.database_log_path(identifier, "*") for identifier in identifiers]
    paths = (scope.flow_log_path, scope.machine_log_path, *databases)
    groups = [scope.arn("logs", f"log-group:{path}") for path in paths]
    owner = allow(["kms:*"], ["*"]) | {"Principal": {"AWS": f"arn:aws:iam::{scope.args.account}:root"}}
    logs = allow(
        _USE,
        ["*"],
        service=f"logs.{scope.args.region}.amazonaws.com",
        condition={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
    )
    alarms = allow(["kms:Decrypt", "kms:GenerateDataKey*"], ["*"], service="cloudwatch.amazonaws.com")
    return owner, logs, alarms
