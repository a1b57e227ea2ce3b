"""The cluster that every new database begins as: made once, with the roles that RDS has, then copied."""

import hashlib
import os
import secrets
import shutil
import subprocess
from pathlib import Path

from provisioner.model.errors import SandboxError
from provisioner.sandbox.databases.binaries import Binaries
from provisioner.sandbox.launch import Launcher

ADMIN = "rdsadmin"
_NOBODY = 65_534  # initdb wants a user of the passwd file, and refuses root

# What RDS gives to its master user in place of a superuser's rights.
_POWERS = ("pg_monitor", "pg_signal_backend", "pg_checkpoint", "pg_use_reserved_connections", "pg_create_subscription",
           "pg_maintain")  # fmt: skip
# RDS lets the master user create these; PostgreSQL keeps them for superusers: they are there already.
_EXTENSIONS = ("pg_stat_statements", "pg_buffercache", "pgstattuple", "amcheck")
_ROLES = [
    *(f"CREATE ROLE {name}" for name in ("rds_superuser", "rds_password", "rds_replication")),
    *(f"GRANT {power} TO rds_superuser WITH ADMIN OPTION" for power in (*_POWERS, "rds_password", "rds_replication")),
]
# On RDS whoever is in rds_superuser may run amcheck; PostgreSQL keeps its functions for superusers.
_AMCHECK = (
    "DO $$ DECLARE f regprocedure; BEGIN FOR f IN SELECT objid FROM pg_depend WHERE deptype = 'e' "
    "AND classid = 'pg_proc'::regclass AND refclassid = 'pg_extension'::regclass "
    "AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'amcheck') "
    "LOOP EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO rds_superuser', f); END LOOP; END $$"
)
_INITDB = (
    *("--username", ADMIN, "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
    *("--wal-segsize=1", "--no-sync", "--data-checksums", "--no-instructions", "--auth=trust"),
)
# What each database of the template gets, in the order in which roles are there before they are granted anything.
_STATEMENTS = {
    name: (*roles, *(f"CREATE EXTENSION {extension}" for extension in _EXTENSIONS), _AMCHECK)
    for name, roles in (("template1", _ROLES), ("postgres", ()))
}


def make(launcher: Launcher, binaries: Binaries, folder: Path) -> Path:
    """The template's data folder below `folder`, made if it isn't there. About 0.9 s the first time.

    Its name says what it was made with: a template of an earlier version of this is deleted, not used.
    """
    done = folder / f"template-{binaries.version}-{_digest()}"
    if done.exists():
        return done
    for old in folder.glob("template-*"):
        shutil.rmtree(old, ignore_errors=True)
    draft = draft_of(done)
    draft.mkdir(mode=0o700)
    uid = _NOBODY if launcher.own_uids else os.geteuid()
    if uid == 0:
        raise SandboxError(
            "PostgreSQL doesn't run as root, and this host lets root give no other uid",
            hint="run as an ordinary user",
        )
    os.chown(draft, uid, -1)
    _initdb(launcher, binaries, draft, uid)
    for database, statements in _STATEMENTS.items():
        launcher.run(
            [binaries.program("postgres"), "--single", "-D", str(draft), "-c", "exit_on_error=on", database],
            uid=uid, reach=[binaries.root], writable=[draft], text="".join(f"{line}\n" for line in statements),
        )  # fmt: skip
    draft.rename(done)
    return done


def draft_of(target: Path) -> Path:
    """A name to build `target` under; what an earlier attempt left is deleted.

    Each attempt has a name of its own: a `cp` or `pg_basebackup` that outlived a killed daemon may still be writing.
    """
    for old in target.parent.glob(f"{target.name}.part-*"):
        shutil.rmtree(old, ignore_errors=True)
    return target.with_name(f"{target.name}.part-{secrets.token_hex(4)}")


def copy(source: Path, target: Path, uid: int) -> None:
    """Copy a whole folder and give it to `uid`; sparse and shared blocks where the file system can."""
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(target)], check=True, capture_output=True)
    own(target, uid)


def own(folder: Path, uid: int) -> None:
    """Give a folder and all that is in it to `uid`; only root can, and others needn't."""
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", f"{uid}:{uid}", str(folder)], check=True, capture_output=True)


def _digest() -> str:
    return hashlib.sha256(repr((_INITDB, _STATEMENTS)).encode()).hexdigest()[:8]


def _initdb(launcher: Launcher, binaries: Binaries, draft: Path, uid: int) -> None:
    launcher.run(
        [binaries.program("initdb"), "-D", str(draft), *_INITDB],
        uid=uid, reach=[binaries.root], writable=[draft],
    )  # fmt: skip
