"""Whether a rollout's release, and its channel, are still what they were when it was planned."""

from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.plan import release_digest
from provisioner.model.versions import version_key
from provisioner.ops.house import RegistryFile, RegistryView


def changed(registry: RegistryView, plan: RolloutPlan) -> str | None:
    """Why nobody more may be moved to it. A release never changes: where it did, nobody knows what it is now."""
    version = plan.release
    if version not in registry.releases:
        return f"release {version} is gone from the registry"
    release = registry.release(version)
    if release.yanked is not None:
        return f"release {version} is yanked: {release.yanked}"
    if release_digest(release) != plan.release_digest:
        return f"release {version} is described otherwise in the registry than when the rollout was started"
    return None


def move_channel(file: RegistryFile, plan: RolloutPlan) -> str | None:
    """New tenants get the release from now on. Returns why not; where somebody has moved the channel further meanwhile,
    it stays there."""
    if plan.channel is None:
        return None
    registry = file.load()
    why = changed(registry, plan)
    if why is not None:
        return why
    present = registry.channels.get(plan.channel)
    if present is None:
        return f"channel {plan.channel} is gone from the registry"
    if version_key(present) < version_key(plan.release):
        file.move_channel(plan.channel, plan.release)
    return None
