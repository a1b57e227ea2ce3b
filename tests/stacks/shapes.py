"""The shapes a stack can have: small and large, guarded and not, during a restore and after it, in the sandbox and on
AWS; and a drill's quarantine."""

from dataclasses import replace
from functools import cache

from provisioner.model.stack import DatabaseArgs, StackArgs
from provisioner.model.tenant import CloudKind, Sizing
from tests.stacks.recorder import ACCOUNT, Recording, record

TRIAL = Sizing(
    instance_type="t4g.small",
    root_disk_gib=20,
    front="address",
    database_class="db.t4g.micro",
    database_version="17",
    database_storage_gib=20,
    database_max_storage_gib=50,
    multi_az=False,
    multi_region_key=False,
    backup_retention_days=7,
    log_retention_days=30,
    deletion_protection=False,
)
STANDARD = Sizing(
    instance_type="m7g.large",
    root_disk_gib=50,
    front="balancer",
    database_class="db.m7g.large",
    database_version="17.10",
    database_storage_gib=100,
    database_max_storage_gib=500,
    multi_az=True,
    multi_region_key=True,
    backup_retention_days=30,
    log_retention_days=365,
    deletion_protection=True,
)
_BASE = StackArgs(
    tenant="acme",
    target="production",
    cloud=CloudKind.AWS,
    account=ACCOUNT,
    region="eu-west-1",
    zones=("eu-west-1a", "eu-west-1b"),
    tier="standard",
    ring=2,
    organization="acme-group",
    labels={"country": "nl"},
    sizing=STANDARD,
    release="1.0.0",
    schema_version=1,
    image_id="ami-0123456789abcdef0",
    domain="example.com",
)
_SANDBOX = replace(_BASE, cloud=CloudKind.SANDBOX, target="sandbox", domain="sandbox.test")

TENANT_KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/0123"
# A restore to a time, still beside what serves; one from a recovery point, switched to; and its end.
_BESIDE = (DatabaseArgs(), DatabaseArgs("x1y2z3", source="db-DATABASE", at="2026-03-01T12:00:00Z", kept=True))
_SWITCHED = (DatabaseArgs(kept=True), DatabaseArgs("x1y2z3", snapshot="acme-p1"))
_ENDING = (DatabaseArgs(kept=True, final="acme-replaced-p2"), DatabaseArgs("x1y2z3", snapshot="acme-p1"))


def quarantined(args: StackArgs) -> StackArgs:
    """A drill of that tenant."""
    return replace(
        args,
        quarantine=f"{args.tenant}-d3fa2b1",
        key_arn=TENANT_KEY,
        expires="2026-03-01T18:00:00Z",
        databases=(DatabaseArgs(snapshot="acme-p1"),),
    )


SHAPES: dict[str, StackArgs] = {
    "trial-aws": replace(_BASE, tier="trial", sizing=TRIAL),
    "trial-sandbox": replace(_SANDBOX, tier="trial", sizing=TRIAL, organization=None, labels={}),
    "standard-aws": _BASE,
    "standard-sandbox": _SANDBOX,
    "guarded-address-aws": replace(_BASE, sizing=replace(STANDARD, front="address", multi_az=False)),
    "unguarded-balancer-aws": replace(_BASE, sizing=replace(STANDARD, deletion_protection=False)),
    "restoring-aws": replace(_BASE, databases=_BESIDE),
    "restored-sandbox": replace(_SANDBOX, databases=_SWITCHED),
    "restored-aws": replace(_BASE, databases=_SWITCHED),
    "ending-aws": replace(_BASE, databases=_ENDING),
    "quarantine-aws": quarantined(_BASE),
    "quarantine-sandbox": quarantined(_SANDBOX),
}


@cache
def recording(shape: str) -> Recording:
    """The program of a shape, run once a process."""
    return record(SHAPES[shape])
