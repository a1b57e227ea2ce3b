"""What a worker does about notices: it looks what needs a person, and sends what its outbox has.

Neither is part of any operation: a webhook that hangs or fails holds up nobody. A notice goes out at least once; its
`id` tells a receiver that had it already. Secrets are read when something is sent, and are kept nowhere.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from provisioner.model.errors import ProvisionError, UsageError
from provisioner.model.fleet.needs import Need, Weight
from provisioner.model.fleet.notice import MOST_TRIES, Endpoint, Notice, NoticeStatus, announcer, pause, sign
from provisioner.model.fleet.work import Rolling
from provisioner.model.rollout.states import RolloutStatus
from provisioner.ops.fleet import Fleet, look
from provisioner.ops.house import House, RegistryView

FLEET = "fleet"
"""Who has the needs that are no single tenant's; no tenant is called so."""
_TIMEOUT = 10.0
_CLAIM = timedelta(minutes=5)
"""Longer than a portion of the outbox takes, when all of it times out."""
_ADDRESS = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True)
class Told:
    """How a round ended: how many were put into the outbox, were sent, and failed; the trouble in words."""

    put: int = 0
    sent: int = 0
    trouble: tuple[str, ...] = ()


def tell(house: House, registry: RegistryView) -> Told:
    """One round. The first one tells all that there is; an endpoint that is added to others isn't told of what is
    old."""
    fleet = look(house, registry, [t for t in registry.tenants() if house.in_ledger(t.target)])
    put = house.ledger.note_needs(_found(fleet), announcer(registry.notices))
    told = Told(put)
    for notice in house.ledger.take_notices(_CLAIM):
        trouble = _send(house, {e.name: e for e in registry.notices}, notice)
        told = Told(put, told.sent + (trouble is None), (*told.trouble, *([trouble] if trouble else [])))
    return told


def _found(fleet: Fleet) -> Mapping[tuple[str, str], Need]:
    found = {(row.id, need.key): need for row in fleet.tenants for need in row.needs}
    return found | {(FLEET, need.key): need for need in _of_rollouts(fleet.rollouts)}


def _of_rollouts(rollouts: Sequence[Rolling]) -> list[Need]:
    found = []
    for rolling in rollouts:
        words, resume = f"rollout {rolling.id} {rolling.what}", f"provision rollout resume {rolling.id}"
        if rolling.stranded:
            found.append(Need(f"stranded-{rolling.id}", "rollout", Weight.NOW, f"{words} is driven by nobody", resume))
        elif rolling.status is RolloutStatus.HALTED:
            said = f"{words} halted: {rolling.cause}"
            found.append(Need(f"halted-{rolling.id}", "rollout", Weight.NOW, said, rolling.hint))
        elif rolling.status is RolloutStatus.PAUSED:
            said = f"{words} is paused: {rolling.cause}"
            found.append(Need(f"paused-{rolling.id}", "rollout", Weight.SOON, said, rolling.hint))
    return found


def _send(house: House, endpoints: Mapping[str, Endpoint], notice: Notice) -> str | None:
    """Try one. The trouble in words, without the address, which may be secret."""
    endpoint, now = endpoints.get(notice.endpoint), house.clock.now()
    if endpoint is None:
        house.ledger.set_notice(notice.id, NoticeStatus.DROPPED, at=now, error="the registry doesn't have it any more")
        return None
    trouble = _post(house, endpoint, notice)
    if trouble is None:
        house.ledger.set_notice(notice.id, NoticeStatus.SENT, at=now)
        return None
    over = notice.attempts >= MOST_TRIES
    status = NoticeStatus.GIVEN_UP if over else NoticeStatus.WAITING
    house.ledger.set_notice(notice.id, status, at=now + pause(notice.attempts), error=trouble)
    again = "it is given up" if over else f"tried again in {pause(notice.attempts).total_seconds() / 60:g} min"
    return f"{endpoint.name}: {trouble}; {again}"


def _post(house: House, endpoint: Endpoint, notice: Notice) -> str | None:
    body = json.dumps(notice.body, separators=(",", ":"), ensure_ascii=False).encode()
    try:
        url = read(endpoint.url) if endpoint.url.startswith(("env:", "file:")) else endpoint.url
        secret = read(endpoint.secret).encode()
    except ProvisionError as error:
        return error.message
    if not _private(url):
        return "its address isn't https://"
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "provision",
        "Provision-Notice": notice.id,
        "Provision-Signature": sign(secret, int(house.clock.now().timestamp()), body),
    }
    trouble = house.messenger.post(url, body, headers, timeout=_TIMEOUT)
    return None if trouble is None else _ADDRESS.sub("<url>", trouble)


def _private(url: str) -> bool:
    """Whether nobody on the way can read what is sent there."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme == "http":
        return parts.hostname in ("127.0.0.1", "localhost")
    return parts.scheme == "https" and parts.hostname is not None


def read(reference: str) -> str:
    """What `env:NAME` or `file:PATH` holds. Raises UsageError where that is nothing."""
    kind, _, where = reference.partition(":")
    if kind == "env":
        found = os.environ.get(where, "")
    else:
        try:
            found = Path(where).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{where} can't be read: {type(error).__name__}", hint="look at its mode") from error
    if not found.strip():
        raise UsageError(f"{reference} is empty", hint="give it a value, where the worker runs")
    return found.strip()
