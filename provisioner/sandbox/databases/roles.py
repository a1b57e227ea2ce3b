"""The master user as RDS makes it: may create databases and roles, is in `rds_superuser`, is no superuser."""

from typing import Any

from provisioner.sandbox.databases.cluster import Cluster


def make_master(cluster: Cluster, user: str, password: str | None, database: str | None) -> None:
    """The master role with its password, and the initial database; what is there already stays."""
    from psycopg.sql import SQL, Identifier

    name = Identifier(user)
    with cluster.connect() as connection:
        if not _there(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", user):
            connection.execute(SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE VALID UNTIL 'infinity'").format(name))
        connection.execute(SQL("GRANT rds_superuser TO {} WITH ADMIN OPTION").format(name))
        for own in ("postgres", "template1"):
            connection.execute(SQL("ALTER DATABASE {} OWNER TO {}").format(Identifier(own), name))
        if database and not _there(connection, "SELECT 1 FROM pg_database WHERE datname = %s", database):
            # Copied as files: the WAL stays small.
            create = SQL("CREATE DATABASE {} OWNER {} STRATEGY file_copy")
            connection.execute(create.format(Identifier(database), name))
    if password:
        set_password(cluster, user, password)


def set_password(cluster: Cluster, user: str, password: str) -> None:
    """Give a role a password. The server, and so its log, sees the verifier only."""
    from psycopg.sql import SQL, Identifier, Literal

    with cluster.connect() as connection:
        verifier = connection.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256").decode()
        connection.execute(SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(user), Literal(verifier)))


def _there(connection: Any, query: str, name: str) -> bool:
    return connection.execute(query, [name]).fetchone() is not None
