"""The daemon's own API under `/_sbx/`: JSON in and out, for `client.py`. It asks for the token of `daemon.json`."""

import hmac
import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from provisioner.model.errors import ProvisionError
from provisioner.sandbox.faults import BadRuleError, Faults
from provisioner.sandbox.images import Images
from provisioner.sandbox.info import TOKEN_HEADER

PREFIX = "/_sbx/"
_TOKEN_KEY = "HTTP_" + TOKEN_HEADER.upper().replace("-", "_")
log = logging.getLogger(__name__)


class Control:
    """A WSGI application. `status` gives the daemon's status, `zone` makes a hosted zone, `stop` begins the end."""

    def __init__(
        self,
        token: str,
        faults: Faults,
        images: Images,
        status: Callable[[], dict[str, Any]],
        zone: Callable[[str], str],
        stop: Callable[[], None],
    ) -> None:
        self._token = token
        self._faults = faults
        self._images = images
        self._status = status
        self._zone = zone
        self._stop = stop

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, answer = self._answer(environ)
        body = json.dumps(answer).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _answer(self, environ: dict[str, Any]) -> tuple[str, Any]:
        # Read it in any case: what is left of a body would be taken for the connection's next request.
        content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if not hmac.compare_digest(environ.get(_TOKEN_KEY, "").encode(), self._token.encode()):
            return "403 Forbidden", {"error": f"{TOKEN_HEADER} isn't the token of daemon.json"}
        try:
            body = json.loads(content or b"{}")
            return "200 OK", self._route(environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix(PREFIX), body)
        except LookupError as problem:
            return "404 Not Found", {"error": f"{problem.args[0]} isn't part of the control API"}
        except (ProvisionError, BadRuleError, ValueError, TypeError) as problem:
            return "400 Bad Request", {"error": str(problem), "hint": getattr(problem, "hint", None)}
        except Exception as problem:  # the client must hear of it, and the daemon go on
            log.exception("control %s %s", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            return "500 Internal Server Error", {"error": repr(problem)}

    def _route(self, method: str, path: str, body: dict[str, Any]) -> Any:
        name, _, item = path.partition("/")
        routes: dict[tuple[str, str], Callable[[], Any]] = {
            ("GET", "status"): self._status,
            ("POST", "stop"): self._stop,
            ("PUT", "images"): lambda: {"image_id": self._images.register(Path(_text(body, "directory")))},
            ("PUT", "zones"): lambda: {"zone_id": self._zone(_text(body, "name"))},
            ("GET", "faults"): self._faults.all,
            ("POST", "faults"): lambda: {"id": self._faults.add(body)},
            ("DELETE", "faults"): lambda: self._faults.clear(item or None),
        }
        if (method, name) not in routes:
            raise LookupError(f"{method} {PREFIX}{path}")
        return routes[method, name]()


def _text(body: dict[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"the body needs {key!r}, a text")
    return value
