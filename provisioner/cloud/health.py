"""Asks a product how it is, over plain HTTP(S)."""

import json
import urllib.error
import urllib.request
from typing import Any

from provisioner.model.cloud import Health
from provisioner.model.redact import redact

_LIMIT = 64 * 1024


class HttpProber:
    """The `Prober` port. Proxies of the environment are not used: a tenant's URL is asked directly."""

    def __init__(self) -> None:
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def probe(self, url: str, *, timeout: float = 5.0) -> Health:
        request = urllib.request.Request(f"{url.rstrip('/')}/healthz", headers={"Accept": "application/json"})  # noqa: S310 - http(s) by construction
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                return _health(200, answer.read(_LIMIT))
        except urllib.error.HTTPError as error:
            with error:
                return _health(error.code, error.read(_LIMIT))
        except (OSError, ValueError) as error:
            return Health("unreachable", detail=f"{type(error).__name__}: {error}")


def _health(status: int, body: bytes) -> Health:
    try:
        answer: Any = json.loads(body)
    except ValueError:
        return Health("unhealthy", detail=f"HTTP {status}, not JSON")
    if not isinstance(answer, dict):
        return Health("unhealthy", detail=f"HTTP {status}, not an object")
    schema = answer.get("schema_version")
    return Health(
        status="healthy" if status == 200 and answer.get("status") == "ok" else "unhealthy",
        release=_text(answer.get("release")),
        schema_version=schema if isinstance(schema, int) else None,
        tenant=_text(answer.get("tenant")),
        detail=redact(_text(answer.get("detail")) or "") or (None if status == 200 else f"HTTP {status}"),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
