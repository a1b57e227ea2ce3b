"""DBOS in this process: launched when the first operation runs, for one database at a time.

Importing DBOS costs 0.7 s, launching it 0.1 s. Stopping would cost 1 s because a thread of it sleeps that long between
polls of something that we don't use; with a shorter poll it costs 0.03 s.
"""

import json
import logging
import os
import secrets
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from dbos import DBOS, Serializer, SetWorkflowID, error
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from provisioner.durable.attempt import Attempt, describe
from provisioner.durable.workflow import ATTEMPTS, VERSION, run_operation
from provisioner.model.errors import ProvisionError
from provisioner.model.json import JsonDict

_POLL_SECONDS = 0.05
_lock = threading.Lock()
_launched: str | None = None


class JsonSerializer(Serializer):
    """JSON, never pickle: who can write the database must not be able to run code. Errors keep type and message."""

    def serialize(self, data: Any) -> str:
        """Raises TypeError for what isn't JSON."""
        return json.dumps(data, default=_plain_error)

    def deserialize(self, serialized_data: str) -> Any:
        """Errors come back as mappings."""
        return json.loads(serialized_data)

    def name(self) -> str:
        """As recorded beside each value."""
        return "provision_json"


class Runtime:
    """DBOS on `url`, under `executor`, which no other process may use. Its warnings go to `log`."""

    def __init__(self, url: str, executor: str, log: Path) -> None:
        self._url = url
        self._executor = executor
        self._log = log

    def run(self, attempt: Attempt) -> JsonDict:
        """Run an attempt in a thread of DBOS and wait for it. Raises what its step raised; ProvisionError where DBOS
        itself can't go on. KeyboardInterrupt comes through at once, and the attempt goes on until it is cancelled."""
        workflow_id = f"{_prefix(attempt.operation.id)}{attempt.lease.token}-{secrets.token_hex(4)}"
        ATTEMPTS[workflow_id] = attempt
        try:
            self._launch()
            handle = self._start(workflow_id, attempt)
            result: JsonDict = handle.get_result()
        except (error.DBOSException, SQLAlchemyError, sqlite3.Error, OSError) as e:
            if attempt.error is not None:  # also where DBOS then couldn't record it
                raise attempt.error from None
            raise ProvisionError(
                f"the workflow store {_shown(self._url)} failed: {describe(e)}",
                hint=f"provision operations resume {attempt.operation.id}",
            ) from e
        finally:
            if attempt.idle.is_set():
                ATTEMPTS.pop(workflow_id, None)
        return result

    def forget(self, operation_id: str) -> None:
        """Delete what DBOS keeps of a finished operation: the ledger has all that counts."""
        with suppress(error.DBOSException, SQLAlchemyError):  # litter, no harm; the next success tries again
            found = DBOS.list_workflows(workflow_id_prefix=_prefix(operation_id), load_input=False, load_output=False)
            DBOS.delete_workflows([workflow.workflow_id for workflow in found])

    def stop(self) -> None:
        """Stop DBOS's threads, unless another user of this process's DBOS still has an attempt under way."""
        global _launched  # noqa: PLW0603 - DBOS is a singleton of the process, and so is what we know of it
        with _lock:
            if _launched == self._url and not ATTEMPTS:
                DBOS.destroy()
                _launched = None

    def _start(self, workflow_id: str, attempt: Attempt) -> Any:
        attempt.idle.clear()
        try:
            with SetWorkflowID(workflow_id):
                return DBOS.start_workflow(run_operation, attempt.operation.id, attempt.lease.token)
        except Exception:
            attempt.idle.set()
            raise

    def _launch(self) -> None:
        global _launched  # noqa: PLW0603
        with _lock:
            if _launched == self._url:
                return
            if _launched is not None:
                if any(not attempt.idle.is_set() for attempt in ATTEMPTS.values()):
                    raise ProvisionError(
                        f"this process runs operations in {_shown(_launched)}, and can't in {_shown(self._url)} as well"
                    )
                DBOS.destroy()
                _launched = None
            _prepare(self._url)
            _log_to(self._log)
            DBOS(
                config={
                    "name": "provision",
                    "system_database_url": self._url,
                    "application_version": VERSION,
                    "executor_id": self._executor,
                    "serializer": JsonSerializer(),
                    "notification_listener_polling_interval_sec": _POLL_SECONDS,
                    "log_level": "WARNING",
                }
            )
            DBOS.launch()
            _launched = self._url


def _prefix(operation_id: str) -> str:
    return f"{operation_id}."


def _prepare(url: str) -> None:
    """A SQLite file for its owner alone, and in WAL mode, so that readers and the writer don't wait for each other."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return
    path = Path(parsed.database)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(path, timeout=30)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


def _log_to(path: Path) -> None:
    """DBOS's logger gets a handler of ours: without one it writes to stderr."""
    logger = logging.getLogger("dbos")
    for old in list(logger.handlers):
        logger.removeHandler(old)
        old.close()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o600))
    handler = logging.FileHandler(path, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(process)d %(message)s"))
    logger.addHandler(handler)
    logger.propagate = False


def _plain_error(value: object) -> JsonDict:
    if isinstance(value, BaseException):
        return {"error": type(value).__name__, "message": describe(value)}
    raise TypeError(f"{type(value).__name__} is not JSON")


def _shown(url: str) -> str:
    return make_url(url).set(query={}).render_as_string()  # with *** for a password
