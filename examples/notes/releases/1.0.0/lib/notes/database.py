"""Connections to the product's database, and the password that opens them."""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, LifoQueue

import psycopg

from notes.settings import Settings

_CONNECTIONS = 4
_BETWEEN_FETCHES = 5.0


class UnavailableError(Exception):
    """The database can't be used now; the text says why, without anything secret."""


class Password:
    """Keeps the pgpass file: fetched when it isn't there, and again after the database refused it (rotation)."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._helper: subprocess.Popen[str] | None = None
        self._next = 0.0
        self._closed = False
        self.reason = ""

    @property
    def known(self) -> bool:
        """Whether there is one to try."""
        return self._settings.passfile.exists()

    def want(self) -> None:
        """Have it fetched in the background, unless that is under way or was just done."""
        with self._lock:
            if self._helper is not None or self._closed or time.monotonic() < self._next:
                return
            command = [sys.executable, "-m", "notes.fetch", self._settings.secret, str(self._settings.passfile)]
            self._helper = subprocess.Popen(
                command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parent.parent
            )
            threading.Thread(target=self._follow, args=(self._helper,), daemon=True).start()

    def close(self) -> None:
        """End a fetch that still waits."""
        with self._lock:
            self._closed = True
            if self._helper is not None:
                self._helper.terminate()

    def _follow(self, helper: "subprocess.Popen[str]") -> None:
        with helper:
            for line in helper.stdout or ():
                self.reason = line.strip()
        with self._lock:
            self.reason = "" if helper.returncode == 0 else f"the fetch ended with {helper.returncode}"
            self._helper = None
            self._next = time.monotonic() + _BETWEEN_FETCHES


class Database:
    """A few connections, shared by all threads; a broken one is replaced before it is used again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle: LifoQueue[psycopg.Connection] = LifoQueue()
        self._places = threading.Semaphore(_CONNECTIONS)
        self.password = Password(settings)

    @contextlib.contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """One connection in a transaction, committed at the end. Raises UnavailableError."""
        if not self._places.acquire(timeout=3):
            raise UnavailableError("all connections are busy")
        try:
            connection = self._live() or self._connect()
            try:
                with connection.transaction():
                    yield connection
            except psycopg.OperationalError as error:
                raise UnavailableError(_first_line(error)) from error
            finally:
                if not connection.closed:
                    self._idle.put(connection)
        finally:
            self._places.release()

    def close(self) -> None:
        """Close what is idle and stop fetching."""
        self.password.close()
        with contextlib.suppress(Empty):
            while True:
                self._idle.get_nowait().close()

    def _live(self) -> psycopg.Connection | None:
        with contextlib.suppress(Empty):
            while True:
                connection = self._idle.get_nowait()
                try:
                    connection.execute("SELECT 1")
                except psycopg.OperationalError:
                    connection.close()
                else:
                    return connection
        return None

    def _connect(self) -> psycopg.Connection:
        if not self.password.known:
            self.password.want()
            why = f" ({self.password.reason})" if self.password.reason else ""
            raise UnavailableError(f"waiting for the database's password{why}")
        try:
            return psycopg.connect(**self._settings.database, autocommit=True)
        except psycopg.OperationalError as error:
            text = _first_line(error)
            if "password" in text:
                self.password.want()
            raise UnavailableError(text) from error


def _first_line(error: psycopg.Error) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
