"""Load balancers, target groups, listeners, and which targets are registered."""

from collections.abc import Mapping
from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props, words
from provisioner.sandbox.provider.errors import AwsError
from provisioner.sandbox.provider.resource import Adopt, Name, resource
from provisioner.sandbox.provider.types.common import fields, new_tags, params, refuse, tag_list, tag_map

_BALANCER_ATTRIBUTES = {
    "enableDeletionProtection": "deletion_protection.enabled",
    "idleTimeout": "idle_timeout.timeout_seconds",
    "clientKeepAlive": "client_keep_alive.seconds",
    "dropInvalidHeaderFields": "routing.http.drop_invalid_header_fields.enabled",
    "desyncMitigationMode": "routing.http.desync_mitigation_mode",
    "enableHttp2": "routing.http2.enabled",
    "preserveHostHeader": "routing.http.preserve_host_header.enabled",
}
_DUPLICATE_BALANCER = "DuplicateLoadBalancerName"
_GROUP_ATTRIBUTES = {
    "deregistrationDelay": "deregistration_delay.timeout_seconds",
    "slowStart": "slow_start.duration_seconds",
    "loadBalancingAlgorithmType": "load_balancing.algorithm.type",
}


def _retag(call: Call, resource_id: str, _state: Props, new: dict[str, str], gone: list[str]) -> None:
    if new:
        call.api("elbv2", "add_tags", ResourceArns=[resource_id], Tags=tag_list(new))
    if gone:
        call.api("elbv2", "remove_tags", ResourceArns=[resource_id], TagKeys=gone)


def _tags(call: Call, arn: str) -> dict[str, str]:
    found = call.one("elbv2", "describe_tags", "TagDescriptions", ResourceArns=[arn])
    return tag_map(found["Tags"]) if found else {}


def _attributes(call: Call, operation: str, parameter: str, arn: str, names: Mapping[str, str]) -> Props:
    answer = call.api("elbv2", operation, **{parameter: arn})["Attributes"]
    values = {item["Key"]: item["Value"] for item in answer}
    return {ours: _value(values.get(theirs)) for ours, theirs in names.items()}


def _value(text: str | None) -> Any:
    """Attributes are texts: numbers and truth values as the program writes them."""
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text is not None and str(text).isdigit() else text


def _attribute_list(wanted: Props, names: Mapping[str, str], changed: frozenset[str]) -> list[dict[str, str]]:
    return [
        {"Key": names[k], "Value": str(wanted[k]).lower() if isinstance(wanted[k], bool) else str(wanted[k])}
        for k in sorted(changed & names.keys())
        if wanted.get(k) is not None
    ]


def _make_balancer(call: Call, wanted: Props) -> str:
    """AWS refuses a second one of the same name, or gives back the first; moto makes two. So look first."""
    if _balancer(call, Names=[wanted["name"]]):
        message = f"a load balancer named {wanted['name']} exists"
        raise AwsError("elbv2 create_load_balancer", _DUPLICATE_BALANCER, message, 400)
    answer = call.once(
        "elbv2",
        "create_load_balancer",
        **params(wanted, "name subnets securityGroups ipAddressType loadBalancerType=Type"),
        Scheme="internal" if wanted.get("internal") else "internet-facing",
        Tags=new_tags(wanted),
    )
    return str(answer["LoadBalancers"][0]["LoadBalancerArn"])


def _balancer(call: Call, **by: Any) -> dict[str, Any] | None:
    return call.one("elbv2", "describe_load_balancers", "LoadBalancers", **by)


def _read_balancer(call: Call, arn: str, _known: Props) -> Props | None:
    found = _balancer(call, LoadBalancerArns=[arn])
    if found is None:
        return None
    names = (
        "name=LoadBalancerName loadBalancerType=Type ipAddressType dnsName=DNSName zoneId=CanonicalHostedZoneId vpcId"
    )
    parameter = "LoadBalancerArn"
    return {
        **fields(found, names),
        **_attributes(call, "describe_load_balancer_attributes", parameter, arn, _BALANCER_ATTRIBUTES),
        "internal": found["Scheme"] == "internal",
        "subnets": [z["SubnetId"] for z in found.get("AvailabilityZones") or ()],
        "securityGroups": found.get("SecurityGroups") or [],
        "arn": arn,
        "arnSuffix": arn.partition(":loadbalancer/")[2],
        "tagsAll": _tags(call, arn),
    }


def _update_balancer(call: Call, arn: str, wanted: Props, changed: frozenset[str]) -> None:
    if "subnets" in changed:
        call.api("elbv2", "set_subnets", LoadBalancerArn=arn, Subnets=wanted["subnets"])
    if "securityGroups" in changed:
        call.api("elbv2", "set_security_groups", LoadBalancerArn=arn, SecurityGroups=wanted["securityGroups"])
    if attributes := _attribute_list(wanted, _BALANCER_ATTRIBUTES, changed):
        call.api("elbv2", "modify_load_balancer_attributes", LoadBalancerArn=arn, Attributes=attributes)


