"""The HTTP server: a thread for each connection, kept alive, on 127.0.0.1 only."""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

from provisioner.sandbox.control import PREFIX

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
log = logging.getLogger(__name__)


class _Handler(MotoRequestHandler):
    """Keeps connections alive, which werkzeug's own handler doesn't: our applications read every request to its end.

    An application that starts no response has the connection closed without an answer.
    """

    disable_nagle_algorithm = True
    wbufsize = -1  # an answer leaves in one piece
    timeout = 120  # seconds that an idle connection is kept

    def run_wsgi(self) -> None:
        """Answer one request."""
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        started: list[tuple[str, list[tuple[str, str]]]] = []
        environ = self.make_environ()
        body = b"".join(self.server.app(environ, lambda status, headers: started.append((status, headers))))  # type: ignore[arg-type]
        if not started:
            self.close_connection = True
            return
        status, headers = started[0]
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if environ["REQUEST_METHOD"] != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def version_string(self) -> str:
        return "provision-sandbox"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002, ARG002 - werkzeug's name for it
        log.debug(message, *args)


class _Server(ThreadedWSGIServer):
    daemon_threads = True
    request_queue_size = 128


def make_server(control: Application, aws: Application, kept: Path) -> ThreadedWSGIServer:
    """A server that listens, and answers once `serve_forever` runs; `control` gets what is below `/_sbx/`.

    The port (`server.port`) is free the first time and kept in a file: machines that outlive a daemon know its port.
    """

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return (control if environ["PATH_INFO"].startswith(PREFIX) else aws)(environ, start_response)

    server = None
    if kept.exists():
        try:
            server = _Server("127.0.0.1", int(kept.read_text()), application, handler=_Handler)
        except (OSError, SystemExit):  # werkzeug exits where a port is taken
            log.warning("port %s is taken; machines started before know that one only", kept.read_text().strip())
    server = server or _Server("127.0.0.1", 0, application, handler=_Handler)
    kept.write_text(f"{server.port}\n")
    return server
