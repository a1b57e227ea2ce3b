"""SHA256SUMS: the lines that `sha256sum --check` reads (coreutils, "md5sum invocation": its escapes)."""

from collections.abc import Mapping

_ESCAPES = {"\\": "\\\\", "\n": "\\n"}


def lines(digests: Mapping[str, str]) -> str:
    """Path -> SHA-256 as text, sorted by path."""
    return "".join(_line(path, digest) for path, digest in sorted(digests.items()))


def parse(text: str) -> dict[str, str]:
    """The reverse of `lines`. Raises ValueError for a line that isn't one."""
    found = {}
    for line in filter(None, text.split("\n")):
        digest, _, name = line.removeprefix("\\").partition("  ")
        if len(digest) != 64 or not name:
            raise ValueError(f"no line of SHA256SUMS: {line!r}")
        found[_unescaped(name) if line.startswith("\\") else name] = digest
    return found


def _line(path: str, digest: str) -> str:
    escaped = "".join(_ESCAPES.get(c, c) for c in path)
    return f"{'' if escaped == path else chr(92)}{digest}  {escaped}\n"


def _unescaped(name: str) -> str:
    return "\\".join(part.replace("\\n", "\n") for part in name.split("\\\\"))
