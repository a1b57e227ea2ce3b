"""acme's upgrades, over the house in which it can be moved."""

from typing import Any

from provisioner.model.lifecycle import Lifecycle
from provisioner.ops.desired import known_machine
from provisioner.ops.upgrade.propose import propose
from provisioner.ops.upgrade.run import Upgraded, carry_out
from tests.unit.ops.moving import GATE, OPERATION, RELEASES, House, well
from tests.unit.ops.people import quiet


def proposed(house: House, version: str, number: int = 0, **more: Any) -> Any:
    return propose(house, house.file, house.file.tenant("acme"), version, OPERATION + str(number), GATE, **more)


def upgraded(house: House, version: str, gate: Any = None, number: int = 0, **more: Any) -> Upgraded:
    """An upgrade whose product answers right on its machine, unless `gate` says otherwise."""
    return ran(house, version, proposed(house, version, number, **more), gate, number)


def ran(house: House, version: str, payload: Any, gate: Any = None, number: int = 0) -> Upgraded:
    """The same with a payload. Run again, it goes on."""
    house.fake_cloud.answers["gate"] = gate or [well(version, RELEASES[version].schema_version)] * 3
    return carry_out(house, "acme", OPERATION + str(number), payload, quiet)


def state(house: House) -> tuple[Lifecycle, str | None, str]:
    record = house.ledger.tenant("acme")
    assert record is not None
    return record.lifecycle, record.assigned_release, known_machine(house, "acme")
