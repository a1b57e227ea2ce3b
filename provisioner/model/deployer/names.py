"""Names of what can't be held by a tag: exact ones, since `provision-acme-*` would be `acme-b`'s too.

They are those that `stacks/` gives; a test compares the two. No name ends like another behind a hyphen, so that none of
them can be read as another tenant's.
"""

from provisioner.model.deployer.place import TENANT, Place

ROLES = ("database-monitoring", "flow-log", "machine")
TOPICS = ("alarms",)
ALARMS = (
    "balancer-errors",
    "balancer-unhealthy",
    "database-connections",
    "database-cpu",
    "database-cpu-credit",
    "database-memory",
    "database-space",
    "machine-cpu",
    "machine-cpu-credit",
    "machine-disk",
    "machine-status",
)
DRILL = "d??????-machine"
"""The machine of a drill beside the tenant's own. No tenant's id may end so (registry/fields.py)."""


def physical(part: str, tenant: str = TENANT) -> str:
    """As `stacks.scope.Scope.physical`."""
    return f"provision-{tenant}-{part}"


def roles(place: Place) -> list[str]:
    """ARNs of the tenant's roles."""
    return [place.arn("iam", f"role/{physical(part)}", region="") for part in (*ROLES, DRILL)]


def profiles(place: Place) -> list[str]:
    """ARNs of its machines' instance profiles."""
    return [place.arn("iam", f"instance-profile/{physical(part)}", region="") for part in ("machine", DRILL)]


def topics(place: Place) -> list[str]:
    """ARNs of its topics."""
    return [place.arn("sns", physical(part)) for part in TOPICS]


def alarms(place: Place) -> list[str]:
    """ARNs of its alarms."""
    return [place.arn("cloudwatch", f"alarm:{physical(part)}") for part in ALARMS]
