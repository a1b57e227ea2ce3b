"""Programs that stand before the real ones on PATH and put an end to install.sh in the middle of its work."""

import shutil
from pathlib import Path

_SHIM = """#!/bin/sh
case "{name} $*" in {pattern}) ;; *) exec '{real}' "$@" ;; esac
echo x >> '{folder}/hit'
if [ '{whole}' = 1 ]; then
  [ '{after}' = 0 ] || '{real}' "$@"
  kill -9 0
fi
read -r _ _ _ _ _ session _ < /proc/self/stat
kill -9 "$session"
sleep 1.5
exec '{real}' "$@"
"""


def shim(folder: Path, path: str, pattern: str, *, after: bool = True, whole: bool = True) -> Path:
    """A folder to be put first on PATH: where install.sh calls what matches `pattern` (a shell's; its first word is the
    program), everything that it started dies, `after` the program has run or before. Without `whole` only the script
    itself dies, and the program runs a while later."""
    folder.mkdir()
    name = pattern.split(maxsplit=1)[0]
    real = shutil.which(name, path=path)
    assert real, name
    words = {"folder": folder, "name": name, "real": real, "after": int(after), "whole": int(whole)}
    (folder / name).write_text(_SHIM.format(pattern=pattern.replace(" ", "\\ "), **words))
    (folder / name).chmod(0o755)
    return folder


def hits(folder: Path) -> int:
    """How often it matched."""
    return len((folder / "hit").read_text().splitlines())
