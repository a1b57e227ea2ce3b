"""What the Pulumi program of a tenant is given, and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass

from provisioner.model.tenant import CloudKind, Sizing

PROJECT = "tenant"


@dataclass(frozen=True, slots=True)
class StackArgs:
    """Input of the program. Pure values: the same args give the same resources. `image_id` is an AMI id; `role` is
    assumed for all that the program makes, with the tenant's id as session tag."""

    tenant: str
    target: str
    cloud: CloudKind
    account: str
    region: str
    zones: tuple[str, str]
    tier: str
    ring: int
    organization: str | None
    labels: Mapping[str, str]
    sizing: Sizing
    release: str
    schema_version: int
    image_id: str
    domain: str
    role: str | None = None


@dataclass(frozen=True, slots=True)
class StackOutputs:
    """Outputs of the program, by the names it exports. ARNs and names only, never a secret."""

    url: str
    machine_id: str
    role_name: str
    database_identifier: str
    database_address: str
    database_port: int
    database_name: str
    database_user: str
    master_secret_arn: str
    product_secret_arn: str
    key_arn: str
    files_bucket: str
