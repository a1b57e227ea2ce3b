"""Minor versions of a tenant's database, which come with its patches: in its window, after a recovery point, in waves.

A `database_version` without its minor ("17") follows them; an exact one ("17.4") stays until the registry says another.
"""

from provisioner.model.json import JsonDict
from provisioner.model.ports import Cloud, StepContext
from provisioner.model.tenant import Sizing
from provisioner.ops.awake import until
from provisioner.ops.house import House

UPGRADE_DEADLINE = 3600.0


def look(house: House, cloud: Cloud, tenant_id: str, sizing: Sizing) -> JsonDict | None:
    """Its `id` and `version`, and the `newest` minor that it should be brought to, None where there is none. None where
    there is no database."""
    fact = house.ledger.fact(tenant_id, "database")
    found = cloud.database(str(fact.value["id"])) if fact else None
    if found is None or found.version is None:
        return None
    follows = "." not in sizing.database_version
    newest = cloud.newest_minor(found.version) if follows else None
    return {"id": found.identifier, "version": found.version, "newest": newest}


def bring(house: House, ctx: StepContext, cloud: Cloud, identifier: str, version: str) -> None:
    """Bring it there, and wait until it can be used. Run again it goes on waiting. Raises TimedOutError,
    CancelledError."""

    def look() -> str | None:
        found = cloud.database(identifier)
        if found is not None and (found.version, found.status) == (version, "available"):
            return None
        if found is not None and found.status == "available":
            cloud.upgrade_database(identifier, version)
        return found.status if found else "it isn't there"

    until(house, ctx, look, f"PostgreSQL {version} of {identifier}", UPGRADE_DEADLINE)