def _balancer_ready(call: Call, arn: str, _wanted: Props) -> None:
    def look() -> bool | None:
        found = _balancer(call, LoadBalancerArns=[arn])
        state = found["State"]["Code"] if found else "failed"
        if state == "failed":
            raise refuse(f"{arn} failed to start")
        return None if state == "provisioning" else True

    call.poll(f"{arn} to be active", look)


def _delete_balancer(call: Call, arn: str, _state: Props) -> None:
    if _balancer(call, LoadBalancerArns=[arn]):
        call.api("elbv2", "delete_load_balancer", LoadBalancerArn=arn)


def _balancer_named(call: Call, wanted: Props) -> str | None:
    found = _balancer(call, Names=[wanted["name"]])
    return str(found["LoadBalancerArn"]) if found else None


BALANCER = resource(
    "aws:lb/loadBalancer:LoadBalancer",
    "name internal loadBalancerType subnets securityGroups ipAddressType " + " ".join(_BALANCER_ATTRIBUTES),
    required="subnets",
    force_new="name internal loadBalancerType",
    defaults={"loadBalancerType": "application", "internal": False},
    sets="subnets securityGroups",
    computed=f"securityGroups ipAddressType {' '.join(_BALANCER_ATTRIBUTES)}",
    name=Name(longest=32),
    make=_make_balancer,
    read=_read_balancer,
    update=_update_balancer,
    ready=_balancer_ready,
    delete=_delete_balancer,
    retag=_retag,
    adopt=Adopt(duplicates=words(_DUPLICATE_BALANCER), existing=_balancer_named),
)

_HEALTH = (
    "path=HealthCheckPath port=HealthCheckPort protocol=HealthCheckProtocol interval=HealthCheckIntervalSeconds "
    "timeout=HealthCheckTimeoutSeconds healthyThreshold=HealthyThresholdCount "
    "unhealthyThreshold=UnhealthyThresholdCount enabled=HealthCheckEnabled"
)


def _health(wanted: Props) -> dict[str, Any]:
    check = wanted.get("healthCheck") or {}
    matcher = {"Matcher": {"HttpCode": str(check["matcher"])}} if check.get("matcher") else {}
    return params(check, _HEALTH) | matcher


def _make_group(call: Call, wanted: Props) -> str:
    answer = call.once(
        "elbv2",
        "create_target_group",
        **params(wanted, "name port protocol protocolVersion targetType vpcId ipAddressType"),
        **_health(wanted),
        Tags=new_tags(wanted),
    )
    return str(answer["TargetGroups"][0]["TargetGroupArn"])


def _group(call: Call, **by: Any) -> dict[str, Any] | None:
    return call.one("elbv2", "describe_target_groups", "TargetGroups", **by)


def _read_group(call: Call, arn: str, _known: Props) -> Props | None:
    found = _group(call, TargetGroupArns=[arn])
    if found is None:
        return None
    health = fields(found, _HEALTH) | {"matcher": (found.get("Matcher") or {}).get("HttpCode")}
    names = "name=TargetGroupName port protocol protocolVersion targetType vpcId ipAddressType loadBalancerArns"
    return {
        **fields(found, names),
        **_attributes(call, "describe_target_group_attributes", "TargetGroupArn", arn, _GROUP_ATTRIBUTES),
        "healthCheck": health,
        "arn": arn,
        "arnSuffix": arn.rpartition(":")[2],
        "tagsAll": _tags(call, arn),
    }


def _update_group(call: Call, arn: str, wanted: Props, changed: frozenset[str]) -> None:
    if "healthCheck" in changed:
        call.api("elbv2", "modify_target_group", TargetGroupArn=arn, **_health(wanted))
    if attributes := _attribute_list(wanted, _GROUP_ATTRIBUTES, changed):
        call.api("elbv2", "modify_target_group_attributes", TargetGroupArn=arn, Attributes=attributes)


def _group_named(call: Call, wanted: Props) -> str | None:
    found = _group(call, Names=[wanted["name"]])
    return str(found["TargetGroupArn"]) if found else None


GROUP = resource(
    "aws:lb/targetGroup:TargetGroup",
    "name port protocol protocolVersion targetType vpcId ipAddressType healthCheck " + " ".join(_GROUP_ATTRIBUTES),
    required="port protocol vpcId",
    force_new="name port protocol protocolVersion targetType vpcId ipAddressType",
    defaults={"targetType": "instance", "deregistrationDelay": 300, "slowStart": 0},
    computed="protocolVersion ipAddressType healthCheck loadBalancingAlgorithmType",
    name=Name(longest=32),
    make=_make_group,
    read=_read_group,
    update=_update_group,
    delete=lambda call, arn, _state: call.api("elbv2", "delete_target_group", TargetGroupArn=arn),
    retag=_retag,
    adopt=Adopt(duplicates=words("DuplicateTargetGroupName"), existing=_group_named),
)

_REDIRECT = "port protocol statusCode host path query"
_FIXED = "contentType messageBody statusCode"


