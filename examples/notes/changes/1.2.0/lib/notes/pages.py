"""The page, as HTML that needs no JavaScript. Everything from outside is escaped."""

from html import escape
from typing import Any

from notes.settings import Settings
from notes.store import LONGEST

_STYLE = """
body { max-width: 40rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; color: #222 }
textarea { width: 100%; box-sizing: border-box; font: inherit }
ol { list-style: none; padding: 0 } li { border-top: 1px solid #ddd; padding: .5rem 0 }
p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere } small { color: #666 }
.pinned { border-left: 4px solid #c80; padding-left: .75rem }
"""


def page(settings: Settings, notes: list[dict[str, Any]]) -> str:
    """All notes and a form for a new one."""
    items = "\n".join(_item(note) for note in notes) or "<li>No notes yet.</li>"
    return _frame(
        settings,
        f"""<form method="post" action="/">
<label for="body">A new note</label>
<textarea id="body" name="body" rows="3" maxlength="{LONGEST}" required></textarea>
<button>Keep it</button>
</form>
<p><small>{_count(notes)}</small></p>
<ol>
{items}
</ol>""",
    )


def sorry(settings: Settings, problem: str) -> str:
    """What a person sees when the notes can't be shown."""
    return _frame(settings, f'<p role="alert">{escape(problem)}</p>')


def _count(notes: list[dict[str, Any]]) -> str:
    return "1 note" if len(notes) == 1 else f"{len(notes)} notes"


def _item(note: dict[str, Any]) -> str:
    when = escape(note["created_at"][:16].replace("T", " "))
    kind, verb = (' class="pinned"', "Unpin") if note["pinned"] else ("", "Pin")
    return f"""<li{kind}><p>{escape(note["body"])}</p>
<form method="post" action="/pin"><small>{when} UTC</small>
<button name="id" value="{note["id"]}">{verb}</button></form></li>"""


def _frame(settings: Settings, content: str) -> str:
    tenant = escape(settings.tenant)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Notes of {tenant}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Notes of {tenant}</h1>
{content}
<footer><small>Release {escape(settings.release)}</small></footer>
</body>
</html>
"""
