"""Functions (data sources) that programs may call."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props
from provisioner.sandbox.provider.types.common import fields, refuse, tag_map


def _caller(call: Call, _args: Props) -> Props:
    who = call.api("sts", "get_caller_identity")
    return {"id": who["Account"], "accountId": who["Account"], "arn": who["Arn"], "userId": who["UserId"]}


def _region(call: Call, args: Props) -> Props:
    region = args.get("region") or args.get("name") or call.region
    return {
        "id": region,
        "name": region,
        "region": region,
        "description": region,
        "endpoint": f"ec2.{region}.amazonaws.com",
    }


def _partition(_call: Call, _args: Props) -> Props:
    return {"id": "aws", "partition": "aws", "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}


def _zones(call: Call, args: Props) -> Props:
    filters = [{"Name": f["name"], "Values": f["values"]} for f in args.get("filters") or ()]
    if args.get("state"):
        filters.append({"Name": "state", "Values": [args["state"]]})
    found = call.api("ec2", "describe_availability_zones", Filters=filters)["AvailabilityZones"]
    left_out = {*(args.get("excludeNames") or ()), *(args.get("excludeZoneIds") or ())}
    zones = sorted(
        (z for z in found if not {z["ZoneName"], z.get("ZoneId")} & left_out), key=lambda z: str(z["ZoneName"])
    )
    return {
        "id": call.region,
        "region": call.region,
        "names": [z["ZoneName"] for z in zones],
        "zoneIds": [z.get("ZoneId") or "" for z in zones],
        "groupNames": sorted({z.get("GroupName") or call.region for z in zones}),
    }


def _ami(call: Call, args: Props) -> Props:
    filters = [{"Name": f["name"], "Values": f["values"]} for f in args.get("filters") or ()]
    owners = args.get("owners") or None
    images = call.api("ec2", "describe_images", Owners=owners, Filters=filters)["Images"]
    if not images:
        raise refuse("no image fits", "run provision sandbox status for the images there are")
    if len(images) > 1 and not args.get("mostRecent"):
        raise refuse(f"{len(images)} images fit", "narrow the filters or set mostRecent")
    image = max(images, key=lambda i: str(i.get("CreationDate")))
    names = "imageId name description architecture ownerId creationDate rootDeviceName rootDeviceType state"
    arn = f"arn:aws:ec2:{call.region}::image/{image['ImageId']}"
    return fields(image, names) | {"id": image["ImageId"], "arn": arn, "tags": tag_map(image.get("Tags"))}


def _zone(call: Call, args: Props) -> Props:
    if zone_id := args.get("zoneId"):
        zones = [call.api("route53", "get_hosted_zone", Id=zone_id)["HostedZone"]]
    elif args.get("name"):
        name = f"{str(args['name']).removesuffix('.')}."
        listed = call.api("route53", "list_hosted_zones_by_name", DNSName=name)["HostedZones"]
        private = bool(args.get("privateZone"))
        zones = [z for z in listed if z["Name"] == name and bool((z.get("Config") or {}).get("PrivateZone")) == private]
    else:
        raise refuse("getZone needs zoneId or name")
    if len(zones) != 1:
        raise refuse(f"{len(zones)} zones are named {args.get('name')}, not one")
    zone = zones[0]
    zone_id = str(zone["Id"]).rpartition("/")[2]
    servers = call.api("route53", "get_hosted_zone", Id=zone_id).get("DelegationSet", {}).get("NameServers") or []
    return {
        "id": zone_id,
        "zoneId": zone_id,
        "name": str(zone["Name"]).removesuffix("."),
        "arn": f"arn:aws:route53:::hostedzone/{zone_id}",
        "comment": (zone.get("Config") or {}).get("Comment") or "",
        "privateZone": bool((zone.get("Config") or {}).get("PrivateZone")),
        "callerReference": zone.get("CallerReference") or "",
        "resourceRecordSetCount": zone.get("ResourceRecordSetCount") or 0,
        "nameServers": servers,
        "primaryNameServer": servers[0] if servers else "",
        "tags": {},
    }


def _policy(_call: Call, args: Props) -> Props:
    document: dict[str, Any] = {"Version": args.get("version") or "2012-10-17"}
    if args.get("policyId"):
        document["Id"] = args["policyId"]
    document["Statement"] = [_statement(s) for s in args.get("statements") or ()]
    text = json.dumps(document, indent=2)
    return {
        "id": hashlib.sha256(text.encode()).hexdigest()[:10],
        "json": text,
        "minifiedJson": json.dumps(document, separators=(",", ":")),
    }


_LISTS = {"actions": "Action", "notActions": "NotAction", "resources": "Resource", "notResources": "NotResource"}


def _statement(wanted: Props) -> dict[str, Any]:
    statement: dict[str, Any] = {"Sid": wanted["sid"]} if wanted.get("sid") else {}
    statement["Effect"] = wanted.get("effect") or "Allow"
    for ours, theirs in _LISTS.items():
        if wanted.get(ours):
            statement[theirs] = _one_or_many(wanted[ours])
    for ours, theirs in {"principals": "Principal", "notPrincipals": "NotPrincipal"}.items():
        if wanted.get(ours):
            statement[theirs] = _principals(wanted[ours])
    conditions: dict[str, dict[str, Any]] = {}
    for condition in wanted.get("conditions") or ():
        conditions.setdefault(condition["test"], {})[condition["variable"]] = _one_or_many(condition["values"])
    return statement | ({"Condition": conditions} if conditions else {})


def _principals(wanted: list[Props]) -> Any:
    if any(p["type"] == "*" for p in wanted):
        return "*"
    return {p["type"]: _one_or_many(p["identifiers"]) for p in wanted}


def _one_or_many(values: list[str]) -> Any:
    return values[0] if len(values) == 1 else sorted(values, reverse=True)


INVOKES: dict[str, Callable[[Call, Props], Props]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getPartition:getPartition": _partition,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:ec2/getAmi:getAmi": _ami,
    "aws:route53/getZone:getZone": _zone,
    "aws:iam/getPolicyDocument:getPolicyDocument": _policy,
}
