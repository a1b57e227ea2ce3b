"""KMS keys and their aliases."""

from collections.abc import Mapping
from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props, words
from provisioner.sandbox.provider.errors import AwsError
from provisioner.sandbox.provider.resource import Adopt, Name, resource
from provisioner.sandbox.provider.types.common import fields, params, tagged_by_api

_SPECS = "keyUsage customerMasterKeySpec=KeySpec multiRegion"


def _key(call: Call, key: str) -> dict[str, Any] | None:
    """A key that is not waiting for its deletion."""
    try:
        found: dict[str, Any] = call.api("kms", "describe_key", KeyId=key)["KeyMetadata"]
    except AwsError as error:
        if error.missing:
            return None
        raise
    return None if found["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion") else found


def _find(call: Call, tags: Mapping[str, str]) -> list[str]:
    ids = [arn.rpartition("/")[2] for arn in tagged_by_api("kms:key")(call, tags)]
    return [key for key in ids if _key(call, key)]


def _make(call: Call, wanted: Props) -> str:
    tags = [{"TagKey": k, "TagValue": v} for k, v in (wanted.get("tagsAll") or {}).items()]
    answer = call.once("kms", "create_key", **params(wanted, f"{_SPECS} description policy"), Tags=tags or None)
    return str(answer["KeyMetadata"]["KeyId"])


def _read(call: Call, key: str, _known: Props) -> Props | None:
    found = _key(call, key)
    if found is None:
        return None
    rotation = call.api("kms", "get_key_rotation_status", KeyId=key)
    tags = call.api("kms", "list_resource_tags", KeyId=key)["Tags"]
    return fields(found, f"{_SPECS} description arn keyId isEnabled=Enabled") | {
        "policy": call.api("kms", "get_key_policy", KeyId=key, PolicyName="default")["Policy"],
        "enableKeyRotation": rotation["KeyRotationEnabled"],
        "rotationPeriodInDays": rotation.get("RotationPeriodInDays"),
        "tagsAll": {t["TagKey"]: t["TagValue"] for t in tags},
    }


def _update(call: Call, key: str, wanted: Props, changed: frozenset[str]) -> None:
    if "policy" in changed and wanted.get("policy"):
        call.api("kms", "put_key_policy", KeyId=key, PolicyName="default", Policy=wanted["policy"])
    if "description" in changed:
        call.api("kms", "update_key_description", KeyId=key, Description=wanted.get("description") or "")
    if "isEnabled" in changed and wanted.get("isEnabled", True):
        call.api("kms", "enable_key", KeyId=key)
    if changed & {"enableKeyRotation", "rotationPeriodInDays"}:
        if wanted.get("enableKeyRotation"):
            days = wanted.get("rotationPeriodInDays")
            call.api("kms", "enable_key_rotation", KeyId=key, RotationPeriodInDays=days)
        else:
            call.api("kms", "disable_key_rotation", KeyId=key)
    if "isEnabled" in changed and not wanted.get("isEnabled", True):
        call.api("kms", "disable_key", KeyId=key)


def _delete(call: Call, key: str, state: Props) -> None:
    if _key(call, key):
        days = state.get("deletionWindowInDays") or 30
        call.api("kms", "schedule_key_deletion", KeyId=key, PendingWindowInDays=days)


def _complete(inputs: Props) -> list[str]:
    days = inputs["deletionWindowInDays"]
    if isinstance(days, int) and not 7 <= days <= 30:
        return ["deletionWindowInDays must be 7 to 30"]
    return []


def _retag(call: Call, key: str, _state: Props, new: dict[str, str], gone: list[str]) -> None:
    if new:
        call.api("kms", "tag_resource", KeyId=key, Tags=[{"TagKey": k, "TagValue": v} for k, v in new.items()])
    if gone:
        call.api("kms", "untag_resource", KeyId=key, TagKeys=gone)


KEY = resource(
    "aws:kms/key:Key",
    "description policy keyUsage customerMasterKeySpec multiRegion enableKeyRotation rotationPeriodInDays isEnabled "
    "deletionWindowInDays bypassPolicyLockoutSafetyCheck",
    force_new="keyUsage customerMasterKeySpec multiRegion",
    defaults={
        "bypassPolicyLockoutSafetyCheck": False,
        "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "deletionWindowInDays": 30,
        "enableKeyRotation": False,
        "isEnabled": True,
        "keyUsage": "ENCRYPT_DECRYPT",
        "multiRegion": False,
    },
    documents="policy",
    computed="policy rotationPeriodInDays",
    make=_make,
    read=_read,
    update=_update,
    delete=_delete,
    complete=_complete,
    retag=_retag,
    adopt=Adopt(tagged=_find),
)


def _alias(call: Call, name: str) -> dict[str, Any] | None:
    marker = None
    while True:
        page = call.api("kms", "list_aliases", Marker=marker)
        for item in page["Aliases"]:
            if item["AliasName"] == name:
                return dict(item)
        marker = page.get("NextMarker")
        if not marker:
            return None


def _make_alias(call: Call, wanted: Props) -> str:
    call.once("kms", "create_alias", AliasName=wanted["name"], TargetKeyId=_key_id(wanted))
    return str(wanted["name"])


def _key_id(wanted: Props) -> str:
    return str(wanted["targetKeyId"]).rpartition("/")[2]


def _read_alias(call: Call, name: str, known: Props) -> Props | None:
    found = _alias(call, name)
    if found is None:
        return None
    key = found.get("TargetKeyId")
    arn = f"arn:aws:kms:{call.region}:{call.account}:key/{key}"
    asked = known.get("targetKeyId")
    return {
        "name": name,
        "targetKeyId": asked if asked in (key, arn) else key,
        "targetKeyArn": arn,
        "arn": found.get("AliasArn"),
    }


def _update_alias(call: Call, name: str, wanted: Props, _changed: frozenset[str]) -> None:
    call.api("kms", "update_alias", AliasName=name, TargetKeyId=_key_id(wanted))


def _our_alias(call: Call, wanted: Props) -> str | None:
    """An alias has no tags: it is ours where its key is the wanted one, is gone, or is of the same stack."""
    found = _alias(call, wanted["name"])
    if found is None:
        return None
    stacks = [_stack(call, key) for key in (str(found.get("TargetKeyId")), _key_id(wanted))]
    ours = found.get("TargetKeyId") == _key_id(wanted) or stacks[0] is None or stacks[0] == stacks[1]
    return str(wanted["name"]) if ours else None


def _stack(call: Call, key: str) -> str | None:
    if _key(call, key) is None:
        return None
    tags = call.api("kms", "list_resource_tags", KeyId=key)["Tags"]
    return next((t["TagValue"] for t in tags if t["TagKey"] == "provision:stack"), "")


ALIAS = resource(
    "aws:kms/alias:Alias",
    "name targetKeyId",
    required="targetKeyId",
    force_new="name",
    name=Name(longest=238, clean=lambda name: f"alias/{name}"),
    make=_make_alias,
    read=_read_alias,
    update=_update_alias,
    delete=lambda call, name, _state: call.api("kms", "delete_alias", AliasName=name),
    adopt=Adopt(duplicates=words("AlreadyExistsException"), existing=_our_alias),
)

TYPES = (KEY, ALIAS)
