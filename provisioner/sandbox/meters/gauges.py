"""What a folder and a body's processes use, read from the host."""

import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_BLOCK = 512
# A client's backend says "postgres: user database host(port) state"; the server's own helpers have no such words.
_CLIENT = re.compile(rb"postgres: (?:\S+: )?\S+ \S+ (?:\S+\(\d+\)|\[local\]) ")


@dataclass(frozen=True, slots=True)
class Running:
    """A process: `seconds` of CPU that it and its ended children have had."""

    pid: int
    parent: int
    uid: int
    seconds: float


def folder_bytes(folder: Path) -> int:
    """What the files below take on the disk, as `du` counts. What comes and goes meanwhile is passed over."""
    total, todo = 0, [os.fspath(folder)]
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    size, is_folder = _entry(entry)
                    total += size
                    if is_folder:
                        todo.append(entry.path)
        except OSError:
            continue
    return total


def _entry(entry: "os.DirEntry[str]") -> tuple[int, bool]:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return 0, False
    return found.st_blocks * _BLOCK, stat.S_ISDIR(found.st_mode)


def processes() -> list[Running]:
    """All of the host."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            words = (folder / "stat").read_text().rpartition(")")[2].split()
            ticks = sum(int(word) for word in words[11:15])
            found.append(Running(int(folder.name), int(words[1]), folder.stat().st_uid, ticks / _TICKS))
        except OSError:  # it ended
            continue
    return found


def below(everything: Iterable[Running], root: int, uid: int | None = None) -> list[Running]:
    """The process `root` with all that descends from it, and whatever else runs under `uid`."""
    everything = list(everything)
    children: defaultdict[int, list[Running]] = defaultdict(list)
    for process in everything:
        children[process.parent].append(process)
    todo = [p for p in everything if p.pid == root or p.uid == uid]
    found: dict[int, Running] = {}
    while todo:
        process = todo.pop()
        if process.pid not in found:
            found[process.pid] = process
            todo += children[process.pid]
    return list(found.values())


def clients(postmaster: int, everything: Iterable[Running]) -> int:
    """Connections that a PostgreSQL server serves. Read from its processes' titles: to ask the server would be one
    more."""
    return sum(1 for p in everything if p.parent == postmaster and _CLIENT.match(_title(p.pid)))


def _title(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ") + b" "
    except OSError:
        return b""
