"""Whatever a stack consists of is found in the cloud again, under the id that it has: its own, and nobody else's."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner.cloud import lookup
from provisioner.cloud.leftovers import leftovers
from provisioner.cloud.lookup.tagged import TYPES as TAGGED
from provisioner.cloud.session import Access, Clients
from tests.installation import Installation

# Standard: with NAT gateways, a load balancer, a certificate and records, of which a trial has none.
TENANTS = ("acme", "beta")


@pytest.fixture(scope="module")
def fleet(installation: Installation) -> Installation:
    for tenant in TENANTS:
        installation.ok("new-tenant", tenant, "--tier", "standard")
    return installation


def clients(fleet: Installation) -> Clients:
    running = fleet.control.ensure_running()
    return Clients(Access("eu-west-1", running.endpoint_url, running.access_key_id, running.secret_access_key))


def resources(fleet: Installation, tenant: str) -> Iterator[dict[str, Any]]:
    path: Path = fleet.home / "state" / ".pulumi" / "stacks" / "tenant" / f"{tenant}.json"
    for resource in json.loads(path.read_text())["checkpoint"]["latest"]["resources"]:
        if resource["custom"] and not resource["type"].startswith("pulumi:"):
            yield resource


def import_id(resource: dict[str, Any]) -> str:
    """What `pulumi import` takes for it: the id, but for three types (see "Import" on their pages of the registry)."""
    inputs = resource["inputs"]
    if resource["type"] == "aws:ec2/route:Route":
        return f"{inputs['routeTableId']}_{inputs['destinationCidrBlock']}"
    if resource["type"] == "aws:ec2/routeTableAssociation:RouteTableAssociation":
        return f"{inputs['subnetId']}/{inputs['routeTableId']}"
    if resource["type"] == "aws:rds/instance:Instance":
        return str(inputs["identifier"])
    return str(resource["id"])


@pytest.mark.parametrize("tenant", TENANTS)
def test_everything_is_found_under_the_id_that_it_has(fleet: Installation, tenant: str) -> None:
    cloud, tags = clients(fleet), {"provision:stack": f"tenant/{tenant}"}
    lost = []
    looked = 0
    for resource in resources(fleet, tenant):
        found = lookup.find(cloud, resource["type"], resource["inputs"], tags, ())
        wanted = None if resource["type"] in lookup.AGAIN else import_id(resource)
        looked += wanted is not None
        if found != wanted:
            lost.append((resource["type"], wanted, found))
    assert lost == []
    assert looked > 40


def test_what_the_state_has_already_is_not_what_a_cut_off_creation_made(fleet: Installation) -> None:
    cloud, tags = clients(fleet), {"provision:stack": "tenant/acme"}
    for resource in resources(fleet, "acme"):
        known = (resource["id"],)
        assert lookup.find(cloud, resource["type"], resource["inputs"], tags, known) is None, resource["type"]


def test_an_ignored_filter_never_gives_one_tenants_things_to_another(fleet: Installation) -> None:
    """Found when moto's DescribeNatGateways took no notice of tags, and a sweep named other tenants' gateways."""
    cloud = clients(fleet)
    own = {tenant: set(leftovers(cloud, tenant)) for tenant in (*TENANTS, "nobody")}
    assert own["nobody"] == set()
    assert len(own["acme"]) == len(own["beta"]) > 20
    assert own["acme"] & own["beta"] == set()
    asked = []

    def deafen(params: dict[str, Any], **_: Any) -> None:
        """EC2 as it would be if it took no notice of tags."""
        for listing in {"Filter", "Filters"} & params.keys():
            params[listing] = [f for f in params[listing] if not f["Name"].startswith("tag:")]
            asked.append(listing)

    cloud["ec2"].meta.events.register("before-parameter-build.ec2", deafen)
    assert set(leftovers(cloud, "acme")) == own["acme"]
    tags = {"provision:stack": "tenant/acme"}
    mine = [r for r in resources(fleet, "acme") if r["type"] in TAGGED]
    assert [lookup.find(cloud, r["type"], r["inputs"], tags, ()) for r in mine] == [r["id"] for r in mine]
    assert len(asked) > 20
