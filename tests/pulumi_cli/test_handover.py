"""The product's own stack on both engines: the same tenant, and its state goes from one to the other and back."""

from typing import Any

import pytest

from provisioner.engines.pulumi_cli.cli import Cli
from tests.installation import Installation
from tests.pulumi_cli.real import CLI
from tests.pulumi_cli.twins import normal

TIERS = ("trial", "standard")
# What each tenant has of its own: addresses and ids that the cloud gives.
_OWN = ("url", "machine", "database", "health", "operation")


def stack_of(installation: Installation, tenant: str) -> dict[str, Any]:
    from tests.pulumi_cli.test_killed import deployment

    return deployment(installation, tenant)


def shape(deployment: dict[str, Any], tenant: str) -> list[Any]:
    """A stack without its tenant's name and without ids of the cloud: types, names, options, edges, kinds of values."""

    def plain(resource: dict[str, Any]) -> Any:
        kept = {k: v for k, v in resource.items() if k not in ("id", "inputs", "outputs")}
        values = {
            f"{side} {k}": type(v).__name__ for side in ("inputs", "outputs") for k, v in resource.get(side, {}).items()
        }
        return {**kept, **values}

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {renamed(k): renamed(v) for k, v in value.items()}
        if isinstance(value, list):
            return [renamed(v) for v in value]
        return value.replace(tenant, "TENANT") if isinstance(value, str) else value

    return sorted((normal(renamed(plain(r))) for r in deployment["resources"]), key=str)


@pytest.mark.parametrize("tier", TIERS)
def test_a_tenant_is_the_same_by_both_engines(installation: Installation, tier: str) -> None:
    """Made by each; then each looks at what the other one made, and finds nothing to do."""
    ours, theirs = f"ours{tier[0]}", f"cli{tier[0]}x"
    installation.ok("new-tenant", ours, "--tier", tier)
    installation.ok("new-tenant", theirs, "--tier", tier, "--engine", "pulumi")
    shown = [installation.show(t) for t in (ours, theirs)]
    same = [{k: v for k, v in s.items() if k not in _OWN} for s in shown]
    assert str(same[0]).replace(ours, "T") == str(same[1]).replace(theirs, "T")
    assert [s["health"]["status"] for s in shown] == ["healthy", "healthy"]
    assert shape(stack_of(installation, ours), ours) == shape(stack_of(installation, theirs), theirs)
    for tenant, engine in ((ours, "pulumi"), (theirs, "embedded")):
        answer = installation.ok("plan", tenant, "--refresh", "--engine", engine, "--output", "json")
        assert answer.json[0]["verdict"] == "unchanged", answer.stdout


def test_each_goes_on_with_what_the_other_left(installation: Installation) -> None:
    """A change by the CLI, the next by the embedded engine, the end by the CLI; no stack is left in between."""
    installation.ok("new-tenant", "relay", "--tier", "trial")
    text = installation.registry.read_text()
    for ring, engine in ((1, "pulumi"), (3, "embedded")):
        now = installation.registry.read_text()
        assert "  relay:\n" in now
        changed = (
            now.replace("  relay:\n", f"  relay:\n    ring: {ring}\n")
            if ring == 1
            else now.replace("ring: 1", "ring: 3")
        )
        installation.registry.write_text(changed)
        installation.ok("apply", "relay", "--yes", "--engine", engine)
        (machine,) = installation.client("ec2").describe_instances(
            Filters=[{"Name": "tag:provision:tenant", "Values": ["relay"]}]
        )["Reservations"][0]["Instances"]
        assert {"Key": "provision:ring", "Value": str(ring)} in machine["Tags"]
    assert text != installation.registry.read_text()
    installation.ok("offboard", "relay", "--discard-data", "--confirm", "relay", "--engine", "pulumi")
    assert sum(installation.census("relay").values()) == 0


def test_the_suite_names_the_cli_that_it_ran_with() -> None:
    assert isinstance(CLI, Cli)
    assert CLI.version
