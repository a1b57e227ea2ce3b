"""Resources without tags and names, known by what they connect."""

from collections.abc import Callable, Mapping
from typing import Any

from provisioner.cloud.session import Clients, translated

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
    zone, name, kind = inputs["zoneId"], inputs["name"].rstrip("."), inputs["type"]
    with translated("route53 ListResourceRecordSets"):
        answer = clients["route53"].list_resource_record_sets(
            HostedZoneId=zone, StartRecordName=name, StartRecordType=kind, MaxItems="1"
        )
    found = [(r["Name"].rstrip("."), r["Type"]) for r in answer["ResourceRecordSets"]]
    return f"{zone}_{name}_{kind}" if (name, kind) in found else None


TYPES: Mapping[str, Callable[[Clients, Inputs], str | None]] = {
    "aws:ec2/route:Route": _route,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _association,
    "aws:lb/listener:Listener": _listener,
    "aws:route53/record:Record": _record,
}
