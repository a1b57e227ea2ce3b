"""The product's own stack on both engines: the same tenant, and its state goes from one to the other and back."""

from collections import Counter
from typing import Any

import pytest
from ruamel.yaml import YAML

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
    looked = [s["drift"].pop("looked_at") for s in shown]
    assert all(looked)
    same = [{k: v for k, v in s.items() if k not in _OWN} for s in shown]
    assert str(same[0]).replace(ours, "T") == str(same[1]).replace(theirs, "T")
    assert [s["health"]["status"] for s in shown] == ["healthy", "healthy"]
    assert shape(stack_of(installation, ours), ours) == shape(stack_of(installation, theirs), theirs)
    for tenant, engine in ((ours, "pulumi"), (theirs, "embedded")):
        answer = installation.ok("plan", tenant, "--refresh", "--engine", engine, "--output", "json")
        assert answer.json[0]["verdict"] == "unchanged", answer.stdout


def desire(installation: Installation, tenant: str, **fields: Any) -> None:
    """Set fields of a tenant's entry in the registry."""
    yaml = YAML()
    whole = yaml.load(installation.registry)
    whole["tenants"][tenant].update(fields)
    yaml.dump(whole, installation.registry)


def planned(installation: Installation, tenant: str, engine: str) -> Any:
    """What the engine would do, as `plan` tells it."""
    (answer,) = installation.ok("plan", tenant, "--refresh", "--engine", engine, "--output", "json").json
    changes = Counter((c["op"], c["type"], c["name"], tuple(sorted(c["paths"]))) for c in answer["changes"])
    return answer["verdict"], answer["summary"], changes


# A balancer in place of an address, and back: creations, updates and deletions in one run.
CHANGES = (
    (
        "pulumi",
        {"ring": 1, "overrides": [{"setting": "front", "value": "balancer", "name": "Ann", "reason": "a test"}]},
    ),
    ("embedded", {"ring": 3, "overrides": []}),
)


def test_each_goes_on_with_what_the_other_left(installation: Installation) -> None:
    """Both plan the same for each change; one carries it out, the other the next; the end is the CLI's."""
    installation.ok("new-tenant", "relay", "--tier", "trial")
    for engine, fields in CHANGES:
        desire(installation, "relay", **fields)
        ours, theirs = (planned(installation, "relay", name) for name in ("embedded", "pulumi"))
        assert ours == theirs
        assert ours[0] == "change"
        assert {"create", "update", "delete"} <= ours[1].keys()
        installation.ok("apply", "relay", "--yes", "--engine", engine)
        for name in ("embedded", "pulumi"):
            assert planned(installation, "relay", name)[0] == "unchanged"
        assert installation.show("relay")["health"]["status"] == "healthy"
    folder = str(installation.home.parent / "relay-export")
    words = ("offboard", "relay", "--now", "--confirm", "relay", "--export", folder)
    installation.ok(*words, "--engine", "pulumi")
    census = installation.census("relay")
    assert census == {**dict.fromkeys(census, 0), "keys": 1}, "the key of the last recovery point"


def test_the_suite_names_the_cli_that_it_ran_with() -> None:
    assert isinstance(CLI, Cli)
    assert CLI.version
