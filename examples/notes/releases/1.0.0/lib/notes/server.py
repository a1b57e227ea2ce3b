"""HTTP: one thread a request, bodies of a decent size, and an end that lets requests finish."""

import json
import signal
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs

_LARGEST_BODY = 64 * 1024
_CSP = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


class RefusedError(Exception):
    """The request can't be served: status and reason."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """Reads bodies and writes answers. Each connection serves one request (HTTP/1.0)."""

    timeout = 10

    def form(self) -> dict[str, Any]:
        """The body as a browser's form sends it. Raises RefusedError."""
        try:
            return {key: values[-1] for key, values in parse_qs(self._body().decode()).items()}
        except ValueError:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "the form can't be read") from None

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object, whatever the client calls it. Raises RefusedError."""
        try:
            value = json.loads(self._body())
        except ValueError:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "the body must be JSON") from None
        if not isinstance(value, dict):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "the body must be a JSON object")
        return value

    def _body(self) -> bytes:
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "Content-Length is needed") from None
        if not 0 <= length <= _LARGEST_BODY:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {_LARGEST_BODY} bytes")
        return self.rfile.read(length)

    def json(self, status: HTTPStatus, value: object) -> None:
        """Answer with JSON."""
        self._answer(status, "application/json", json.dumps(value) + "\n")

    def html(self, status: HTTPStatus, page: str) -> None:
        """Answer with a page that may load nothing and run nothing."""
        self._answer(status, "text/html; charset=utf-8", page)

    def redirect(self, location: str) -> None:
        """Send a browser there with GET, so that a reload doesn't post again."""
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer(self, status: HTTPStatus, content_type: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", _CSP)
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.send_header("Retry-After", "5")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Probes come every few seconds and say nothing."""
        if self.path != "/healthz":
            super().log_request(code, size)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 64

    def server_bind(self) -> None:
        """Without http.server's search for the host's name: it asks the DNS, which may take long, for nothing."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no event."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def run(listen: tuple[str, int], handler: Callable[..., Handler]) -> None:
    """Serve until SIGTERM or SIGINT, then let the requests under way finish."""
    with _Server(listen, handler) as server:

        def stop(*_: object) -> None:
            # shutdown() waits for the loop that this signal interrupted: it needs another thread.
            threading.Thread(target=server.shutdown).start()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        server.serve_forever(poll_interval=0.1)
