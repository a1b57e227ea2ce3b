"""What somebody with access to the database itself could do to the journal."""

import sqlalchemy as sa

from provisioner.ledger.store import SqlLedger


def without_triggers(ledger: SqlLedger, statement: str) -> None:
    """Run a statement that the journal's triggers would forbid."""
    with ledger._database.write() as connection:
        if connection.dialect.name == "sqlite":
            names = connection.execute(sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
            for name in names:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            connection.exec_driver_sql("ALTER TABLE journal DISABLE TRIGGER USER")
        connection.exec_driver_sql(statement.replace("%", "%%"))
