"""The CLI's short commands: about a stack and its state, without a program."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from provisioner.engines.pulumi_cli import failures
from provisioner.engines.pulumi_cli.folder import Folder
from provisioner.engines.pulumi_cli.limit import Limit
from provisioner.model.errors import ProvisionError
from provisioner.model.json import Json, JsonDict

if TYPE_CHECKING:
    from provisioner.engines.pulumi_cli.command import Command

SHORT = 300.0
"""Seconds that one of them has: a state's place that doesn't answer must not hold a command for ever."""


class Asker:
    """`environ`: asked for at each command; `secrets`: how new stacks keep theirs. All raise what a run does."""

    def __init__(
        self, command: Callable[[], "Command"], environ: Callable[[], Mapping[str, str]], secrets: str
    ) -> None:
        self._command = command
        self._environ = environ
        self._secrets = secrets

    def reach(self, folder: Folder) -> None:
        """Open the state's place."""
        self._ask(folder, Limit("pulumi whoami"), "whoami", "--json")

    def export(self, folder: Folder, limit: Limit) -> JsonDict | None:
        """The stack's deployment, None where there is no such stack. Secrets stay encrypted: they don't even leave the
        CLI."""
        try:
            text = self._ask(folder, limit, "stack", "export", "--stack", folder.stack)
        except _NoStackError:
            return None
        found: JsonDict = json.loads(text)
        return found

    def init(self, folder: Folder, limit: Limit, environ: Mapping[str, str] | None = None) -> None:
        """Make the stack. With `environ` in another place, whose secrets aren't kept."""
        words = ("stack", "init", folder.stack, "--no-select")
        if environ is None:
            self._ask(folder, limit, *words, "--secrets-provider", self._secrets)
        else:
            self._ask(folder, limit, *words, environ=environ)

    def import_(self, folder: Folder, limit: Limit, deployment: Mapping[str, Json]) -> None:
        """Put a deployment in the place of the stack's. It locks the state, as a run does, and is noted as one."""
        from provisioner.engines.pulumi_cli.command import RECORD

        path = folder.write("import.json", json.dumps(deployment))
        words = ("stack", "import", "--stack", folder.stack, "--file", str(path))
        try:
            self._ask(folder, limit, *words, environ={RECORD: folder.new_note().name})
        finally:
            path.unlink()

    def break_locks(self, folder: Folder, limit: Limit) -> None:
        """Delete all locks of the stack. It ends nobody's run."""
        self._ask(folder, limit, "cancel", "--yes", "--stack", folder.stack)

    def _ask(self, folder: Folder, limit: Limit, *words: str, environ: Mapping[str, str] | None = None) -> str:
        """One command; its stdout."""
        from provisioner.engines.pulumi_cli.command import EndedBadlyError

        what = f"pulumi {' '.join(words[:2] if words[0] == 'stack' else words[:1])}"
        part = Limit(what, SHORT, whole=limit)
        part.check()
        try:
            answer = self._command().run(
                list(words), str(folder.path), {**self._environ(), **(environ or {})}, limit=part
            )
        except EndedBadlyError as error:
            if error.code == failures.STACK_NOT_FOUND:
                raise _NoStackError("there is no such stack") from error
            raise failures.failed(what, error.code, error.words, ()) from error
        return answer.stdout


class _NoStackError(ProvisionError):
    """Exit code 6 of the CLI."""
