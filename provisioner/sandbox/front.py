"""The WSGI application in front of moto: who calls what, faults, one call at a time, durable before the reply."""

import io
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from http import HTTPStatus
from threading import Event, RLock
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from provisioner.sandbox import credentials
from provisioner.sandbox.errors import Reply, error, not_supported
from provisioner.sandbox.faults import Faults, Rule
from provisioner.sandbox.identify import SERVICES, Call, identify
from provisioner.sandbox.store import NotDurableError, Store

StartResponse = Callable[..., Any]
_SUPPORTED = frozenset(SERVICES.values())
_REASONS = {s.value: s.phrase for s in HTTPStatus}
log = logging.getLogger(__name__)


class _Moto(DomainDispatcherApplication):
    """Moto's own dispatcher, remembering which backend answers for a host: it tries 300 patterns for each request."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self.get_backend_for_host = cache(super().get_backend_for_host)  # type: ignore[method-assign]


class Front:
    """Serves the AWS APIs. `stopping` ends the hangs and delays of faults."""

    def __init__(self, store: Store, faults: Faults, lock: RLock, stopping: Event) -> None:
        self._moto = _Moto()
        self._store = store
        self._faults = faults
        self._lock = lock
        self._stopping = stopping
        self._places: set[tuple[str, str]] = set()
        self.counts: Counter[str] = Counter()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        body = _whole_body(environ)
        call = identify(environ, body)
        self.counts["requests"] += 1
        with self._lock:  # both look into moto's backends, which are made when they are first looked for
            refusal = self._refusal(call)
            fault = None if refusal else self._faults.strike(call)
        if fault:
            log.info("fault %s: %s of %s", fault.id, fault.kind, call)
            reply = self._struck(fault, call, environ)
        else:
            reply = refusal or self._carry_out(call, environ)
        if reply is None:
            return []  # without a response started, the server closes the connection
        start_response(_status_line(reply.status), list(reply.headers))
        return [reply.body]

    def _refusal(self, call: Call) -> Reply | None:
        if self._stopping.is_set():
            return error(call, 503, "ServiceUnavailable", "the sandbox is stopping")
        if call.access_key and call.service not in _SUPPORTED:
            return not_supported(call)
        return credentials.refusal(call)

    def _struck(self, fault: Rule, call: Call, environ: dict[str, Any]) -> Reply | None:
        """The answer to a call that a fault hits; None for none at all."""
        if fault.kind in ("hang", "latency"):
            self._stopping.wait(fault.seconds)
        reply = self._carry_out(call, environ) if fault.carried_out else None
        if fault.kind in ("hang", "reset"):
            return None
        return reply if fault.kind == "latency" else fault.reply(call)

    def _carry_out(self, call: Call, environ: dict[str, Any]) -> Reply:
        """Let moto do it, alone, and wait until what it changed is in the store."""
        begun = time.perf_counter()
        with self._lock:
            reply = self._dispatch(call, environ)
            # The first call of a service in a region makes its backend, with a default VPC and its ids: that is a
            # change, whatever the call was.
            first = (call.service, call.region) not in self._places
            self._places.add((call.service, call.region))
            ticket = self._store.touch() if first or not call.reads else None
        if ticket is not None and reply.status < 400:
            self.counts["changes"] += 1
            try:
                self._store.wait(ticket)
            except NotDurableError as problem:
                reply = error(call, 500, "InternalFailure", str(problem))
        if reply.status >= 400:
            self.counts["errors"] += 1
        log.debug("%s %s %.1f ms", call, reply.status, 1000 * (time.perf_counter() - begun))
        return reply

    def _dispatch(self, call: Call, environ: dict[str, Any]) -> Reply:
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[[bytes], object]:
            started[:] = [int(status.split(" ", 1)[0]), tuple(headers)]
            return lambda _: None

        try:
            chunks = self._moto(environ, start_response)
            content = b"".join(chunks)
        except NotImplementedError:
            return not_supported(call)
        except Exception as problem:  # moto's own bugs must be an answer, not a dead connection
            log.exception("moto failed in %s", call)
            return error(call, 500, "InternalFailure", f"moto failed in {call}: {problem!r} (see the daemon's log)")
        status, headers = started
        if status == 404 and content.lstrip().lower().startswith(b"<!doctype html"):
            return not_supported(call)  # werkzeug's page: no such route in moto
        return Reply(status, headers, content)


def _whole_body(environ: dict[str, Any]) -> bytes:
    """Read the request's body, and put it back for moto."""
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        body: bytes = stream.read()
        environ.pop("HTTP_TRANSFER_ENCODING", None)
    else:
        body = stream.read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return body


def _status_line(status: int) -> str:
    return f"{status} {_REASONS.get(status, 'Unknown')}"
