"""A process of its own that waits for the database's password and leaves it in the pgpass file.

What asks AWS takes more memory than the whole product; this process gives it back as soon as the password is there.
Each line on stdout says why it still waits. Arguments: where the secret is (an ARN, or file:///...), the file.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

_PAUSE, _LONGEST = 0.3, 3.0
_FILE = "file://"


def main(secret: str, file: Path) -> None:
    """Ask until there is an answer, or until nobody waits for it any more."""
    parent = os.getppid()
    ask = _source(secret)
    pause, last = _PAUSE, ""
    while os.getppid() == parent:
        try:
            password = _password(ask())
            if password is not None:
                return write(file, password)
            reason = "the secret is no JSON with a password"
        except LookupError as waiting:
            reason = str(waiting)
        if reason != last:
            print(reason, flush=True)  # noqa: T201 - the parent reads it
        last = reason
        time.sleep(pause)
        pause = min(pause * 1.1, _LONGEST)
    return None


def write(file: Path, password: str) -> None:
    """Replace the file in one step; it is never readable for others, nor half there."""
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".pgpass-")
    with os.fdopen(handle, "w") as out:
        if os.geteuid() == 0:
            # A command of the operator's may come first; the product reads the file under its own name.
            owner = file.parent.stat()
            os.fchown(out.fileno(), owner.st_uid, owner.st_gid)
        out.write(f"*:*:*:*:{escaped}\n")
    Path(name).replace(file)


def _password(text: str) -> str | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    password = value.get("password") if isinstance(value, dict) else None
    return password if isinstance(password, str) else None


def _source(secret: str) -> Callable[[], str]:
    """What gives the secret's text, or raises LookupError with the reason why it can't yet."""
    if secret.startswith(_FILE):
        return lambda: _read(Path(secret.removeprefix(_FILE)))
    # Only here: on premises there is no AWS, and nothing of it on the machine.
    from notes.manager import Manager

    return Manager(secret).ask


def _read(file: Path) -> str:
    try:
        if file.stat().st_mode & 0o077:
            raise LookupError(f"{file} can be read by others: chmod 600")
        return file.read_text()
    except OSError as error:
        raise LookupError(f"{file}: {error.strerror}") from None


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
