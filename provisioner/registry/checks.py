"""What no field knows by itself: names that must exist, the order of releases, time zones, sizes, dates."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from typing import Any

from pydantic import ValidationError

from provisioner.model.suggest import did_you_mean, suggest
from provisioner.model.versions import version_key
from provisioner.registry import fields as f
from provisioner.registry.nodes import Document, Steps
from provisioner.registry.problems import Problem, registry_error
from provisioner.registry.resolve import holds, region_of
from provisioner.registry.rollouts import rollout_problems, rollout_warnings
from provisioner.registry.schema import (
    BackupEntry,
    OverrideEntry,
    RegistryFile,
    ReleaseEntry,
    TargetEntry,
    TenantEntry,
    TierEntry,
)
from provisioner.registry.validate import validate, words

_GROWS_ONLY = {"root_disk_gib", "database_storage_gib", "database_version", "multi_region_key"}
"""Settings that can't go back: an override of them must not end by itself."""
_OPTIONAL = {"notices", "organizations", "strategies"}
"""Sections that a registry may do without."""


def examine(document: Document, today: date) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """The registry as plain JSON with the schema's defaults filled in, and warnings. Raises RegistryError with all
    problems: the schema's, and those between entries that the schema has nothing against."""
    file, problems = validate(document)
    checks = _Checks(document, file, today)
    problems += checks.problems()
    if problems:
        raise registry_error(document.file, problems)
    return file.model_dump(mode="json", by_alias=True), tuple(checks.warnings())


