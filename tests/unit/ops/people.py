"""Tenants of the fake house, in the states in which tests need them."""

from dataclasses import replace

from provisioner.model.recovery import RecoveryPoint
from provisioner.ops import backup
from provisioner.ops.new_tenant import carry_out, propose
from provisioner.ops.requests import NewTenantRequest
from tests.unit.ops.fakes import FakeHouse


def quiet(_: object) -> None:
    """A sink for progress."""


def made(house: FakeHouse, *ids: str) -> None:
    """Make tenants; what the engine was asked for it is forgotten."""
    for tenant_id in ids:
        house.prober.answers = [replace(house.prober.answers[0], tenant=tenant_id)]
        carry_out(house, propose(house, NewTenantRequest(tenant_id)), quiet)
    house.fake_engine.calls.clear()


def backed_up(house: FakeHouse, tenant_id: str = "acme") -> RecoveryPoint:
    """A recovery point of a tenant."""
    return backup.create_one(house, house.file, house.file.tenant(tenant_id), quiet)
