"""Tenants, releases and requests for tests of rollouts."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import settings

from provisioner.model.ledger import TenantRecord
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.rollout.candidate import Candidate
from provisioner.model.rollout.plan import Request
from provisioner.model.rollout.strategy import Strategy
from provisioner.model.tenant import CloudKind, Release, Sizing, Target, Tenant

CHEAP = settings(max_examples=50, deadline=None)
"""A machine that has much to do is no defect."""
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)  # a Wednesday
SANDBOX = Target("sandbox", CloudKind.SANDBOX, ("eu-west-1", "us-east-1"), "sandbox.test")
SIZING = Sizing("t4g.small", 20, "address", "db.t4g.micro", "17", 20, 40, False, False, 1, 7, False)


def release(version: str, schema: int = 1, **more: Any) -> Release:
    usual: dict[str, Any] = {"images": {"sandbox": "/x"}, "migration": "none", "undo": "code-only"}
    return Release(version=version, schema_version=schema, **{**usual, **more})


RELEASES = {
    "1.0.0": release("1.0.0"),
    "1.1.0": release("1.1.0", 2, migration="online"),
    "1.2.0": release("1.2.0", 2),
    "1.3.0": release("1.3.0", 3, migration="online", min_from="1.1.0"),
}


def tenant(tenant_id: str = "acme", **more: Any) -> Tenant:
    usual: dict[str, Any] = {
        "tier": "standard",
        "ring": 2,
        "region": "eu-west-1",
        "target": SANDBOX,
        "sizing": SIZING,
        "desired_release": "1.2.0",
        "release_source": "channel stable",
        "channel": "stable",
    }
    return Tenant(tenant_id, **{**usual, **more})


def record(tenant_id: str, on: str | None = "1.2.0", lifecycle: Lifecycle = Lifecycle.ACTIVE) -> TenantRecord:
    return TenantRecord(tenant_id, "sandbox", lifecycle, on, None, None, NOW)


def candidate(tenant_id: str = "acme", *, on: str | None = "1.2.0", **more: Any) -> Candidate:
    lifecycle = more.pop("lifecycle", Lifecycle.ACTIVE)
    known = {name: more.pop(name) for name in ("sick", "newest_point") if name in more}
    return Candidate(tenant(tenant_id, **more), record(tenant_id, on, lifecycle), **known)


def fleet(count: int, **more: Any) -> list[Candidate]:
    """Tenants t000, t001, ...: the first in ring 0, then rings 1, 2 and 3 in turn."""
    return [candidate(f"t{n:03}", **{"ring": 0 if n == 0 else 1 + n % 3, **more}) for n in range(count)]


def request(version: str = "1.3.0", *, freezes: tuple[Any, ...] = (), **strategy: Any) -> Request:
    return Request(RELEASES[version], RELEASES, "sandbox", "stable", replace(Strategy(), **strategy), freezes)
