"""Tenants of the fake house, in the states in which tests need them."""

from dataclasses import replace
from typing import Any

from provisioner.model.patch.scan import FACT, Patch, Scan, fact
from provisioner.model.recovery import RecoveryPoint
from provisioner.ops import backup, restoring
from provisioner.ops.new_tenant import carry_out, propose
from provisioner.ops.requests import NewTenantRequest
from tests.unit.ops.fakes import OUTPUTS, FakeHouse


def quiet(_: object) -> None:
    """A sink for progress."""


def made(house: FakeHouse, *ids: str) -> None:
    """Make tenants, with a first scan; what the engine was asked for it is forgotten."""
    for tenant_id in ids:
        house.prober.answers = [replace(house.prober.answers[0], tenant=tenant_id)]
        carry_out(house, propose(house, NewTenantRequest(tenant_id)), quiet)
        house.fake_cloud.database_status.setdefault(tenant_id, "available")
        scanned(house, tenant_id)
    house.fake_engine.calls.clear()


def scanned(house: FakeHouse, tenant_id: str, *patches: Patch) -> None:
    """Somebody has looked, and this is missing."""
    machine = house.ledger.fact(tenant_id, "machine")
    assert machine is not None
    found = Scan("pb-1", house.clock.now(), 100, patches)
    house.ledger.observe(tenant_id, FACT, fact(found, None, str(machine.value["id"]), "ami-1"))


def backed_up(house: FakeHouse, tenant_id: str = "acme") -> RecoveryPoint:
    """A recovery point of a tenant."""
    return backup.create_one(house, house.file, house.file.tenant(tenant_id), quiet)


def restored(
    house: FakeHouse,
    to: str,
    tenant_id: str = "acme",
    owner: str | None = None,
    proposal: restoring.Proposal | None = None,
) -> Any:
    """A restore, whose new database engine and cloud know from then on; it serves at the end."""
    proposal = proposal or restoring.propose(house, tenant_id, to, owner=owner)
    made: Any = proposal.payload["made"]
    name = f"{tenant_id}-{made['suffix']}"
    entry: Any = {"identifier": name, "address": "127.9.1.9", "port": 5432, "master_secret_arn": "arn:new"}
    databases: Any = OUTPUTS["databases"]
    serving = house.fake_engine.outputs_now["database_identifier"] if tenant_id == "acme" else tenant_id
    house.fake_engine.outputs_now = {
        **OUTPUTS,
        "database_identifier": serving,
        "databases": {**databases, made["suffix"]: entry},
    }
    result = restoring.carry_out(house, proposal, quiet)
    house.fake_engine.outputs_now["database_identifier"] = name
    house.fake_cloud.database_status[name] = "available"
    return result
