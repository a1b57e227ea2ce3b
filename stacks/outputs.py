"""What a stack gives back: the fields of `StackOutputs`, for a tenant and for a quarantine alike."""

import pulumi

from stacks.database import Database
from stacks.instance import DATABASE_NAME, DATABASE_USER
from stacks.machine import Machine
from stacks.role import MachineRole
from stacks.secrets import Secrets


def export(
    secrets: Secrets,
    database: Database,
    role: MachineRole,
    machine: Machine,
    *,
    url: pulumi.Input[str] = "",
    files_bucket: pulumi.Input[str] = "",
    other_machine_id: pulumi.Input[str] = "",
    target_group_arn: pulumi.Input[str] = "",
) -> None:
    """Export them; what has a default is empty where there is none."""
    outputs = {
        "url": url,
        "machine_id": machine.machine_id,
        "role_name": role.role_name,
        "database_identifier": database.identifier,
        "database_address": database.address,
        "database_port": database.port,
        "database_name": DATABASE_NAME,
        "database_user": DATABASE_USER,
        "master_secret_arn": database.master_secret_arn,
        "product_secret_arn": secrets.product_secret_arn,
        "key_arn": secrets.key_arn,
        "files_bucket": files_bucket,
        "databases": database.all,
        "other_machine_id": other_machine_id,
        "target_group_arn": target_group_arn,
    }
    for name, value in outputs.items():
        pulumi.export(name, value)
