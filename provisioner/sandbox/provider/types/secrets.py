"""Secrets Manager secrets and versions, SSM parameters."""

import hashlib
from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props, words
from provisioner.sandbox.provider.errors import AwsError
from provisioner.sandbox.provider.resource import Adopt, Name, resource
from provisioner.sandbox.provider.types.common import by_arn, fields, new_tags, params, tag_list, tag_map


def _secret(call: Call, secret: str) -> dict[str, Any] | None:
    """A secret that is not waiting for its deletion."""
    try:
        found: dict[str, Any] = call.api("secretsmanager", "describe_secret", SecretId=secret)
    except AwsError as error:
        if error.missing:
            return None
        raise
    return None if found.get("DeletedDate") else found


def _make(call: Call, wanted: Props) -> str:
    parameters = params(wanted, "name description kmsKeyId")
    return str(call.once("secretsmanager", "create_secret", **parameters, Tags=new_tags(wanted))["ARN"])


def _read(call: Call, secret: str, _known: Props) -> Props | None:
    found = _secret(call, secret)
    if found is None:
        return None
    policy = call.api("secretsmanager", "get_resource_policy", SecretId=secret).get("ResourcePolicy")
    return fields(found, "name description kmsKeyId arn=ARN") | {
        "id": found["ARN"],
        "policy": policy,
        "tagsAll": tag_map(found.get("Tags")),
    }


def _update(call: Call, secret: str, wanted: Props, changed: frozenset[str]) -> None:
    if changed & {"description", "kmsKeyId"}:
        parameters = params(wanted, "description kmsKeyId")
        call.api("secretsmanager", "update_secret", SecretId=secret, **parameters)
    if "policy" in changed and wanted.get("policy"):
        call.api("secretsmanager", "put_resource_policy", SecretId=secret, ResourcePolicy=wanted["policy"])
    elif "policy" in changed:
        call.api("secretsmanager", "delete_resource_policy", SecretId=secret)


def _delete(call: Call, secret: str, state: Props) -> None:
    if _secret(call, secret) is None:
        return
    days = state.get("recoveryWindowInDays", 30)
    how = {"ForceDeleteWithoutRecovery": True} if days == 0 else {"RecoveryWindowInDays": days}
    call.api("secretsmanager", "delete_secret", SecretId=secret, **how)


def _named(call: Call, wanted: Props) -> str | None:
    found = _secret(call, wanted["name"])
    return str(found["ARN"]) if found else None


def _complete(inputs: Props) -> list[str]:
    days = inputs["recoveryWindowInDays"]
    if isinstance(days, int) and days != 0 and not 7 <= days <= 30:
        return ["recoveryWindowInDays must be 0 or 7 to 30"]
    return []


SECRET = resource(
    "aws:secretsmanager/secret:Secret",
    "name description kmsKeyId policy recoveryWindowInDays forceOverwriteReplicaSecret",
    force_new="name",
    defaults={"forceOverwriteReplicaSecret": False, "recoveryWindowInDays": 30},
    documents="policy",
    name=Name(longest=512),
    make=_make,
    read=_read,
    update=_update,
    delete=_delete,
    complete=_complete,
    retag=by_arn("secretsmanager", arn="SecretId"),
    adopt=Adopt(duplicates=words("ResourceExistsException"), existing=_named),
)


def _put(call: Call, wanted: Props) -> str:
    """The token is made of secret and value, so that a repeated call makes no second version."""
    value = params(wanted, "secretString secretBinary versionStages")
    text = "\0".join(str(wanted.get(k, "")) for k in ("secretId", "secretString", "secretBinary", "versionStages"))
    token = hashlib.sha256(text.encode()).hexdigest()[:36]
    answer = call.api(
        "secretsmanager", "put_secret_value", SecretId=wanted["secretId"], ClientRequestToken=token, **value
    )
    return f"{wanted['secretId']}|{answer['VersionId']}"


def _read_version(call: Call, resource_id: str, _known: Props) -> Props | None:
    secret, _, version = resource_id.partition("|")
    try:
        found = call.api("secretsmanager", "get_secret_value", SecretId=secret, VersionId=version)
    except AwsError as error:
        if error.missing or "deleted" in str(error):
            return None
        raise
    return fields(found, "secretString arn=ARN versionId versionStages") | {
        "secretId": secret,
        "secretArn": found["ARN"],
    }


VERSION = resource(
    "aws:secretsmanager/secretVersion:SecretVersion",
    "secretId secretString secretBinary versionStages",
    required="secretId",
    force_new="secretId secretString secretBinary versionStages",
    sets="versionStages",
    computed="versionStages",
    make=_put,
    read=_read_version,
)


def _make_parameter(call: Call, wanted: Props) -> str:
    _put_parameter(call, wanted, once=True, Tags=new_tags(wanted))
    return str(wanted["name"])


def _put_parameter(call: Call, wanted: Props, *, once: bool = False, **rest: Any) -> None:
    value = wanted.get("value") or wanted.get("insecureValue")
    parameters = params(wanted, "name type description keyId tier dataType allowedPattern")
    (call.once if once else call.api)("ssm", "put_parameter", Value=value, **parameters, **rest)


def _read_parameter(call: Call, name: str, known: Props) -> Props | None:
    path = "Parameters"
    filters = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
    about = call.one("ssm", "describe_parameters", path, ParameterFilters=filters)
    if about is None:
        return None
    found = call.api("ssm", "get_parameter", Name=name, WithDecryption=True)["Parameter"]
    tags = call.api("ssm", "list_tags_for_resource", ResourceType="Parameter", ResourceId=name)["TagList"]
    key = "insecureValue" if "insecureValue" in known else "value"
    return fields(about, "name type description keyId tier dataType allowedPattern") | {
        key: found["Value"],
        "version": found["Version"],
        "arn": found["ARN"],
        "tagsAll": tag_map(tags),
    }


def _update_parameter(call: Call, _name: str, wanted: Props, _changed: frozenset[str]) -> None:
    _put_parameter(call, wanted, Overwrite=True)


def _complete_parameter(inputs: Props) -> list[str]:
    if ("value" in inputs) == ("insecureValue" in inputs):
        return ["a parameter needs exactly one of value, insecureValue"]
    return []


def _retag_parameter(call: Call, name: str, _state: Props, new: dict[str, str], gone: list[str]) -> None:
    target = {"ResourceType": "Parameter", "ResourceId": name}
    if new:
        call.api("ssm", "add_tags_to_resource", **target, Tags=tag_list(new))
    if gone:
        call.api("ssm", "remove_tags_from_resource", **target, TagKeys=gone)


PARAMETER = resource(
    "aws:ssm/parameter:Parameter",
    "name type value insecureValue description keyId tier dataType allowedPattern",
    required="type",
    force_new="name dataType",
    computed="keyId tier dataType",
    name=Name(longest=2048),
    make=_make_parameter,
    read=_read_parameter,
    update=_update_parameter,
    delete=lambda call, name, _state: call.api("ssm", "delete_parameter", Name=name),
    complete=_complete_parameter,
    retag=_retag_parameter,
    adopt=Adopt(duplicates=words("ParameterAlreadyExists"), existing=lambda _call, wanted: str(wanted["name"])),
)

TYPES = (SECRET, VERSION, PARAMETER)
