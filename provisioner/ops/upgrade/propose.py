"""Before an upgrade: whether it may be, and what it is frozen with. Nothing is changed here."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from provisioner.model.errors import RefusedError, UsageError
from provisioner.model.json import JsonDict
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.recovery import PointKind
from provisioner.model.rollout.strategy import Gate
from provisioner.model.rollout.verdict import combined
from provisioner.model.tenant import Release, Tenant
from provisioner.model.versions import version_key
from provisioner.ops.backup import active
from provisioner.ops.cut_off import refuse_cut_off
from provisioner.ops.desired import freeze, known_os, present_args, present_digest
from provisioner.ops.house import House, RegistryView
from provisioner.ops.operations import stuck
from provisioner.ops.points import wanted
from provisioner.ops.upgrade.stages import goal_of
from provisioner.ops.waivers import freeze_waivers


def propose(
    house: House,
    registry: RegistryView,
    tenant: Tenant,
    version: str,
    operation_id: str,
    gate: Gate,
    *,
    rebuild: bool = False,
    os_release: str | None = None,
    **more: Any,
) -> JsonDict:
    """The frozen input of an `upgrade`. `more` goes into the payload as it is: `mends` of one whose present release is
    ill, and shall be left for that. One that an earlier upgrade left stuck is mended by any that it may have.
    `rebuild`: to another image of the same release, on this OS release (None: the one that it was published with).

    Raises UsageError for a tenant that isn't active or has the release already, RefusedError for a release that it may
    not be brought to.
    """
    mends = stuck(house, tenant.id) is not None
    current = active(house, tenant.id, "upgraded", *([Lifecycle.FAILED] if mends else []))
    record = house.ledger.tenant(tenant.id)
    refuse_cut_off(house, tenant.id, "upgraded")
    release, present = registry.release(version), registry.release(current)
    if not rebuild:
        check(tenant, present, release, registry.releases)
        os_release = _ring_os(registry, tenant, release)
    before = present_args(house, registry, tenant, current)
    image = house.image(tenant.target, release, tenant.region, os_release)
    goal = goal_of(before, release.version, release.schema_version, image)
    policy, now = tenant.backup, house.clock.now()
    forward = version_key(version) > version_key(current)
    migration, undo = combined(registry.releases, current, release) if forward else ("none", "code-only")
    return freeze(
        house,
        registry,
        tenant,
        goal,
        digest=present_digest(house, tenant, current, version),
        before=asdict(before),
        gate=asdict(gate),
        migration=migration,
        undo=undo,
        point=wanted(tenant.id, policy, operation_id, PointKind.BEFORE_UPGRADE, now, days=policy.keep_replaced_days),
        waivers=freeze_waivers(tenant),
        operation=operation_id,
        os={"after": os_release, "before": known_os(house, tenant.id, current)},
        was=str(record.lifecycle) if record else str(Lifecycle.ACTIVE),
        **{**more, "mends": mends or bool(more.get("mends"))},
    )


def _ring_os(registry: RegistryView, tenant: Tenant, release: Release) -> str | None:
    """The OS release of its ring, where its machines are replaced to be patched, and the release has an image of it: an
    upgrade takes no patch away."""
    wanted = registry.os_releases.get(tenant.ring) if tenant.patch.way == "replace" else None
    place = tenant.target.place(tenant.region)
    return wanted if place in release.images_on(wanted) else None


def check(tenant: Tenant, present: Release, release: Release, releases: Mapping[str, Release]) -> None:
    """Raise UsageError or RefusedError where the tenant may not be moved from one release to the other. `releases`: all
    that there are."""
    if release.version == present.version:
        raise UsageError(f"tenant {tenant.id} is on {release.version} already", hint=f"provision show {tenant.id}")
    if release.yanked is not None:
        raise RefusedError(
            f"release {release.version} is yanked: {release.yanked}; nothing was changed",
            hint="choose another release",
        )
    if version_key(release.version) < version_key(present.version):
        _, undo = combined(releases, release.version, present)
        if undo != "code-only":
            raise RefusedError(
                f"{present.version} can't be taken back to {release.version} by its code alone (undo: {undo}); nothing "
                "was changed",
                hint=f"provision restore {tenant.id} --to RECOVERY-POINT; provision backup list {tenant.id}",
            )
        return
    if release.min_from is not None and version_key(present.version) < version_key(release.min_from):
        raise RefusedError(
            f"tenant {tenant.id} is on {present.version}, and {release.version} can only be reached from "
            f"{release.min_from} or later; nothing was changed",
            hint=f"provision upgrade {tenant.id} --to {release.min_from}",
        )
