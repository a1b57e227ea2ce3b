"""The registry file as people write it: unknown keys are refused, and every field says what a change of it means.

What one field can't know (references, order of releases, expiries) is in checks.py.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from provisioner.model.recovery import BackupPolicy
from provisioner.model.tenant import DRIFT_HOURS
from provisioner.registry import fields as f
from provisioner.registry.entry import RECORD, Entry
from provisioner.registry.notices import NOTICE, NoticeEntry
from provisioner.registry.patching import OsReleasesEntry, PatchEntry, PatchExceptionEntry, PatchHooksEntry
from provisioner.registry.policy import Policy, Update, forbidden, live, replace, restart
from provisioner.registry.strategies import FREEZE, HOLD, ROLLOUT, FreezeEntry, HoldEntry, StrategyEntry

_TAG = live("it is a tag on every resource")
_RELEASE = forbidden("tenants run the release and rely on it", "publish the change as a new release")
_MOVE = "onboard a tenant there, restore a recovery point into it, offboard this one"
_STACKS = forbidden("the stacks of its tenants are kept with it", "add a target beside it, and move tenants one by one")
_SCHEDULE = live("`provision worker` reads it in each of its rounds", "nothing: it holds at once")
_KEEP = live("fewer: the points that aren't kept any more are deleted", "provision backup prune, or the worker's own")
_COPIES = live(
    "new recovery points are copied there; copies that exist go with their points", "provision backup create"
)
_LATER = live("it holds for what ends from then on; a date that was set stays", "nothing: it holds at once")
_USUAL = BackupPolicy()
_NAMES = live("adding is harmless; removing is refused while something names it", "nothing: it holds at once")

Days = Annotated[
    tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...],
    Field(strict=False, min_length=1),
    AfterValidator(f.unique),
]
Regions = Annotated[tuple[f.Region, ...], Field(strict=False, min_length=1), AfterValidator(f.unique)]


class ProductEntry(Entry):
    """What is sold."""

    name: Annotated[f.Name, forbidden("images say which product they hold", "keep a registry for each product")] = (
        Field(description="The product's name, as in its images' release.json.")
    )


class TargetEntry(Entry):
    """A place to run: a cloud with its state, secrets and ledger."""

    cloud: Annotated[Literal["sandbox", "aws"], _STACKS] = Field(description="Where it runs.")
    regions: Annotated[Regions, _NAMES] = Field(description="Regions that tenants may choose; the first by default.")
    domain: Annotated[
        f.Domain,
        replace("names and certificates are made from it", "provision apply --all; tell customers the new URL"),
    ] = Field(description="Tenants answer as ID.DOMAIN.")
    account: Annotated[f.Account | None, _STACKS] = Field(None, description="AWS account; others are refused.")
    state: Annotated[f.State | None, _STACKS] = Field(None, description="Where stacks are kept. AWS needs it.")
    secrets: Annotated[f.Secrets | None, _STACKS] = Field(None, description="Key of secrets in stacks. AWS needs it.")
    ledger: Annotated[f.LedgerUrl | None, _STACKS] = Field(None, description="Database of the ledger.")
    role: Annotated[f.RoleArn | None, live("it is assumed from the next command on")] = Field(
        None, description="Role of the account that is assumed for all work on tenants, with the tenant as session tag."
    )
    max_tenants: Annotated[int, Field(ge=1, le=100_000), RECORD] = Field(1000, description="Most tenants at once.")


class WindowEntry(Entry):
    """A maintenance window, in the tenant's time zone."""

    days: Annotated[Days, RECORD] = Field(description="Days on which it opens.")
    start: Annotated[f.Time, RECORD] = Field(description='When it opens, HH:MM, in quotes: "02:00".')
    hours: Annotated[int, Field(ge=1, le=24), RECORD] = Field(description="How many hours it stays open.")


