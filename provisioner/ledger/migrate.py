"""Bring a ledger to the newest revision. Imported only when it isn't there yet: alembic costs 0.3 s."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from provisioner.ledger.schema import HEAD
from provisioner.model.errors import ProvisionError


def upgrade(connection: sa.Connection, revision: str | None, name: str) -> None:
    """Migrate from `revision` (None: empty) within the caller's transaction, which holds the ledger's write lock.

    Raises ProvisionError where `revision` is newer than this program knows; nothing is changed then.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise ProvisionError(
            f"{name} was written by a newer provision (revision {revision}); this one knows up to {max(known)}",
            hint="install the newer version of provision",
        )
    command.upgrade(config, HEAD)
