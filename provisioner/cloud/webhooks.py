"""Posts notices to webhooks."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signed body goes to the address that the registry names, and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class HttpMessenger:
    """The `Messenger` port. Proxies of the environment are used: webhooks are outside."""

    def __init__(self) -> None:
        self._opener = urllib.request.build_opener(_NoRedirect())

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, timeout: float) -> str | None:
        request = urllib.request.Request(url, data=body, headers=dict(headers), method="POST")  # noqa: S310 - the registry allows http(s) only
        try:
            with self._opener.open(request, timeout=timeout):
                return None
        except urllib.error.HTTPError as error:
            with error:
                return f"HTTP {error.code}"
        except (OSError, ValueError, http.client.HTTPException) as error:
            return f"{type(error).__name__}: {getattr(error, 'reason', None) or error}"