def _default(field: str, update: Update) -> Policy:
    return Policy(
        update,
        f"it holds for tenants without a {field} of their own, and means for each what tenants/*/{field} means",
        f"give those tenants their own {field} first" if update is Update.FORBIDDEN else "as for tenants/*/" + field,
    )


class DefaultsEntry(Entry):
    """What holds for a tenant that doesn't say otherwise."""

    target: Annotated[f.Name, _default("target", Update.FORBIDDEN)] = Field(
        description="Target of tenants that name none."
    )
    tier: Annotated[f.Name, _default("tier", Update.RESTART)] = Field(description="Tier of tenants that name none.")
    ring: Annotated[f.Ring, _default("ring", Update.LIVE)] = Field(
        2, description="0 internal, 1 early, 2 general, 3 late."
    )
    region: Annotated[f.Region | None, _default("region", Update.FORBIDDEN)] = Field(
        None, description="Region, where the target has it; else the target's first."
    )
    channel: Annotated[f.Name, _default("channel", Update.LIVE)] = Field(
        description="Channel of tenants without a pin."
    )
    time_zone: Annotated[f.Words, RECORD] = Field("UTC", description="IANA name, as Europe/Berlin.")
    window: Annotated[WindowEntry | None, RECORD] = Field(None, description="Maintenance window; without one: always.")
    strategy: Annotated[f.Name | None, ROLLOUT] = Field(
        None, description="Strategy of rollouts that name none; without one: the fields' own defaults."
    )


class BackupEntry(Entry):
    """What a tier promises about its data. Days, weeks, months and years are UTC's; of each the newest point counts."""

    every_hours: Annotated[int, Field(ge=1, le=168), _SCHEDULE] = Field(
        default=_USUAL.every_hours, description="Hours from one scheduled recovery point to the next."
    )
    daily: Annotated[int, Field(ge=0, le=366), _KEEP] = Field(
        default=_USUAL.daily, description="Of how many days that have a point the newest is kept."
    )
    weekly: Annotated[int, Field(ge=0, le=260), _KEEP] = Field(
        default=_USUAL.weekly, description="The same of weeks (ISO 8601)."
    )
    monthly: Annotated[int, Field(ge=0, le=120), _KEEP] = Field(
        default=_USUAL.monthly, description="The same of months."
    )
    yearly: Annotated[int, Field(ge=0, le=30), _KEEP] = Field(default=_USUAL.yearly, description="The same of years.")
    copy_region: Annotated[f.Region | None, _COPIES] = Field(
        default=None, description="Another region that each point is copied to. Together with copy_key."
    )
    copy_key: Annotated[f.Key | None, _COPIES] = Field(
        default=None, description="KMS key of that region that encrypts the copies: alias/NAME or ARN."
    )
    rpo_minutes: Annotated[int, Field(ge=1, le=43200), RECORD] = Field(
        default=_USUAL.rpo_minutes, description="The most data that may be lost, in minutes; drills measure it."
    )
    rto_minutes: Annotated[int, Field(ge=1, le=10080), RECORD] = Field(
        default=_USUAL.rto_minutes, description="The most time that a restore may take, in minutes; drills measure it."
    )
    drill_days: Annotated[int, Field(ge=1, le=365), _SCHEDULE] = Field(
        default=_USUAL.drill_days, description="Days from one drill to the next."
    )
    keep_replaced_days: Annotated[int, Field(ge=1, le=90), _LATER] = Field(
        default=_USUAL.keep_replaced_days, description="How long a database that a restore replaced is kept."
    )
    grace_days: Annotated[int, Field(ge=0, le=90), _LATER] = Field(
        default=_USUAL.grace_days, description="How long an offboarded tenant is only suspended, and can come back."
    )
    final_days: Annotated[int, Field(ge=1, le=3650), _LATER] = Field(
        default=_USUAL.final_days, description="How long its final recovery point is kept after that."
    )


