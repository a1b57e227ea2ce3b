"""The cluster that every new database begins as: made once, with the roles that RDS has, then copied."""

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


def make(launcher: Launcher, binaries: Binaries, folder: Path) -> Path:
    """The template's data folder below `folder`, made if it isn't there. About 0.9 s the first time."""
    done = folder / f"template-{binaries.version}"
    if done.exists():
        return done
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
    for database in ("template1", "postgres"):
        extensions = [f"CREATE EXTENSION {name}" for name in _EXTENSIONS]
        statements = [*(_ROLES if database == "template1" else ()), *extensions]
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


def _initdb(launcher: Launcher, binaries: Binaries, draft: Path, uid: int) -> None:
    options = [
        "--username",
        ADMIN,
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
    ]
    cheap = ["--wal-segsize=1", "--no-sync", "--data-checksums", "--no-instructions", "--auth=trust"]
    launcher.run(
        [binaries.program("initdb"), "-D", str(draft), *options, *cheap],
        uid=uid, reach=[binaries.root], writable=[draft],
    )  # fmt: skip
