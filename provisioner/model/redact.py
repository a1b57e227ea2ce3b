"""Texts that others wrote, as the end of a machine's stderr, without passwords and without customers' data: such texts
get onto the record, into terminals, and into the logs of a CI."""

import re

URL_PASSWORD = re.compile(r"://[^/@:\s]*:[^/@\s]+@")
_NAMES = (
    r"\w*(?:password|passwd|passphrase|pwd|secret_?(?:string|value|binary|key|access_?key)|private_?key|api_?key|token)"
)
_VALUE = r"(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s'\",;&})\]]+)"
# PostgreSQL's own lines: those that quote the data that a statement met end where the next one begins.
_LABELS = r"(?:ERROR|FATAL|PANIC|WARNING|NOTICE|DETAIL|HINT|CONTEXT|STATEMENT|QUERY|LOCATION|LINE \d+)"
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (URL_PASSWORD, "://***@"),
    (re.compile(rf"(?i)\b({_NAMES}[\"']?\s*(?:=|:\s))\s*(?!\*\*\*){_VALUE}"), r"\1***"),
    (re.compile(rf"(?i)([\"']{_NAMES}[\"']\s*:\s*)(?!\*\*\*){_VALUE}"), r"\1***"),
    (
        re.compile(rf"(?ms)^([^\n]*?\b(?:DETAIL|CONTEXT|STATEMENT|QUERY):\s+).*?(?=\n[^\n]*?\b{_LABELS}:|\Z)"),
        r"\1<data>",
    ),
    (re.compile(r"(?is)failing row contains \(.*?\)(?=\.?\s*(?:$|\n|[A-Z]{4}))"), "Failing row contains <row>"),
    (re.compile(r"\)=\([^\n]*?\)(?=[\s.,;]|$)"), ")=<data>"),
    (re.compile(r"(?i)(invalid input (?:syntax|value) for [^:\n]*: )\"[^\n]*\""), r"\1<data>"),
    (re.compile(r"(?s)(\[parameters: ).*?\](?=\s*(?:$|\n|\())"), r"\1<data>]"),
)


def redact(text: str) -> str:
    """The same text without them."""
    for pattern, mark in _PATTERNS:
        text = pattern.sub(mark, text)
    return text