class TierEntry(Entry):
    """A commercial size: what it buys."""

    description: Annotated[f.Words | None, RECORD] = Field(None, description="For people who sell it.")
    instance_type: Annotated[f.MachineType, restart("EC2 stops the machine to resize it")] = Field(
        description="EC2 instance type."
    )
    root_disk_gib: Annotated[
        int, Field(ge=8, le=16384), live("EBS grows a disk in place and never shrinks it; smaller replaces the machine")
    ] = Field(description="The machine's disk, GiB.")
    front: Annotated[
        Literal["address", "balancer"],
        replace(
            "the address that customers reach is made anew", "provision apply; the DNS name stays, addresses don't"
        ),
    ] = Field(description="Elastic IP, or load balancer with a certificate.")
    database_class: Annotated[f.DatabaseClass, restart("RDS restarts or fails over to resize")] = Field(
        description="RDS instance class."
    )
    database_version: Annotated[
        f.PostgresVersion,
        restart("a new minor restarts the database; a new major is refused by RDS here and can't be taken back"),
    ] = Field(description='PostgreSQL: "17" follows minors, "17.4" stays.')
    database_storage_gib: Annotated[
        int, Field(ge=20, le=65536), live("RDS grows storage while it runs and never shrinks it")
    ] = Field(description="Storage at first, GiB.")
    database_max_storage_gib: Annotated[int, Field(ge=20, le=65536), live("it is a limit of autoscaling")] = Field(
        description="Up to where RDS grows it by itself, GiB; at least a tenth more than at first."
    )
    multi_az: Annotated[bool, live("RDS adds or drops the standby while it runs")] = Field(
        description="A standby in a second availability zone."
    )
    multi_region_key: Annotated[
        bool,
        forbidden("another kind of key is another key, and the database, encrypted by it, would be replaced", _MOVE),
    ] = Field(description="A KMS key that can have replicas in other regions.")
    backup_retention_days: Annotated[
        int,
        Field(ge=1, le=35),
        live("RDS keeps automated backups longer or shorter from then on; shorter deletes some"),
    ] = Field(description="How far back point-in-time restore goes.")
    log_retention_days: Annotated[f.LogDays, live("CloudWatch deletes what is older")] = Field(
        description="How long logs are kept; one of CloudWatch's own steps."
    )
    deletion_protection: Annotated[bool, live("it is a flag on resources")] = Field(
        description="Refuse deletes of what holds data."
    )
    backup: Annotated[BackupEntry, f.SECTION, live("see its fields", "nothing: it holds at once")] = Field(
        default_factory=BackupEntry, description="Recovery points: how often, how long, how fast, and when proven."
    )
    drift_hours: Annotated[int, Field(ge=1, le=168), _SCHEDULE] = Field(
        default=DRIFT_HOURS, description="Hours from one look for changes by hand to the next."
    )
    patch: Annotated[PatchEntry, f.SECTION, live("see its fields", "nothing: it holds at once")] = Field(
        default_factory=PatchEntry, description="Patches of the operating system: by when, and how often it is looked."
    )


class ReleaseEntry(Entry):
    """An immutable version of the product."""

    images: Annotated[
        dict[f.ImageKey, f.Words],
        Field(min_length=1),
        live("a region may be added; an image that tenants run must stay as it is"),
    ] = Field(description="Region -> AMI id; sandbox -> the release's directory, relative to this file.")
    schema_version: Annotated[int, Field(ge=0, le=1_000_000), _RELEASE] = Field(
        description="Version of the database's schema that it brings and needs."
    )
    migration: Annotated[Literal["none", "online", "offline"], _RELEASE] = Field(
        "none", description="What changes in the database, and whether the product runs meanwhile."
    )
    undo: Annotated[
        Literal["code-only", "needs-restore", "one-way"],
        live("an honest verdict may come late", "nothing: it holds at once"),
    ] = Field("code-only", description="What going back takes.")
    min_from: Annotated[f.Version | None, RECORD] = Field(None, description="Oldest release to upgrade from.")
    yanked: Annotated[f.Words | None, RECORD] = Field(None, description="Why nobody may be brought to it any more.")
    rebuilds: Annotated[
        dict[f.OsRelease, dict[f.ImageKey, f.Words]],
        f.SECTION,
        live("one may be added; images that tenants run must stay as they are", "provision patch plan"),
    ] = Field(default_factory=dict, description="The same release on newer operating systems: OS release -> images.")
    patch_hooks: Annotated[
        PatchHooksEntry, f.SECTION, live("the next installation of patches has them", "provision patch install")
    ] = Field(
        default_factory=PatchHooksEntry, description="What runs on its machines around an installation of patches."
    )