class _Checks:
    def __init__(self, document: Document, file: RegistryFile, today: date) -> None:
        self._document = document
        self._file = file
        self._today = today
        self._at = document.problem
        self._imageless: dict[tuple[str, str], list[Steps]] = {}

    def problems(self) -> Iterator[Problem]:
        for target_name, target in self._file.targets.items():
            yield from self._target(target_name, target)
        yield from self._defaults()
        for tier_name, tier in self._file.tiers.items():
            yield from self._storage(("tiers", tier_name, "database_max_storage_gib"), tier)
            yield from self._backup(("tiers", tier_name, "backup"), tier.backup)
        yield from self._releases()
        for channel, release in self._file.channels.items():
            yield from self._offered(("channels", channel), release)
        for tenant_id, tenant in self._file.tenants.items():
            yield from self._tenant(("tenants", tenant_id), tenant)
        yield from self._images()
        yield from self._quotas()
        yield from self._os_releases()
        yield from rollout_problems(self._document, self._file)

    def warnings(self) -> Iterator[Problem]:
        for tenant_id, tenant in self._file.tenants.items():
            path = ("tenants", tenant_id)
            if tenant.expires and tenant.expires < self._today:
                yield self._at((*path, "expires"), "this tenant has expired", f"provision offboard {tenant_id}")
            if tenant.pin and tenant.pin.expires and tenant.pin.expires < self._today:
                hint = "take release and pin out, or give the pin a later date"
                yield self._at((*path, "pin", "expires"), "this pin has expired, and still holds", hint)
            yield from rollout_warnings(self._document, tenant_id, tenant, self._today)
            for kind in ("overrides", "waivers", "patch_exceptions"):
                for number, item in enumerate(getattr(tenant, kind)):
                    if item.expires and item.expires < self._today:
                        what = kind[:-1].replace("_", " ")
                        fact = f"this {what} has expired, and is ignored"
                        yield self._at((*path, kind, number, "expires"), fact, "delete it, or give it a later date")

    def _target(self, name: str, target: TargetEntry) -> Iterator[Problem]:
        if target.cloud == "aws":
            examples = {"account": "its 12 digits, in quotes", "state": "s3://BUCKET", "secrets": "awskms://KEY"}
            for field, example in examples.items():
                if getattr(target, field) is None:
                    yield self._at(("targets", name, field), "is missing, and cloud aws needs it", f"as {example}")
            yield from self._role(("targets", name, "role"), target.role, target.account)
        elif target.role:
            yield self._at(("targets", name, "role"), "has no meaning on the sandbox", "take it out", at_key=True)

    def _role(self, path: Steps, role: str | None, account: str | None) -> Iterator[Problem]:
        """A role of another account than the one that is worked in would be refused only after much work."""
        if role and account and role.split(":")[4] != account:
            yield self._at(
                path, f"is a role of account {role.split(':')[4]}, not of {account}", "name one of that account"
            )

    def _defaults(self) -> Iterator[Problem]:
        defaults = self._file.defaults
        yield from self._known("targets", ("defaults", "target"), defaults.target)
        yield from self._known("tiers", ("defaults", "tier"), defaults.tier)
        yield from self._known("channels", ("defaults", "channel"), defaults.channel)
        yield from self._zone(("defaults", "time_zone"), defaults.time_zone)
        yield from self._known("strategies", ("defaults", "strategy"), defaults.strategy)
        everywhere = {r for t in self._file.targets.values() for r in t.regions}
        if defaults.region and everywhere and defaults.region not in everywhere:
            fact = f"no target has region '{defaults.region}'"
            yield self._at(("defaults", "region"), fact, suggest(defaults.region, everywhere, "regions"))

    def _releases(self) -> Iterator[Problem]:
        before: ReleaseEntry | None = None
        for version in sorted(self._file.releases, key=version_key):
            release = self._file.releases[version]
            path = ("releases", version)
            yield from self._amis((*path, "images"), release.images)
            for name, images in release.rebuilds.items():
                yield from self._amis((*path, "rebuilds", name), images)
            yield from self._schema_order((*path, "schema_version"), before, release)
            if release.min_from is not None:
                yield from self._known("releases", (*path, "min_from"), release.min_from)
                if version_key(release.min_from) >= version_key(version):
                    fact = f"must be an earlier release than {version}, not '{release.min_from}'"
                    yield self._at((*path, "min_from"), fact, "it is the oldest release to upgrade from")
            before = release

    def _amis(self, path: Steps, images: Mapping[str, str]) -> Iterator[Problem]:
        for region, image in images.items():
            if region != "sandbox" and not re.fullmatch(r"ami-[0-9a-f]{8,17}", image):
                yield self._at((*path, region), f"must be an AMI id like ami-0123456789abcdef0, not '{image}'")

    def _os_releases(self) -> Iterator[Problem]:
        known = {name for release in self._file.releases.values() for name in release.rebuilds}
        for ring in range(4):
            name = getattr(self._file.os_releases, f"ring_{ring}")
            if name is not None and name not in known:
                fact = f"no release has a rebuild on '{name}'"
                yield self._at(("os_releases", f"ring_{ring}"), fact, suggest(name, known, "OS releases"))

    def _schema_order(self, path: Steps, before: ReleaseEntry | None, release: ReleaseEntry) -> Iterator[Problem]:
        if before is None:
            return
        if release.schema_version < before.schema_version:
            fact = f"goes back from {before.schema_version} to {release.schema_version}"
            yield self._at(path, fact, "schemas only go forward; undo a change with a new version")
        elif release.schema_version > before.schema_version and release.migration == "none":
            hint = f"the schema goes from {before.schema_version} to {release.schema_version}: online or offline"
            yield self._at((*path[:-1], "migration"), "must not be none", hint)

    def _offered(self, path: Steps, version: str) -> Iterator[Problem]:
        """A release that somebody will be brought to: it exists and isn't yanked."""
        yield from self._known("releases", path, version)
        release = self._file.releases.get(version)
        if release is not None and release.yanked:
            yield self._at(path, f"release {version} is yanked: {release.yanked}", "choose another release")

    def _tenant(self, path: Steps, tenant: TenantEntry) -> Iterator[Problem]:
        yield from self._known("tiers", (*path, "tier"), tenant.tier)
        yield from self._known("targets", (*path, "target"), tenant.target)
        yield from self._known("channels", (*path, "channel"), tenant.channel)
        yield from self._known("organizations", (*path, "organization"), tenant.organization)
        yield from self._zone((*path, "time_zone"), tenant.time_zone)
        if tenant.release and tenant.channel:
            yield self._at((*path, "channel"), "can't stand together with release", "follow a channel or pin a release")
        if tenant.pin and not tenant.release:
            yield self._at(
                (*path, "pin"), "is there without a release to pin", "add release, or delete it", at_key=True
            )
        if tenant.release:
            yield from self._offered((*path, "release"), tenant.release)
        yield from self._place(path, tenant)
        yield from self._overrides(path, tenant)
        yield from self._consents(path, tenant)

    def _own_account(self, path: Steps, tenant: TenantEntry, target: TargetEntry) -> Iterator[Problem]:
        if target.cloud == "sandbox":
            for field in ("account", "role"):
                if getattr(tenant, field):
                    yield self._at((*path, field), "has no meaning on the sandbox", "take it out", at_key=True)
            return
        if tenant.account and not tenant.role:
            fact = "an account of its own needs a role there"
            yield self._at((*path, "account"), fact, f"add role: arn:aws:iam::{tenant.account}:role/NAME")
        yield from self._role((*path, "role"), tenant.role, tenant.account or target.account)

    def _place(self, path: Steps, tenant: TenantEntry) -> Iterator[Problem]:
        """The region is one of the target's, and the release has an image there."""
        target_name = tenant.target or self._file.defaults.target
        target = self._file.targets.get(target_name)
        if target is None:
            return
        yield from self._own_account(path, tenant, target)
        if tenant.region and tenant.region not in target.regions:
            fact = f"target {target_name} has no region '{tenant.region}'"
            yield self._at((*path, "region"), fact, suggest(tenant.region, target.regions, "regions"))
            return
        source = "release" if tenant.release else "channel"
        version = tenant.release or self._file.channels.get(tenant.channel or self._file.defaults.channel, "")
        release = self._file.releases.get(version)
        region = region_of(tenant.region, self._file.defaults.region, target.regions)
        place = "sandbox" if target.cloud == "sandbox" else region
        if release is not None and place not in release.images:
            self._imageless.setdefault((version, place), []).append((*path, source))
        tier_name = tenant.tier or self._file.defaults.tier
        if tier_name in self._file.tiers and self._file.tiers[tier_name].backup.copy_region == region:
            fact = f"is {region}, where tier {tier_name} copies recovery points to"
            yield self._at((*path, "region"), fact, "a copy must be elsewhere: choose a tier with another copy_region")

    def _images(self) -> Iterator[Problem]:
        """Once for all tenants that need the same image."""
        for (version, place), paths in self._imageless.items():
            others = f", and {len(paths) - 1} more need it" if len(paths) > 1 else ""
            fact = f"release {version} has no image for {place}{others}"
            yield self._at(paths[0], fact, f"add releases/{version}/images/{place}")

    def _overrides(self, path: Steps, tenant: TenantEntry) -> Iterator[Problem]:
        tier = self._file.tiers.get(tenant.tier or self._file.defaults.tier)
        if tier is None:
            return
        seen: set[str] = set()
        sound: dict[str, object] = {}
        for number, override in enumerate(tenant.overrides):
            here = (*path, "overrides", number)
            if override.setting in seen:
                fact = f"{override.setting} is overridden twice"
                yield self._at((*here, "setting"), fact, "keep one of them")
            seen.add(override.setting)
            if override.expires and override.setting in _GROWS_ONLY:
                hint = "leave expires out, and move the tenant to a tier that has it"
                yield self._at((*here, "expires"), f"{override.setting} can't go back when the override ends", hint)
            wrong = self._override_problem(tier, override, (*here, "value"))
            if wrong:
                yield wrong
            elif holds(override.expires, self._today):
                sound[override.setting] = override.value
        if "database_storage_gib" in sound or "database_max_storage_gib" in sound:
            number = next(i for i, o in enumerate(tenant.overrides) if o.setting in sound and "storage" in o.setting)
            yield from self._storage((*path, "overrides", number, "value"), tier.model_copy(update=sound))

    def _override_problem(self, tier: TierEntry, override: OverrideEntry, path: Steps) -> Problem | None:
        """The value under the rules of the tier's own field."""
        try:
            TierEntry.model_validate({**tier.model_dump(), override.setting: override.value})
        except ValidationError as error:
            rule = ("tiers", "*", override.setting)
            message, hint = words(error.errors(include_url=False)[0], rule, self._document.source(path))
            return self._at(path, f"as {override.setting}: {message}", hint)
        return None

    def _storage(self, path: Steps, tier: TierEntry) -> Iterator[Problem]:
        least = -(-tier.database_storage_gib * 11 // 10)
        if tier.database_max_storage_gib < least:
            fact = f"RDS needs database_max_storage_gib of {least} or more for {tier.database_storage_gib} GiB"
            yield self._at(path, f"{fact}, not {tier.database_max_storage_gib}", "a tenth more than at first")

    def _backup(self, path: Steps, backup: BackupEntry) -> Iterator[Problem]:
        if not any((backup.daily, backup.weekly, backup.monthly, backup.yearly)):
            fact = "keeps no recovery points: daily, weekly, monthly and yearly are all 0"
            yield self._at(path, fact, "set one of them to 1 or more", at_key=True)
        here = (*path, "copy_key")
        if backup.copy_region and not backup.copy_key:
            hint = f"as alias/NAME or the ARN of a KMS key in {backup.copy_region}"
            yield self._at(here, "is missing, and copy_region needs it", hint)
        elif backup.copy_key and not backup.copy_region:
            yield self._at(here, "has no meaning without copy_region", "add copy_region, or take it out", at_key=True)
        elif backup.copy_key and backup.copy_key.startswith("arn:"):
            region = backup.copy_key.split(":")[3]
            if region != backup.copy_region:
                fact = f"is a key in {region}, not in {backup.copy_region}"
                yield self._at(here, fact, "a copy is encrypted by a key of its own region")

    def _consents(self, path: Steps, tenant: TenantEntry) -> Iterator[Problem]:
        """Whose instance may be given this tenant's data; it may be one that is still to come."""
        for number, waiver in enumerate(tenant.waivers):
            if waiver.operation != "restore-into":
                continue
            here = (*path, "waivers", number, "resource")
            if not f.is_tenant_id(waiver.resource):
                fact = f"must be the id of a tenant for restore-into, not '{waiver.resource}'"
                yield self._at(here, fact, f"{f.WORDS[f.TENANT_ID]}; no reserved word")
            elif waiver.resource == path[-1]:
                yield self._at(here, "is this tenant itself", "its own data may always be restored into it")

    def _quotas(self) -> Iterator[Problem]:
        used = Counter(t.target or self._file.defaults.target for t in self._file.tenants.values())
        for name, target in self._file.targets.items():
            if used[name] > target.max_tenants:
                fact = f"{used[name]} tenants are on this target, more than {target.max_tenants}"
                yield self._at(("targets", name, "max_tenants"), fact, "raise it, or move tenants to another target")

    def _known(self, section: str, path: Steps, name: str | None) -> Iterator[Problem]:
        """`name` must be one of a section's. Empty stands for defaults that couldn't be read; a required section that
        isn't there is a problem of its own."""
        names = self._document.root.data.get(section) or ({} if section in _OPTIONAL else None)
        if name and isinstance(names, dict) and name not in names:
            kind = "strategy" if section == "strategies" else section[:-1]
            yield self._at(path, f"unknown {kind} '{name}'", suggest(name, names, section))

    def _zone(self, path: Steps, zone: str | None) -> Iterator[Problem]:
        if zone and not _is_zone(zone):
            yield self._at(path, f"unknown time zone '{zone}'", _near_zone(zone))


@cache
def _is_zone(name: str) -> bool:
    if name == "UTC":
        return True
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _near_zone(name: str) -> str:
    from zoneinfo import available_timezones

    return did_you_mean(name, available_timezones()) or "an IANA name like Europe/Berlin"
