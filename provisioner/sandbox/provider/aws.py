"""The way to the cloud: one boto3 session, clients kept for each service and region, retries, and polling."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from provisioner.sandbox.info import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from provisioner.sandbox.provider.errors import WIRE_ERRORS, AwsError, ProviderError, aws_error

_ATTEMPTS = 8
_CAPACITY_ATTEMPTS = 3
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0

T = TypeVar("T")
log = logging.getLogger(__name__)


class Aws:
    """boto3 clients of one account at one endpoint, safe from many threads.

    botocore's own retries are off: it repeats calls that make something after an answer that was lost, and waits as
    long for capacity as for a throttle. `Call` retries instead.
    """

    def __init__(self, endpoint_url: str, *, connect_timeout: float = 5, read_timeout: float = 20) -> None:
        self._endpoint_url = endpoint_url
        self._session: Any = boto3.Session(aws_access_key_id=ACCESS_KEY_ID, aws_secret_access_key=SECRET_ACCESS_KEY)
        self._config = Config(
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            retries={"total_max_attempts": 1},
            max_pool_connections=64,
            s3={"addressing_style": "path"},
        )
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = Lock()

    def client(self, service: str, region: str) -> Any:
        """A boto3 client; the same one for the same service and region."""
        key = service, region
        client = self._clients.get(key)
        if client is None:
            with self._lock:  # making clients is not thread-safe, using them is
                client = self._clients.get(key) or self._session.client(
                    service, region_name=region, endpoint_url=self._endpoint_url, config=self._config
                )
                self._clients[key] = client
        return client


@dataclass(slots=True)
class Call:
    """One request of the engine: where it goes, how long it may take, and whether anybody still waits for it."""

    aws: Aws
    account: str
    region: str
    deadline: float
    alive: Callable[[], bool] = lambda: True
    stopped: Event = field(default_factory=Event)

    def api(self, service: str, operation: str, **parameters: Any) -> Any:
        """Call an operation that may be repeated. Raises AwsError when retries don't help.

        Parameters that are None are left out, as everywhere in AWS's APIs unset is absent.
        """
        return self.retry(lambda: self._send(service, operation, parameters), lambda e: e.ambiguous or e.refused)

    def once(self, service: str, operation: str, **parameters: Any) -> Any:
        """Call an operation that makes something at each call: repeated only where nothing was made for certain."""
        return self.retry(lambda: self._send(service, operation, parameters), lambda e: e.refused)

    def one(self, service: str, operation: str, path: str, **parameters: Any) -> dict[str, Any] | None:
        """The only element of the list at `path` of the answer, or None where there is none or AWS says not found."""
        try:
            found = self.api(service, operation, **parameters)[path]
        except AwsError as error:
            if error.missing:
                return None
            raise
        return dict(found[0]) if found else None

    def retry(self, action: Callable[[], T], again: Callable[[AwsError], bool]) -> T:
        """Run `action` up to 8 times, with jittered back-off, while `again` says so (capacity: 3 times)."""
        wait = _FIRST_WAIT
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return action()
            except AwsError as error:
                enough = attempt >= (_CAPACITY_ATTEMPTS if error.no_capacity else _ATTEMPTS)
                if enough or not again(error):
                    raise
                log.info("attempt %d failed, trying again: %s", attempt, error)
            self.pause(wait * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            wait = min(wait * 2, _LONGEST_WAIT)
        raise AssertionError("unreachable")

    def poll(self, what: str, look: Callable[[], T | None], *, every: float = 0.05) -> T:
        """Ask until `look` gives something. Asks less and less often, up to four times `every`.

        Raises ProviderError when the deadline passes or nobody waits any more.
        """
        wait = every
        while (found := look()) is None:
            if time.monotonic() + wait > self.deadline:
                raise ProviderError(f"timed out while waiting for {what}", hint="raise the resource's customTimeouts")
            self.pause(wait)
            wait = min(wait * 1.3, every * 4)
        return found

    def pause(self, seconds: float) -> None:
        """Wait. Raises ProviderError where the engine has gone or the daemon stops."""
        if self.stopped.wait(seconds):
            raise ProviderError("the sandbox is stopping", hint="run the same command again")
        if not self.alive():
            raise ProviderError("the engine has gone away")

    def _send(self, service: str, operation: str, parameters: dict[str, Any]) -> Any:
        method = getattr(self.aws.client(service, self.region), operation)
        try:
            return method(**{k: v for k, v in parameters.items() if v is not None})
        except WIRE_ERRORS as error:
            raise aws_error(f"{service} {operation}", error) from error