class OrganizationEntry(Entry):
    """A group of tenants under one owner."""

    name: Annotated[f.Words, RECORD] = Field(description="Its name for people.")


class PinEntry(Entry):
    """Why a tenant stays on its release, and until when. An expired pin still holds, with a warning."""

    reason: Annotated[f.Words, RECORD] = Field(description="Why.")
    name: Annotated[f.Words | None, RECORD] = Field(None, description="Who allowed it.")
    expires: Annotated[f.Date | None, RECORD] = Field(None, description="Last day on which nobody is reminded.")


class OverrideEntry(Entry):
    """One setting of one tenant that differs from its tier. An expired one is ignored, with a warning."""

    setting: Annotated[f.Setting, live("it means what tiers/*/SETTING means")] = Field(description="A tier's setting.")
    value: Annotated[f.SettingValue, live("it means what tiers/*/SETTING means")] = Field(description="Its value.")
    name: Annotated[f.Words, RECORD] = Field(description="Who allowed it.")
    reason: Annotated[f.Words, RECORD] = Field(description="Why.")
    expires: Annotated[f.Date | None, RECORD] = Field(None, description="Last day on which it holds.")


class WaiverEntry(Entry):
    """Permission for exactly one stateful change, which is refused otherwise."""

    resource: Annotated[f.Words, RECORD] = Field(
        description="Name of the resource in the stack, as `database`; for restore-into: id of the tenant that may "
        "be given this one's data."
    )
    operation: Annotated[Literal["replace", "delete", "create", "restore-into"], RECORD] = Field(
        description="What is allowed; create: to make it again empty where what was in it is lost."
    )
    name: Annotated[f.Words, RECORD] = Field(description="Who allowed it.")
    reason: Annotated[f.Words, RECORD] = Field(description="Why.")
    expires: Annotated[f.Date, RECORD] = Field(description="Last day on which it holds.")


