"""RDS parameter groups and subnet groups."""

from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props, words
from provisioner.sandbox.provider.resource import Adopt, Name, resource
from provisioner.sandbox.provider.types.common import by_arn, fields, new_tags, params, tag_map

RETAG = by_arn("rds", arn="ResourceName", add="add_tags_to_resource", remove="remove_tags_from_resource")


def _make_parameters(call: Call, wanted: Props) -> str:
    answer = call.once(
        "rds",
        "create_db_parameter_group",
        **params(wanted, "name=DBParameterGroupName family=DBParameterGroupFamily description"),
        Tags=new_tags(wanted),
    )
    return str(answer["DBParameterGroup"]["DBParameterGroupName"])


def _read_parameters(call: Call, name: str, _known: Props) -> Props | None:
    found = call.one("rds", "describe_db_parameter_groups", "DBParameterGroups", DBParameterGroupName=name)
    if found is None:
        return None
    own = _own_parameters(call, name)
    return fields(found, "name=DBParameterGroupName family=DBParameterGroupFamily description") | {
        "parameters": [fields(p, "name=ParameterName value=ParameterValue applyMethod") for p in own],
        "arn": found["DBParameterGroupArn"],
        "tagsAll": tag_map(
            call.api("rds", "list_tags_for_resource", ResourceName=found["DBParameterGroupArn"])["TagList"]
        ),
    }


def _own_parameters(call: Call, name: str) -> list[dict[str, Any]]:
    """Those that were set; defaults are hundreds and the program's business only where it sets them."""
    found: list[dict[str, Any]] = []
    marker = None
    while True:
        page = call.api("rds", "describe_db_parameters", DBParameterGroupName=name, Source="user", Marker=marker)
        found += page["Parameters"]
        marker = page.get("Marker")
        if not marker:
            return [p for p in found if p.get("ParameterValue") is not None]


def _update_parameters(call: Call, name: str, wanted: Props, changed: frozenset[str]) -> None:
    if "parameters" not in changed:
        return
    names = "name=ParameterName value=ParameterValue applyMethod"
    new = [params(p, names) | {"ParameterValue": str(p["value"])} for p in wanted.get("parameters") or ()]
    kept = {p["ParameterName"] for p in new}
    gone = [
        {"ParameterName": p["ParameterName"], "ApplyMethod": p.get("ApplyMethod") or "immediate"}
        for p in _own_parameters(call, name)
        if p["ParameterName"] not in kept
    ]
    for start in range(0, len(new), 20):  # AWS takes 20 at a time
        call.api("rds", "modify_db_parameter_group", DBParameterGroupName=name, Parameters=new[start : start + 20])
    for start in range(0, len(gone), 20):
        call.api("rds", "reset_db_parameter_group", DBParameterGroupName=name, Parameters=gone[start : start + 20])


def _complete_parameters(inputs: Props) -> list[str]:
    for parameter in inputs.get("parameters") or ():
        if isinstance(parameter, dict):
            parameter.setdefault("applyMethod", "immediate")
    return []


PARAMETERS = resource(
    "aws:rds/parameterGroup:ParameterGroup",
    "name family description parameters",
    required="family",
    force_new="name family description",
    defaults={"description": "Managed by Pulumi"},
    sets="parameters",
    name=Name(clean=str.lower),
    make=_make_parameters,
    read=_read_parameters,
    update=_update_parameters,
    delete=lambda call, name, _state: call.api("rds", "delete_db_parameter_group", DBParameterGroupName=name),
    complete=_complete_parameters,
    retag=RETAG,
    adopt=Adopt(duplicates=words("DBParameterGroupAlreadyExists"), existing=lambda _call, wanted: str(wanted["name"])),
)

_GROUP = "name=DBSubnetGroupName description=DBSubnetGroupDescription"


def _make_subnets(call: Call, wanted: Props) -> str:
    call.once("rds", "create_db_subnet_group", **params(wanted, f"{_GROUP} subnetIds"), Tags=new_tags(wanted))
    return str(wanted["name"])


def _read_subnets(call: Call, name: str, _known: Props) -> Props | None:
    found = call.one("rds", "describe_db_subnet_groups", "DBSubnetGroups", DBSubnetGroupName=name)
    if found is None:
        return None
    arn = found["DBSubnetGroupArn"]
    return fields(found, f"{_GROUP} vpcId") | {
        "subnetIds": [s["SubnetIdentifier"] for s in found.get("Subnets") or ()],
        "arn": arn,
        "tagsAll": tag_map(call.api("rds", "list_tags_for_resource", ResourceName=arn)["TagList"]),
    }


def _update_subnets(call: Call, _name: str, wanted: Props, _changed: frozenset[str]) -> None:
    call.api("rds", "modify_db_subnet_group", **params(wanted, f"{_GROUP} subnetIds"))


SUBNETS = resource(
    "aws:rds/subnetGroup:SubnetGroup",
    "name description subnetIds",
    required="subnetIds",
    force_new="name",
    defaults={"description": "Managed by Pulumi"},
    sets="subnetIds",
    name=Name(clean=str.lower),
    make=_make_subnets,
    read=_read_subnets,
    update=_update_subnets,
    delete=lambda call, name, _state: call.api("rds", "delete_db_subnet_group", DBSubnetGroupName=name),
    retag=RETAG,
    adopt=Adopt(duplicates=words("DBSubnetGroupAlreadyExists"), existing=lambda _call, wanted: str(wanted["name"])),
)

TYPES = (PARAMETERS, SUBNETS)
