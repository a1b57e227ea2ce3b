"""What the Pulumi program of a tenant is given, and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioner.model.tenant import CloudKind, Sizing

PROJECT = "tenant"
SUFFIXES = ("", "b")
"""Of a tenant's machines: one serves, and an upgrade makes the other."""
DRILL = "drill"
"""Project of the stacks that drills make and destroy."""


def metrics_namespace(tenant: str) -> str:
    """Where in CloudWatch a tenant's machine puts its own metrics."""
    return f"provision/{tenant}"


@dataclass(frozen=True, slots=True)
class DatabaseArgs:
    """One database of a tenant. The first one has no `suffix`; one that a restore makes has, and stands beside the
    others under a name of its own. It begins empty, or from `snapshot` (a name), or as `source` (an RDS resource id)
    was `at` a time (ISO 8601; None: as late as can be). `kept`: it serves no more and waits for its end, or it
    doesn't serve yet. `broken`: it is kept, and nothing of it can be changed. `final`: nothing protects it from
    deletion; the name of the snapshot that is taken then, "" for none."""

    suffix: str = ""
    snapshot: str | None = None
    source: str | None = None
    at: str | None = None
    kept: bool = False
    broken: bool = False
    final: str | None = None


@dataclass(frozen=True, slots=True)
class OtherMachine:
    """A second machine beside the one that serves, for as long as an upgrade takes: of another release, with the same
    role, network and database. `attached`: a balancer sends requests to it, too."""

    suffix: str
    release: str
    schema_version: int
    image_id: str
    attached: bool = False


@dataclass(frozen=True, slots=True)
class StackArgs:
    """Input of the program. Pure values: the same args give the same resources. `image_id` is an AMI id; `role` is
    assumed for all that the program makes, with the tenant's id as session tag. `databases`: oldest first; the one
    that isn't `kept` serves. `keep_key`: the tenant's key outlives the stack, for recovery points that need it.
    `machine`: suffix of the machine that serves, which is of `release`; each upgrade makes the other one of
    `SUFFIXES`. `other`: the one beside it. `database_schema`: what the database has, where an upgrade that was undone
    has left more than the release brings; the program doesn't look at it.

    A drill's stack is the same program's `quarantine`, for a machine and a restored database beside the tenant's own:
    `quarantine` is its name, `key_arn` the tenant's key, `expires` (ISO 8601) when a reaper may end it."""

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
    databases: tuple[DatabaseArgs, ...] = (DatabaseArgs(),)
    keep_key: bool = False
    machine: str = ""
    other: OtherMachine | None = None
    database_schema: int | None = None
    quarantine: str | None = None
    key_arn: str | None = None
    expires: str | None = None

    @property
    def name(self) -> str:
        """What physical names are made from."""
        return self.quarantine or self.tenant

    @property
    def project(self) -> str:
        """The Pulumi project of the stack."""
        return PROJECT if self.quarantine is None else DRILL

    @property
    def schema(self) -> int:
        """The version of the schema that the database has when all is well."""
        return max(self.schema_version, self.database_schema or 0)

    @property
    def serving(self) -> DatabaseArgs:
        """The database that the product uses."""
        return next(d for d in self.databases if not d.kept)

    def identifier(self, database: DatabaseArgs) -> str:
        """The RDS identifier of one of the databases."""
        return f"{self.name}-{database.suffix}" if database.suffix else self.name


@dataclass(frozen=True, slots=True)
class StackOutputs:
    """Outputs of the program, by the names it exports. ARNs and names only, never a secret. The fields of the database
    and of its master's secret are those of the one that serves; `databases` has by its suffix each one's `identifier`,
    `address`, `port`, `resource_id` and `master_secret_arn`. `other_machine_id` is empty where there is none beside the
    one that serves; `target_group_arn` where no balancer stands before it. `url` and `files_bucket` are empty in a
    quarantine."""

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
    databases: Mapping[str, Any] = field(default_factory=dict)
    other_machine_id: str = ""
    target_group_arn: str = ""
