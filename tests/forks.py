"""Commands as processes of their own, forked from one that has imported everything.

Each is a real process with a pid, files and an environment of its own, that dies by SIGKILL like any other; only what
Python would import again and again (0.7 s of CPU), and the tree of all commands (0.15 s), is there already.

    python -m tests.forks MODULE   one request as JSON on each line of stdin, one answer on stdout

MODULE's `main()` is the command: the real one, or one that dies where a test wants it.
"""

import functools
import importlib
import json
import os
import pkgutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import typer

from tests import trees
from tests.installation import TIMEOUT, Answer, Installation

_SANDBOX = "provisioner.sandbox"


class Forked(Installation):
    """An installation whose `run` costs no imports. `start` is a whole process, as ever. `main`: the module whose
    `main()` is run."""

    def __init__(self, folder: Path, main: str = "provisioner.cli.main") -> None:
        super().__init__(folder)
        self._folder = folder
        self._server = _server(main)

    def run(self, *words: str, stdin: str | None = None, **environment: str) -> Answer:
        """Run a command to its end."""
        files = {name: str(self._folder / f"fork.{name}") for name in ("stdin", "stdout", "stderr")}
        Path(files["stdin"]).write_text(stdin or "")
        code = self._server.ask({"words": words, "environment": self.environment(**environment), **files})
        return Answer(code, *(Path(files[name]).read_text() for name in ("stdout", "stderr")))


class _Server:
    """The process that forks; it ends when this one does."""

    def __init__(self, main: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, main], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._lock = threading.Lock()

    def ask(self, request: dict[str, Any]) -> int:
        """Have a command run to its end; its exit code, negative where a signal ended it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())


@functools.cache
def _server(main: str) -> _Server:
    """One for all tests of this process."""
    return _Server(main)


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
    for number, name in enumerate((request["stdin"], request["stdout"], request["stderr"])):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(name, flags, 0o600), number)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["provision", *request["words"]]
    importlib.import_module(main).main()


def _import_all(main: str) -> None:
    """What any of the commands imports. Nothing of it starts a thread or opens a file."""
    import provisioner
    import stacks

    names = [name for package in (provisioner, stacks) for name in _below(package)]
    for name in [main, *names, "grpc._channel", "rich.table", "sqlalchemy.dialects.sqlite", "typer.rich_utils"]:
        importlib.import_module(name)
    aws = importlib.import_module("pulumi_aws")
    for name in (
        "acm",
        "cloudwatch",
        "ec2",
        "iam",
        "kms",
        "lb",
        "rds",
        "route53",
        "s3",
        "secretsmanager",
        "sns",
        "vpc",
    ):
        hasattr(getattr(aws, name), "Some")  # loaded at the first use of a name in it
    trees.keep()
    typer.main.get_command(importlib.import_module("provisioner.cli.main").app)


def _below(package: ModuleType) -> Iterator[str]:
    """All modules of a package but the sandbox's, most of which are of a daemon with a process of its own."""
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if found.name == _SANDBOX:
            continue
        yield found.name
        if found.ispkg:
            yield from _below(importlib.import_module(found.name))


if __name__ == "__main__":
    serve()
