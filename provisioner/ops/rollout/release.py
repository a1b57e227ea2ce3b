"""Whether a rollout's release is still what it was when it was planned."""

from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.plan import release_digest
from provisioner.ops.house import RegistryView


def changed(registry: RegistryView, plan: RolloutPlan) -> str | None:
    """Why nobody more may be moved to it. A release never changes: where it did, nobody knows what it is now. Patches
    are no release: what is missing is looked for on each machine."""
    if plan.work == "patch":
        return None
    version = plan.release
    if version not in registry.releases:
        return f"release {version} is gone from the registry"
    release = registry.release(version)
    if release.yanked is not None:
        return f"release {version} is yanked: {release.yanked}"
    if release_digest(release) != plan.release_digest:
        return f"release {version} is described otherwise in the registry than when the rollout was started"
    return None
