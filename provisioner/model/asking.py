"""Ports to what answers by HTTP: tenants' products, and who is told of things."""

from collections.abc import Mapping
from typing import Protocol

from provisioner.model.cloud import Health


class Prober(Protocol):
    """Asks a product how it is."""

    def probe(self, url: str, *, timeout: float = 5.0) -> Health:
        """GET `url`/healthz. Never raises for an unreachable or sick product: the answer says it."""


class Messenger(Protocol):
    """Tells the outside."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, timeout: float) -> str | None:
        """POST it. None where it was taken (2xx), else the trouble in words; never raises."""
