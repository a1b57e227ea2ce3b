"""A drill's stack: a restored database and a machine of the release it belongs to, in a network that nobody enters.

It is the tenant's (tag, key, deployer's role) and stands beside the tenant's own stack, under names of its own.
"""

from dataclasses import replace

import pulumi

from provisioner.model.stack import StackArgs
from stacks.access import Access, AccessArgs
from stacks.database import Database, DatabaseArgs
from stacks.environment import environment
from stacks.machine import Machine, MachineArgs
from stacks.network import Network, NetworkArgs
from stacks.outputs import export
from stacks.provider import provider
from stacks.role import MachineRole, MachineRoleArgs
from stacks.scope import Scope
from stacks.secrets import Secrets, SecretsArgs


class Quarantine:
    """One run of the program. Raises ValueError for arguments without the tenant's key, or without an end."""

    def __init__(self, args: StackArgs) -> None:
        if args.key_arn is None or args.expires is None:
            raise ValueError(f"quarantine {args.quarantine} needs key_arn and expires")
        self._key_arn = args.key_arn
        # Nothing in it is kept, so nothing is guarded, backed up or doubled, whatever the tier buys.
        sizing = replace(
            args.sizing, front="address", multi_az=False, backup_retention_days=0, deletion_protection=False
        )
        self._scope = Scope(replace(args, sizing=sizing))
        self._opts = pulumi.ResourceOptions(providers=[provider(self._scope)])

    def make(self) -> None:
        """Register all resources and export the outputs."""
        scope, opts, key_arn = self._scope, self._opts, self._key_arn
        secrets = Secrets("secrets", SecretsArgs(scope, key_arn), opts)
        network = Network("network", NetworkArgs(scope, key_arn, bare=True), opts)
        access = Access("access", AccessArgs(scope, network.vpc_id, public=False), opts)
        database = Database(
            "database",
            DatabaseArgs(scope, key_arn, network.private_subnet_ids, access.database_group_id, watched=False),
            opts,
        )
        role = MachineRole(
            "machine-role",
            MachineRoleArgs(
                scope,
                key_arn=key_arn,
                product_secret_arn=secrets.product_secret_arn,
                master_secret_arns=database.master_secret_arns,
                logs=False,
            ),
            opts,
        )
        machine = Machine(
            "machine",
            MachineArgs(
                scope,
                key_arn=key_arn,
                subnet_id=network.public_subnet_ids[0],
                group_id=access.machine_group_id,
                profile_name=role.profile_name,
                environment=environment(scope, database, secrets.product_secret_arn),
                needs=[*network.ways_out, *access.rules, *role.grants],
                public_address=True,
            ),
            opts,
        )
        export(secrets, database, role, machine)
