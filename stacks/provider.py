"""The connection to the cloud through which a stack makes everything."""

import pulumi_aws as aws

from provisioner.model.stack import StackArgs
from stacks.scope import Scope


def provider(scope: Scope) -> aws.Provider:
    """Acts in one region of one account, and tags whatever it makes with whose it is."""
    args = scope.args
    return aws.Provider(
        "aws",
        region=args.region,
        default_tags=aws.ProviderDefaultTagsArgs(tags=scope.default_tags()),
        # The last check before anything is made in the wrong account.
        allowed_account_ids=[args.account],
        assume_roles=_assumed(args),
    )


def _assumed(args: StackArgs) -> list[aws.ProviderAssumeRoleArgs] | None:
    """The deployer's role, in a session that may touch this tenant's resources only."""
    if args.role is None:
        return None
    name = f"provision-{args.tenant}"
    return [aws.ProviderAssumeRoleArgs(role_arn=args.role, session_name=name, tags={"tenant": args.tenant})]
