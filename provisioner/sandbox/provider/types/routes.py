"""Route tables, routes, and which table a subnet uses."""

from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props, words
from provisioner.sandbox.provider.resource import Adopt, resource
from provisioner.sandbox.provider.types import ec2
from provisioner.sandbox.provider.types.common import fields, params, refuse, tag_map

_DESTINATIONS = "destinationCidrBlock destinationIpv6CidrBlock destinationPrefixListId"
_TARGETS = (
    "gatewayId natGatewayId networkInterfaceId transitGatewayId vpcPeeringConnectionId "
    "egressOnlyGatewayId=EgressOnlyInternetGatewayId"
)


def _table(call: Call, table: str | None) -> dict[str, Any] | None:
    return call.one("ec2", "describe_route_tables", "RouteTables", RouteTableIds=[table]) if table else None


def _make_table(call: Call, wanted: Props) -> str:
    tags = ec2.specification("route-table", wanted)
    answer = call.once("ec2", "create_route_table", VpcId=wanted["vpcId"], TagSpecifications=tags)
    return str(answer["RouteTable"]["RouteTableId"])


def _read_table(call: Call, table: str, _known: Props) -> Props | None:
    found = _table(call, table)
    if found is None:
        return None
    return fields(found, "vpcId ownerId") | {
        "arn": ec2.arn(call, found.get("OwnerId", ""), "route-table", table),
        "tagsAll": tag_map(found.get("Tags")),
    }


TABLE = resource(
    "aws:ec2/routeTable:RouteTable",
    "vpcId",
    required="vpcId",
    force_new="vpcId",
    make=_make_table,
    read=_read_table,
    delete=lambda call, table, _state: call.api("ec2", "delete_route_table", RouteTableId=table),
    retag=ec2.retag,
    adopt=Adopt(tagged=ec2.tagged("describe_route_tables", "RouteTables", "RouteTableId")),
)


def _destination(props: Props) -> str:
    return str(next(props[key] for key in _DESTINATIONS.split() if props.get(key)))


def _route_id(props: Props) -> str:
    return f"r-{props['routeTableId']}_{_destination(props)}"


def _make_route(call: Call, wanted: Props) -> str:
    call.once("ec2", "create_route", **params(wanted, f"routeTableId {_DESTINATIONS} {_TARGETS}"))
    return _route_id(wanted)


def _read_route(call: Call, route: str, known: Props) -> Props | None:
    if "routeTableId" not in known:  # import: rtb-x_10.0.0.0/16
        table, _, destination = route.removeprefix("r-").partition("_")
        kind = "destinationIpv6CidrBlock" if ":" in destination else "destinationCidrBlock"
        kind = "destinationPrefixListId" if destination.startswith("pl-") else kind
        known = {"routeTableId": table, kind: destination}
    destination = _destination(known)
    for item in (_table(call, known["routeTableId"]) or {}).get("Routes") or ():
        if destination in (item.get(key[0].upper() + key[1:]) for key in _DESTINATIONS.split()):
            state = fields(item, f"{_DESTINATIONS} {_TARGETS} state origin instanceId")
            return state | {"routeTableId": known["routeTableId"], "id": _route_id({**known})}
    return None


def _update_route(call: Call, _route: str, wanted: Props, _changed: frozenset[str]) -> None:
    call.api("ec2", "replace_route", **params(wanted, f"routeTableId {_DESTINATIONS} {_TARGETS}"))


def _delete_route(call: Call, _route: str, state: Props) -> None:
    call.api("ec2", "delete_route", **params(state, f"routeTableId {_DESTINATIONS}"))


def _check_route(inputs: Props) -> list[str]:
    targets = [key.partition("=")[0] for key in _TARGETS.split()]
    if sum(bool(inputs.get(k)) for k in _DESTINATIONS.split()) != 1:
        return ["a route needs exactly one destination"]
    return [] if sum(bool(inputs.get(k)) for k in targets) == 1 else ["a route needs exactly one target"]


ROUTE = resource(
    "aws:ec2/route:Route",
    "routeTableId gatewayId natGatewayId networkInterfaceId transitGatewayId vpcPeeringConnectionId "
    f"egressOnlyGatewayId {_DESTINATIONS}",
    required="routeTableId",
    force_new=f"routeTableId {_DESTINATIONS}",
    make=_make_route,
    read=_read_route,
    update=_update_route,
    delete=_delete_route,
    complete=_check_route,
    adopt=Adopt(duplicates=words("RouteAlreadyExists"), existing=lambda _call, wanted: _route_id(wanted)),
)


def _association(call: Call, association: str, target: str | None) -> dict[str, Any] | None:
    """By what is associated, since replacing the table gives a new id; by id where that isn't known (import)."""
    name = "association.subnet-id" if target else "association.route-table-association-id"
    filters = [{"Name": name, "Values": [target or association]}]
    table = call.one("ec2", "describe_route_tables", "RouteTables", Filters=filters) or {}
    for item in table.get("Associations") or ():
        if association == item["RouteTableAssociationId"] or (target and target == item.get("SubnetId")):
            return dict(item)
    return None


def _make_association(call: Call, wanted: Props) -> str:
    subnet, table = wanted["subnetId"], wanted["routeTableId"]
    there = _association(call, "", subnet)  # AWS refuses a second one, moto gives back the first whatever its table
    if there and there["RouteTableId"] != table:
        raise refuse(f"{subnet} is associated with {there['RouteTableId']} already")
    answer = call.api("ec2", "associate_route_table", RouteTableId=table, SubnetId=subnet)
    return str(answer["AssociationId"])


def _read_association(call: Call, association: str, known: Props) -> Props | None:
    subnet = known.get("subnetId") or (association.partition("/")[0] if "/" in association else None)
    found = _association(call, association, subnet)
    if found is None:
        return None
    return {"id": found["RouteTableAssociationId"]} | fields(found, "subnetId routeTableId")


def _update_association(call: Call, association: str, wanted: Props, _changed: frozenset[str]) -> None:
    found = _association(call, association, wanted.get("subnetId"))
    if found and found["RouteTableId"] != wanted["routeTableId"]:
        call.once(
            "ec2",
            "replace_route_table_association",
            AssociationId=found["RouteTableAssociationId"],
            RouteTableId=wanted["routeTableId"],
        )


def _delete_association(call: Call, association: str, state: Props) -> None:
    found = _association(call, association, state.get("subnetId"))
    if found:
        call.api("ec2", "disassociate_route_table", AssociationId=found["RouteTableAssociationId"])


ASSOCIATION = resource(
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "subnetId routeTableId",
    required="subnetId routeTableId",
    force_new="subnetId",
    make=_make_association,
    read=_read_association,
    update=_update_association,
    delete=_delete_association,
)

TYPES = (TABLE, ROUTE, ASSOCIATION)
