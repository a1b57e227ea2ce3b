"""Problems as annotations of GitHub Actions: `::error file=...,line=...,col=...::...`."""

import os

from provisioner.registry.problems import Problem

_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_DATA, ":": "%3A", ",": "%2C"}


def annotation(problem: object, workspace: str | None) -> str:
    """One problem, on one line. Files are named from the workspace on, where they are in it."""
    if not isinstance(problem, Problem):
        return f"::error::{_escaped(str(problem), _DATA)}"
    file = _escaped(_place(problem.file, workspace), _PROPERTY)
    words = _escaped(problem.without_position(), _DATA)
    return f"::error file={file},line={problem.line},col={problem.column}::{words}"


def _place(file: str, workspace: str | None) -> str:
    path = os.path.realpath(file)
    root = os.path.realpath(workspace) if workspace else os.sep
    inside = os.path.commonpath([path, root]) == root and root != os.sep
    return os.path.relpath(path, root) if inside else file


def _escaped(text: str, marks: dict[str, str]) -> str:
    return "".join(marks.get(character, character) for character in text)
