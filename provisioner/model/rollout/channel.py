"""Whether a channel moves to a release when its rollout is over: new tenants get what most of its followers run on.

Followers are those of this target that have an instance and aren't pinned.
"""

from collections.abc import Iterable

from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.progress import Row, wave_name
from provisioner.model.rollout.states import StepState


def stays(plan: RolloutPlan, rows: Iterable[Row]) -> str | None:
    """Why the channel of a rollout that is done stays where it is; None where it moves."""
    if plan.channel is None:
        return plan.stays
    moved = {row.tenant for row in rows if row.state is StepState.SUCCEEDED}
    for wave in plan.waves[-1:]:
        if moved.isdisjoint(t.id for t in wave.tenants):
            return f"nobody of {wave_name(wave)} was moved"
    there, followers = len(moved) + plan.there, len(plan.tenants) + plan.there + plan.behind
    return None if most(there, followers) else f"only {there} of its {followers} followers are on {plan.release}"


def most(there: int, followers: int) -> bool:
    """Whether so many of its followers are enough."""
    return 2 * there >= followers
