"""Resources without tags and names, known by what they connect."""

from collections.abc import Callable, Mapping
from typing import Any

from provisioner.cloud.session import Clients, translated
from provisioner.model.errors import RefusedError

Inputs = Mapping[str, Any]


def _table(clients: Clients, table: str) -> Mapping[str, Any]:
    by_id = [{"Name": "route-table-id", "Values": [table]}]
    with translated("ec2 DescribeRouteTables"):
        found = clients["ec2"].describe_route_tables(Filters=by_id)["RouteTables"]
    return next((t for t in found if t["RouteTableId"] == table), {})


def _route(clients: Clients, inputs: Inputs) -> str | None:
    table, destination = inputs["routeTableId"], inputs["destinationCidrBlock"]
    routes = _table(clients, table).get("Routes", [])
    return f"{table}_{destination}" if any(r.get("DestinationCidrBlock") == destination for r in routes) else None


def _association(clients: Clients, inputs: Inputs) -> str | None:
    table, subnet = inputs["routeTableId"], inputs["subnetId"]
    links = _table(clients, table).get("Associations", [])
    return f"{subnet}/{table}" if any(a.get("SubnetId") == subnet for a in links) else None


def _listener(clients: Clients, inputs: Inputs) -> str | None:
    with translated("elbv2 DescribeListeners"):
        found = clients["elbv2"].describe_listeners(LoadBalancerArn=inputs["loadBalancerArn"])["Listeners"]
    return next((str(i["ListenerArn"]) for i in found if i["Port"] == inputs["port"]), None)


def _record(clients: Clients, inputs: Inputs) -> str | None:
    """A record that says what ours will say. Another one of that name leads customers elsewhere, and is somebody's."""
    zone, name, kind = inputs["zoneId"], _plain(inputs["name"]), inputs["type"]
    with translated("route53 ListResourceRecordSets"):
        answer = clients["route53"].list_resource_record_sets(
            HostedZoneId=zone, StartRecordName=name, StartRecordType=kind, MaxItems="1"
        )
    found = next((r for r in answer["ResourceRecordSets"] if (_plain(r["Name"]), r["Type"]) == (name, kind)), None)
    if found is None:
        return None
    there = {_plain(r["Value"]) for r in found.get("ResourceRecords", [])}
    there |= {_plain(found["AliasTarget"]["DNSName"])} if "AliasTarget" in found else set()
    ours = {_plain(v) for v in inputs.get("records") or ()} | {_plain(a["name"]) for a in inputs.get("aliases") or ()}
    if there != ours:
        raise RefusedError(
            f"the DNS has a record {name} ({kind}) already: {', '.join(sorted(there))}, not {', '.join(sorted(ours))}",
            hint=f"look whose it is in zone {zone}; delete it, then run the same command again",
        )
    return f"{zone}_{name}_{kind}"


def _plain(text: str) -> str:
    return text.rstrip(".").lower()


TYPES: Mapping[str, Callable[[Clients, Inputs], str | None]] = {
    "aws:ec2/route:Route": _route,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _association,
    "aws:lb/listener:Listener": _listener,
    "aws:route53/record:Record": _record,
}