class TenantEntry(Entry):
    """A customer with an instance of its own. What isn't said comes from the defaults."""

    name: Annotated[f.Words | None, RECORD] = Field(None, description="The customer's name for people.")
    tier: Annotated[
        f.Name | None, restart("each setting that differs between the tiers changes as tiers/*/SETTING says")
    ] = Field(None, description="Commercial size.")
    region: Annotated[f.Region | None, forbidden("a database can't move between regions", _MOVE)] = Field(
        None, description="Where it runs."
    )
    ring: Annotated[f.Ring | None, _TAG] = Field(None, description="0 internal, 1 early, 2 general, 3 late.")
    target: Annotated[f.Name | None, forbidden("another target is another account or cloud", _MOVE)] = Field(
        None, description="Place to run."
    )
    account: Annotated[f.Account | None, forbidden("another account is another cloud", _MOVE)] = Field(
        None, description="AWS account of its own, in place of the target's. Needs a role there."
    )
    role: Annotated[f.RoleArn | None, live("it is assumed from the next command on")] = Field(
        None, description="Role that is assumed for all work on this tenant, in place of the target's."
    )
    channel: Annotated[f.Name | None, live("apply never upgrades; a rollout does", "provision upgrade")] = Field(
        None, description="Follow this channel. Not together with release."
    )
    release: Annotated[
        f.Version | None,
        replace("a release is an image: the machine is made anew from it, data stays", "provision upgrade"),
    ] = Field(None, description="Stay on this release (a pin).")
    pin: Annotated[PinEntry | None, RECORD] = Field(None, description="Why it is pinned.")
    hold: Annotated[HoldEntry | None, HOLD] = Field(None, description="Its customer declines rollouts.")
    organization: Annotated[f.Name | None, _TAG] = Field(None, description="Who owns it.")
    window: Annotated[WindowEntry | None, RECORD] = Field(None, description="When it may be changed.")
    time_zone: Annotated[f.Words | None, RECORD] = Field(None, description="IANA name, as Europe/Berlin.")
    labels: Annotated[dict[f.LabelKey, f.LabelValue], Field(max_length=20), f.SECTION, _TAG] = Field(
        default_factory=dict, description="For selectors and reports."
    )
    overrides: Annotated[
        tuple[OverrideEntry, ...],
        Field(strict=False),
        restart("each means what tiers/*/SETTING means; when it expires, the tier's value comes back"),
    ] = Field((), description="Settings that differ from the tier's.")
    expires: Annotated[f.Date | None, RECORD] = Field(None, description="Last day of a trial.")
    waivers: Annotated[tuple[WaiverEntry, ...], Field(strict=False), RECORD] = Field(
        (), description="Stateful changes that are allowed."
    )
    patch_exceptions: Annotated[tuple[PatchExceptionEntry, ...], Field(strict=False), RECORD] = Field(
        (), description="Advisories that it may go without for a while."
    )


class RegistryFile(Entry):
    """All customers, and what they can have."""

    version: Annotated[int, Field(ge=1, le=1), forbidden("it says how to read this file", "leave it at 1")] = Field(
        description="Version of this format."
    )
    product: Annotated[ProductEntry, RECORD] = Field(description="What is sold.")
    targets: Annotated[dict[f.Name, TargetEntry], Field(min_length=1), _NAMES] = Field(description="Places to run.")
    defaults: Annotated[DefaultsEntry, live("see its fields")] = Field(description="For tenants that don't say.")
    tiers: Annotated[dict[f.Name, TierEntry], Field(min_length=1), _NAMES] = Field(description="Commercial sizes.")
    releases: Annotated[dict[f.Version, ReleaseEntry], Field(min_length=1), _NAMES] = Field(
        description="Versions of the product."
    )
    channels: Annotated[
        dict[f.Name, f.Version],
        Field(min_length=1),
        live("followers are offered the release; apply never upgrades, a rollout does", "provision upgrade"),
    ] = Field(description="Names that move along releases.")
    strategies: Annotated[dict[f.Name, Annotated[StrategyEntry, f.SECTION]], f.SECTION, _NAMES] = Field(
        default_factory=dict, description="How rollouts go through the fleet."
    )
    freezes: Annotated[tuple[FreezeEntry, ...], Field(strict=False), f.LIST, FREEZE] = Field(
        (), description="When nobody may be changed by a rollout."
    )
    os_releases: Annotated[OsReleasesEntry, f.SECTION, live("see its fields", "provision patch plan")] = Field(
        default_factory=OsReleasesEntry, description="Operating systems of machines that are patched by replacement."
    )
    notices: Annotated[dict[f.Name, Annotated[NoticeEntry, f.SECTION]], f.SECTION, NOTICE] = Field(
        default_factory=dict, description="Who is told when something needs a person."
    )
    organizations: Annotated[dict[f.Name, OrganizationEntry], f.SECTION, _NAMES] = Field(
        default_factory=dict, description="Groups of tenants under one owner."
    )
    tenants: Annotated[
        dict[f.TenantId, Annotated[TenantEntry, f.SECTION]],
        f.SECTION,
        forbidden(
            "an id is in the names of resources; an entry taken out destroys nothing and is reported as orphaned",
            "provision new-tenant and provision offboard",
        ),
    ] = Field(default_factory=dict, description="All customers, by id.")
