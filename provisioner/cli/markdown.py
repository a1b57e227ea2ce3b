"""Results as Markdown, for a pull request's comment or a run's summary. Only some have that form."""

import re
from collections.abc import Iterable, Sequence
from functools import singledispatch
from typing import Any

LONGEST = 60_000
"""GitHub takes 65,536 characters in a comment."""
_NAMED = 12
_SPECIAL = re.compile(r"([\\`*_\[\]|~])")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


@singledispatch
def markdown(result: Any) -> str:
    """One kind of result. Raises TypeError for one without this form: its command refuses it before."""
    raise TypeError(f"no Markdown for {type(result).__name__}")


def words(value: object) -> str:
    """Text in which nothing is markup, on one line: people wrote it, and a table has no other lines."""
    text = "".join(_HTML.get(c, c) for c in " ".join(str(value).split()))
    return _SPECIAL.sub(r"\\\1", text)


def named(tenants: Sequence[str]) -> str:
    """The number of tenants, and the names of the first ones."""
    shown = ", ".join(f"`{t}`" for t in tenants[:_NAMED])
    return f"{len(tenants)}: {shown}" + (f" and {len(tenants) - _NAMED} more" if len(tenants) > _NAMED else "")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> str:
    """Cells are Markdown already. Rows that have no room are counted; `room` is in characters."""
    lines, left = [_row(columns), _row(["---"] * len(columns))], room
    for number, row in enumerate(rows):
        line = _row(row)
        left -= len(line) + 1
        if left < 0:
            return "\n".join([*lines, "", f"... and {len(rows) - number} more: `--output json` has them all."])
        lines.append(line)
    return "\n".join(lines)


def folded(title: str, body: str) -> str:
    """Shown when it is clicked at."""
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def document(parts: Iterable[str]) -> str:
    """Paragraphs."""
    return "\n\n".join(part for part in parts if part) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
