"""Alembic's entry: migrates over the connection that `provisioner.ledger.migrate` hands over, in its transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
