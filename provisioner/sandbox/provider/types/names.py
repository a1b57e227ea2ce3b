"""Route 53 zones and records, ACM certificates."""

from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props, words
from provisioner.sandbox.provider.errors import AwsError
from provisioner.sandbox.provider.resource import Adopt, Name, resource
from provisioner.sandbox.provider.types.common import (
    fields,
    new_tags,
    params,
    refuse,
    tag_list,
    tag_map,
    tagged_by_api,
)

_ZONE_EXISTS = "HostedZoneAlreadyExists"


def _zone(call: Call, zone: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = call.api("route53", "get_hosted_zone", Id=zone)
    except AwsError as error:
        if error.missing:
            return None
        raise
    return found


def _zone_tags(call: Call, zone: str) -> list[dict[str, str]]:
    answer = call.api("route53", "list_tags_for_resource", ResourceType="hostedzone", ResourceId=zone)
    return list(answer["ResourceTagSet"].get("Tags") or ())


def _make_zone(call: Call, wanted: Props) -> str:
    """The reference is made of stack and name: AWS refuses a second one by it. Moto doesn't, so look first."""
    if _zone_named(call, wanted):
        message = f"a zone named {wanted['name']} of this stack exists"
        raise AwsError("route53 create_hosted_zone", _ZONE_EXISTS, message, 409)
    answer = call.once(
        "route53",
        "create_hosted_zone",
        Name=wanted["name"],
        CallerReference=_reference(wanted),
        HostedZoneConfig={"Comment": wanted.get("comment") or ""},
    )
    return str(answer["HostedZone"]["Id"]).rpartition("/")[2]


def _reference(wanted: Props) -> str:
    return f"{(wanted.get('tagsAll') or {}).get('provision:stack', '')}/{wanted['name']}"


def _read_zone(call: Call, zone: str, _known: Props) -> Props | None:
    found = _zone(call, zone)
    if found is None:
        return None
    servers = (found.get("DelegationSet") or {}).get("NameServers") or []
    return {
        "name": str(found["HostedZone"]["Name"]).removesuffix("."),
        "comment": (found["HostedZone"].get("Config") or {}).get("Comment"),
        "zoneId": zone,
        "nameServers": servers,
        "primaryNameServer": servers[0] if servers else None,
        "arn": f"arn:aws:route53:::hostedzone/{zone}",
        "tagsAll": tag_map(_zone_tags(call, zone)),
    }


def _update_zone(call: Call, zone: str, wanted: Props, _changed: frozenset[str]) -> None:
    call.api("route53", "update_hosted_zone_comment", Id=zone, Comment=wanted.get("comment") or "")


def _retag_zone(call: Call, zone: str, _state: Props, new: dict[str, str], gone: list[str]) -> None:
    call.api(
        "route53",
        "change_tags_for_resource",
        ResourceType="hostedzone",
        ResourceId=zone,
        AddTags=tag_list(new) or None,
        RemoveTagKeys=gone or None,
    )


def _delete_zone(call: Call, zone: str, state: Props) -> None:
    if state.get("forceDestroy"):
        records = call.api("route53", "list_resource_record_sets", HostedZoneId=zone)["ResourceRecordSets"]
        apex = f"{state['name']}."
        for record in records:
            if not (record["Name"] == apex and record["Type"] in ("NS", "SOA")):
                _change(call, zone, "DELETE", record)
    call.api("route53", "delete_hosted_zone", Id=zone)


def _zone_named(call: Call, wanted: Props) -> str | None:
    name = f"{wanted['name']}."
    for zone in call.api("route53", "list_hosted_zones_by_name", DNSName=name)["HostedZones"]:
        if zone["Name"] == name and zone.get("CallerReference") == _reference(wanted):
            return str(zone["Id"]).rpartition("/")[2]
    return None


ZONE = resource(
    "aws:route53/zone:Zone",
    "name comment forceDestroy",
    force_new="name",
    defaults={"comment": "Managed by Pulumi", "forceDestroy": False},
    name=Name(),
    regional=False,
    make=_make_zone,
    read=_read_zone,
    update=_update_zone,
    delete=_delete_zone,
    retag=_retag_zone,
    adopt=Adopt(duplicates=words(f"{_ZONE_EXISTS} ConflictingDomainExists"), existing=_zone_named, proven=True),
)


def _fqdn(call: Call, props: Props) -> str:
    """A record's name may be written without its zone."""
    found = _zone(call, props["zoneId"])
    if found is None:
        raise refuse(f"there is no zone {props['zoneId']}")
    zone = str(found["HostedZone"]["Name"]).removesuffix(".")
    name = str(props["name"]).removesuffix(".")
    return name if name == zone or name.endswith(f".{zone}") else f"{name}.{zone}" if name else zone


def _record_set(call: Call, wanted: Props) -> dict[str, Any]:
    record = {"Name": _fqdn(call, wanted), "Type": wanted["type"]} | params(wanted, "setIdentifier")
    for alias in wanted.get("aliases") or ():
        names = "zoneId=HostedZoneId name=DNSName evaluateTargetHealth"
        return record | {"AliasTarget": {"EvaluateTargetHealth": False} | params(alias, names)}
    values = [{"Value": _quoted(wanted["type"], v)} for v in wanted.get("records") or ()]
    return record | {"TTL": wanted.get("ttl"), "ResourceRecords": values}


def _quoted(kind: str, value: str) -> str:
    return f'"{value}"' if kind in ("TXT", "SPF") and not value.startswith('"') else value


def _change(call: Call, zone: str, action: str, record: dict[str, Any]) -> None:
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
    call.api("route53", "change_resource_record_sets", HostedZoneId=zone, ChangeBatch=batch)


def _record_id(props: Props) -> str:
    parts = [props["zoneId"], props["name"], props["type"], props.get("setIdentifier")]
    return "_".join(str(part) for part in parts if part)


def _make_record(call: Call, wanted: Props) -> str:
    """A name of somebody else is not taken over in silence, so the look comes first; moto's CREATE allows it."""
    there = _find_record(call, wanted)
    if there and not wanted.get("allowOverwrite"):
        message = f"the record {there['Name']} {there['Type']} exists"
        raise AwsError("route53 change_resource_record_sets", _RECORD_EXISTS, message, 400)
    _change(call, wanted["zoneId"], "UPSERT", _record_set(call, wanted))
    return _record_id(wanted)


def _find_record(call: Call, props: Props) -> dict[str, Any] | None:
    name = f"{_fqdn(call, props)}."
    answer = call.api(
        "route53",
        "list_resource_record_sets",
        HostedZoneId=props["zoneId"],
        StartRecordName=name,
        StartRecordType=props["type"],
    )
    for record in answer["ResourceRecordSets"]:
        same = record["Name"].replace("\\052", "*") == name and record["Type"] == props["type"]
        if same and record.get("SetIdentifier") == props.get("setIdentifier"):
            return dict(record)
    return None


def _read_record(call: Call, resource_id: str, known: Props) -> Props | None:
    if "zoneId" not in known:  # import: ZONE_name_TYPE[_set]
        zone, _, rest = resource_id.partition("_")
        name, _, kind = rest.rpartition("_")
        known = {"zoneId": zone, "name": name, "type": kind}
    if _zone(call, known["zoneId"]) is None or (found := _find_record(call, known)) is None:
        return None
    alias = found.get("AliasTarget")
    values = [str(r["Value"]) for r in found.get("ResourceRecords") or ()]
    return {
        **{key: known.get(key) for key in ("zoneId", "name", "type", "setIdentifier")},
        "ttl": found.get("TTL"),
        "records": [v.strip('"') if known["type"] in ("TXT", "SPF") else v for v in values],
        "aliases": [fields(alias, "zoneId=HostedZoneId name=DNSName evaluateTargetHealth")] if alias else [],
        "fqdn": str(found["Name"]).removesuffix("."),
    }


def _update_record(call: Call, _id: str, wanted: Props, _changed: frozenset[str]) -> None:
    _change(call, wanted["zoneId"], "UPSERT", _record_set(call, wanted))


def _delete_record(call: Call, _id: str, state: Props) -> None:
    found = _find_record(call, state) if _zone(call, state["zoneId"]) else None
    if found:  # a delete must name the record exactly as it is
        _change(call, state["zoneId"], "DELETE", found)


def _complete_record(inputs: Props) -> list[str]:
    if bool(inputs.get("aliases")) == bool(inputs.get("records")):
        return ["a record needs either records with a ttl, or an alias"]
    if inputs.get("records") and not inputs.get("ttl"):
        return ["a record with records needs a ttl"]
    return []


_RECORD_EXISTS = "RecordAlreadyExists"
RECORD = resource(
    "aws:route53/record:Record",
    "zoneId name type ttl records aliases setIdentifier allowOverwrite",
    required="zoneId name type",
    # AWS's provider changes type and set in place by a delete and a create; a replacement does the same here.
    force_new="zoneId name type setIdentifier",
    defaults={"allowOverwrite": False},
    sets="records",
    regional=False,
    make=_make_record,
    read=_read_record,
    update=_update_record,
    delete=_delete_record,
    complete=_complete_record,
    adopt=Adopt(duplicates=words(_RECORD_EXISTS), existing=lambda _call, wanted: _record_id(wanted)),
)


def _certificate(call: Call, arn: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = call.api("acm", "describe_certificate", CertificateArn=arn)["Certificate"]
    except AwsError as error:
        if error.missing:
            return None
        raise
    return found


def _request(call: Call, wanted: Props) -> str:
    names = "domainName subjectAlternativeNames validationMethod keyAlgorithm"
    return str(
        call.once("acm", "request_certificate", **params(wanted, names), Tags=new_tags(wanted))["CertificateArn"]
    )


def _read_certificate(call: Call, arn: str, _known: Props) -> Props | None:
    found = _certificate(call, arn)
    if found is None:
        return None
    domain, options = found["DomainName"], found.get("DomainValidationOptions") or []
    tags = call.api("acm", "list_tags_for_certificate", CertificateArn=arn)["Tags"]
    return {
        "domainName": domain,
        "subjectAlternativeNames": [n for n in found.get("SubjectAlternativeNames") or () if n != domain],
        "keyAlgorithm": str(found.get("KeyAlgorithm") or "RSA_2048").replace("-", "_"),
        "validationMethod": next((o.get("ValidationMethod") for o in options), None),
        "domainValidationOptions": [_option(o) for o in options],
        "status": found.get("Status"),
        "type": found.get("Type"),
        "notAfter": found["NotAfter"].isoformat() if found.get("NotAfter") else None,
        "notBefore": found["NotBefore"].isoformat() if found.get("NotBefore") else None,
        "arn": arn,
        "tagsAll": {t["Key"]: t.get("Value", "") for t in tags},
    }


def _option(option: dict[str, Any]) -> Props:
    names = "resourceRecordName=Name resourceRecordType=Type resourceRecordValue=Value"
    return fields(option, "domainName") | fields(option.get("ResourceRecord") or {}, names)


def _offers_proof(call: Call, arn: str, wanted: Props) -> None:
    """AWS takes a moment to say which DNS records it wants to see."""
    if wanted.get("validationMethod") != "DNS":
        return

    def look() -> bool | None:
        options = (_certificate(call, arn) or {}).get("DomainValidationOptions") or ()
        return True if options and all(o.get("ResourceRecord") for o in options) else None

    call.poll(f"{arn} to name its DNS records", look)


def _retag_certificate(call: Call, arn: str, _state: Props, new: dict[str, str], gone: list[str]) -> None:
    if new:
        call.api("acm", "add_tags_to_certificate", CertificateArn=arn, Tags=tag_list(new))
    if gone:
        tags = [{"Key": key} for key in gone]
        call.api("acm", "remove_tags_from_certificate", CertificateArn=arn, Tags=tags)


CERTIFICATE = resource(
    "aws:acm/certificate:Certificate",
    "domainName subjectAlternativeNames validationMethod keyAlgorithm",
    required="domainName",
    force_new="domainName subjectAlternativeNames validationMethod keyAlgorithm",
    defaults={"keyAlgorithm": "RSA_2048"},
    computed="subjectAlternativeNames validationMethod",
    sets="subjectAlternativeNames",
    make=_request,
    read=_read_certificate,
    ready=_offers_proof,
    delete=lambda call, arn, _state: call.api("acm", "delete_certificate", CertificateArn=arn),
    retag=_retag_certificate,
    adopt=Adopt(tagged=tagged_by_api("acm:certificate")),
)


def _validate(call: Call, wanted: Props) -> str:
    arn = str(wanted["certificateArn"])

    def look() -> bool | None:
        found = _certificate(call, arn)
        status = found["Status"] if found else "gone"
        if status not in ("PENDING_VALIDATION", "ISSUED"):
            raise refuse(f"{arn} is {status}")
        return True if status == "ISSUED" else None

    call.poll(f"{arn} to be issued", look, every=0.25)
    return arn


def _read_validation(call: Call, arn: str, known: Props) -> Props | None:
    found = _certificate(call, known.get("certificateArn") or arn)
    return {"certificateArn": found["CertificateArn"]} if found and found["Status"] == "ISSUED" else None


VALIDATION = resource(
    "aws:acm/certificateValidation:CertificateValidation",
    "certificateArn validationRecordFqdns",
    required="certificateArn",
    force_new="certificateArn validationRecordFqdns",
    sets="validationRecordFqdns",
    make=_validate,
    read=_read_validation,
)

TYPES = (ZONE, RECORD, CERTIFICATE, VALIDATION)