def _actions(wanted: Props) -> list[dict[str, Any]]:
    return [
        params(action, "type targetGroupArn order")
        | ({"RedirectConfig": params(action["redirect"], _REDIRECT)} if action.get("redirect") else {})
        | ({"FixedResponseConfig": params(action["fixedResponse"], _FIXED)} if action.get("fixedResponse") else {})
        for action in wanted["defaultActions"]
    ]


def _action_state(action: Mapping[str, Any]) -> Props:
    state = fields(action, "type targetGroupArn order")
    if action.get("RedirectConfig"):
        state["redirect"] = fields(action["RedirectConfig"], _REDIRECT)
    if action.get("FixedResponseConfig"):
        state["fixedResponse"] = fields(action["FixedResponseConfig"], _FIXED)
    return state


def _listener_settings(wanted: Props) -> dict[str, Any]:
    certificate = wanted.get("certificateArn")
    return {
        **params(wanted, "port protocol sslPolicy"),
        "Certificates": [{"CertificateArn": certificate}] if certificate else None,
        "DefaultActions": _actions(wanted),
    }


def _make_listener(call: Call, wanted: Props) -> str:
    answer = call.once(
        "elbv2",
        "create_listener",
        LoadBalancerArn=wanted["loadBalancerArn"],
        **_listener_settings(wanted),
        Tags=new_tags(wanted),
    )
    return str(answer["Listeners"][0]["ListenerArn"])


def _read_listener(call: Call, arn: str, _known: Props) -> Props | None:
    found = call.one("elbv2", "describe_listeners", "Listeners", ListenerArns=[arn])
    if found is None:
        return None
    return fields(found, "loadBalancerArn port protocol sslPolicy") | {
        "sslPolicy": found.get("SslPolicy") if found.get("Protocol") in ("HTTPS", "TLS") else None,
        "certificateArn": next((c["CertificateArn"] for c in found.get("Certificates") or ()), None),
        "defaultActions": [_action_state(a) for a in found.get("DefaultActions") or ()],
        "arn": arn,
        "tagsAll": _tags(call, arn),
    }


def _update_listener(call: Call, arn: str, wanted: Props, _changed: frozenset[str]) -> None:
    call.api("elbv2", "modify_listener", ListenerArn=arn, **_listener_settings(wanted))


def _listener_on(call: Call, wanted: Props) -> str | None:
    found = call.api("elbv2", "describe_listeners", LoadBalancerArn=wanted["loadBalancerArn"])["Listeners"]
    return next((str(item["ListenerArn"]) for item in found if item["Port"] == wanted["port"]), None)


LISTENER = resource(
    "aws:lb/listener:Listener",
    "loadBalancerArn port protocol sslPolicy certificateArn defaultActions",
    required="loadBalancerArn port defaultActions",
    force_new="loadBalancerArn",
    defaults={"protocol": "HTTP"},
    computed="sslPolicy",
    make=_make_listener,
    read=_read_listener,
    update=_update_listener,
    delete=lambda call, arn, _state: call.api("elbv2", "delete_listener", ListenerArn=arn),
    retag=_retag,
    adopt=Adopt(duplicates=words("DuplicateListener"), existing=_listener_on),
)


def _target(props: Props) -> dict[str, Any]:
    return params(props, "targetId=Id port availabilityZone")


def _attachment_id(props: Props) -> str:
    port = f",{props['port']}" if props.get("port") else ""
    return f"{props['targetGroupArn']},{props['targetId']}{port}"


def _register(call: Call, wanted: Props) -> str:
    call.api("elbv2", "register_targets", TargetGroupArn=wanted["targetGroupArn"], Targets=[_target(wanted)])
    return _attachment_id(wanted)


def _read_attachment(call: Call, resource_id: str, known: Props) -> Props | None:
    if "targetGroupArn" not in known:  # import: <target group's ARN>,<target>[,<port>]
        parts = resource_id.split(",")
        known = {"targetGroupArn": parts[0], "targetId": parts[1]} | ({"port": int(parts[2])} if parts[2:] else {})
    group = known["targetGroupArn"]
    try:
        found = call.api("elbv2", "describe_target_health", TargetGroupArn=group)["TargetHealthDescriptions"]
    except AwsError as error:
        if error.missing:
            return None
        raise
    for item in found:
        target = item["Target"]
        if target["Id"] == known["targetId"] and str(target.get("Port")) == str(known.get("port", target.get("Port"))):
            return {"targetGroupArn": group, "targetId": target["Id"], "port": target.get("Port"), "id": resource_id}
    return None


def _deregister(call: Call, _id: str, state: Props) -> None:
    try:
        call.api("elbv2", "deregister_targets", TargetGroupArn=state["targetGroupArn"], Targets=[_target(state)])
    except AwsError as error:
        if error.code != "InvalidTarget":  # not registered any more
            raise


ATTACHMENT = resource(
    "aws:lb/targetGroupAttachment:TargetGroupAttachment",
    "targetGroupArn targetId port availabilityZone",
    required="targetGroupArn targetId",
    force_new="targetGroupArn targetId port availabilityZone",
    computed="port",
    make=_register,
    read=_read_attachment,
    delete=_deregister,
)

TYPES = (BALANCER, GROUP, LISTENER, ATTACHMENT)
