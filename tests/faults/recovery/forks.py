"""Commands as processes of their own, forked from one that has imported everything.

A walk through an operation kills a process at every boundary of every step. Each is a real process with a pid of its
own that dies by SIGKILL; only what Python would import again and again (0.7 s of CPU), and the tree of all commands
(0.15 s), is there already.

    python -m tests.faults.recovery.forks MODULE   one request as JSON on each line of stdin, one answer on stdout

MODULE's `main()` is the command: the real one, or one that dies where a test wants it.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import typer

from tests import trees
from tests.installation import TIMEOUT, Answer, Installation


class Forked(Installation):
    """An installation whose `run` costs no imports. `start` is a whole process, as ever. `main`: the module whose
    `main()` is run."""

    def __init__(self, folder: Path, main: str = "provisioner.cli.main") -> None:
        super().__init__(folder)
        self._folder = folder
        self._server = subprocess.Popen(
            [sys.executable, "-m", __name__, main], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, *words: str, stdin: str | None = None, **environment: str) -> Answer:
        """Run a command to its end."""
        assert stdin is None, "a forked command has nobody to ask"
        files = {name: str(self._folder / f"fork.{name}") for name in ("stdout", "stderr")}
        request = {"words": words, "environment": self.environment(**environment), **files}
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        code = int(self._server.stdout.readline())
        return Answer(code, *(Path(f).read_text() for f in files.values()))

    def end(self) -> None:
        """Stop the sandbox and the process that forks."""
        self._server.communicate("")
        super().end()


def serve() -> None:
    """Answer requests until stdin ends."""
    main = sys.argv[1]
    _import_all(main)
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(request, main)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(request: Any, main: str) -> None:
    """The command, in this process: its files, its environment, its words. Never returns."""
    import signal

    signal.alarm(TIMEOUT)
    for number, name in ((0, os.devnull), (1, request["stdout"]), (2, request["stderr"])):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(name, flags, 0o600), number)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["provision", *request["words"]]
    importlib.import_module(main).main()


def _import_all(main: str) -> None:
    """What any of the commands imports. Nothing of it starts a thread or opens a file."""
    for name in (
        main,
        "provisioner.app",
        "provisioner.cli.main",
        "provisioner.cli.leaving",
        "provisioner.cli.points",
        "provisioner.cli.progress",
        "provisioner.cli.proofs",
        "provisioner.cli.restoring",
        "provisioner.cli.rolling",
        "provisioner.cli.running",
        "provisioner.cli.steering",
        "provisioner.cli.tables",
        "provisioner.cli.working",
        "provisioner.cloud.aws",
        "provisioner.durable.runtime",
        "provisioner.engines.embedded.engine",
        "provisioner.ledger.store",
        "provisioner.ops.definitions",
        "provisioner.registry",
        "stacks.quarantine",
        "stacks.tenant",
    ):
        importlib.import_module(name)
    trees.keep()
    typer.main.get_command(importlib.import_module("provisioner.cli.main").app)


if __name__ == "__main__":
    serve()
