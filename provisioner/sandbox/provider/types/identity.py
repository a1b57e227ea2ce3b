"""IAM roles, policies, instance profiles."""

import json
from typing import Any
from urllib.parse import unquote

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props, words
from provisioner.sandbox.provider.errors import AwsError
from provisioner.sandbox.provider.resource import Adopt, Name, resource
from provisioner.sandbox.provider.types.common import Retag, fields, new_tags, params, tag_list, tag_map

_EXISTS = words("EntityAlreadyExists")


def _get(call: Call, operation: str, path: str, **by: Any) -> dict[str, Any] | None:
    try:
        found = call.api("iam", operation, **by)
    except AwsError as error:
        if error.missing:
            return None
        raise
    return dict(found[path] if path else found)


def _document(value: Any) -> str | None:
    """A policy as a text, however the API gave it."""
    if value is None:
        return None
    return unquote(value) if isinstance(value, str) else json.dumps(value)


def _retag(kind: str, parameter: str) -> Retag:
    def retag(call: Call, resource_id: str, _state: Props, new: dict[str, str], gone: list[str]) -> None:
        if new:
            call.api("iam", f"tag_{kind}", **{parameter: resource_id}, Tags=tag_list(new))
        if gone:
            call.api("iam", f"untag_{kind}", **{parameter: resource_id}, TagKeys=gone)

    return retag


def _named(call: Call, wanted: Props) -> str | None:  # noqa: ARG001 - the signature of Adopt.existing
    return str(wanted["name"])


def _make_role(call: Call, wanted: Props) -> str:
    call.once(
        "iam",
        "create_role",
        **params(wanted, "name=RoleName path description assumeRolePolicy=AssumeRolePolicyDocument"),
        **params(wanted, "maxSessionDuration permissionsBoundary"),
        Tags=new_tags(wanted),
    )
    return str(wanted["name"])


def _read_role(call: Call, name: str, _known: Props) -> Props | None:
    found = _get(call, "get_role", "Role", RoleName=name)
    if found is None:
        return None
    return fields(found, "name=RoleName path description maxSessionDuration arn uniqueId=RoleId") | {
        "assumeRolePolicy": _document(found.get("AssumeRolePolicyDocument")),
        "permissionsBoundary": (found.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn"),
        "createDate": found["CreateDate"].isoformat(),
        "tagsAll": tag_map(found.get("Tags")),
    }


def _update_role(call: Call, name: str, wanted: Props, changed: frozenset[str]) -> None:
    if "assumeRolePolicy" in changed:
        call.api("iam", "update_assume_role_policy", RoleName=name, PolicyDocument=wanted["assumeRolePolicy"])
    if changed & {"description", "maxSessionDuration"}:
        call.api(
            "iam",
            "update_role",
            RoleName=name,
            Description=wanted.get("description") or "",
            MaxSessionDuration=wanted.get("maxSessionDuration"),
        )
    if "permissionsBoundary" in changed:
        boundary = wanted.get("permissionsBoundary")
        operation = "put_role_permissions_boundary" if boundary else "delete_role_permissions_boundary"
        call.api("iam", operation, RoleName=name, PermissionsBoundary=boundary)


def _delete_role(call: Call, name: str, state: Props) -> None:
    if state.get("forceDetachPolicies"):
        for policy in call.api("iam", "list_attached_role_policies", RoleName=name)["AttachedPolicies"]:
            call.api("iam", "detach_role_policy", RoleName=name, PolicyArn=policy["PolicyArn"])
        for inline in call.api("iam", "list_role_policies", RoleName=name)["PolicyNames"]:
            call.api("iam", "delete_role_policy", RoleName=name, PolicyName=inline)
    call.api("iam", "delete_role", RoleName=name)


ROLE = resource(
    "aws:iam/role:Role",
    "name path description assumeRolePolicy maxSessionDuration permissionsBoundary forceDetachPolicies",
    required="assumeRolePolicy",
    force_new="name path",
    defaults={"forceDetachPolicies": False, "maxSessionDuration": 3600, "path": "/"},
    documents="assumeRolePolicy",
    name=Name(longest=64),
    regional=False,
    make=_make_role,
    read=_read_role,
    update=_update_role,
    delete=_delete_role,
    retag=_retag("role", "RoleName"),
    adopt=Adopt(duplicates=_EXISTS, existing=_named),
)


def _make_policy(call: Call, wanted: Props) -> str:
    answer = call.once(
        "iam",
        "create_policy",
        **params(wanted, "name=PolicyName path description policy=PolicyDocument"),
        Tags=new_tags(wanted),
    )
    return str(answer["Policy"]["Arn"])


def _read_policy(call: Call, arn: str, _known: Props) -> Props | None:
    found = _get(call, "get_policy", "Policy", PolicyArn=arn)
    if found is None:
        return None
    version = call.api("iam", "get_policy_version", PolicyArn=arn, VersionId=found["DefaultVersionId"])
    return fields(found, "name=PolicyName path description arn policyId attachmentCount") | {
        "policy": _document(version["PolicyVersion"]["Document"]),
        "tagsAll": tag_map(found.get("Tags")),
    }


def _update_policy(call: Call, arn: str, wanted: Props, changed: frozenset[str]) -> None:
    if "policy" not in changed:
        return
    old = _old_versions(call, arn)
    if len(old) >= 4:  # with the default one that is all that AWS keeps
        call.api("iam", "delete_policy_version", PolicyArn=arn, VersionId=old[0])
    call.api("iam", "create_policy_version", PolicyArn=arn, PolicyDocument=wanted["policy"], SetAsDefault=True)


def _old_versions(call: Call, arn: str) -> list[str]:
    """Versions that are not in use, oldest first."""
    versions = call.api("iam", "list_policy_versions", PolicyArn=arn)["Versions"]
    versions.sort(key=lambda v: int(v["VersionId"].removeprefix("v")))
    return [v["VersionId"] for v in versions if not v["IsDefaultVersion"]]


def _delete_policy(call: Call, arn: str, _state: Props) -> None:
    for version in _old_versions(call, arn):
        call.api("iam", "delete_policy_version", PolicyArn=arn, VersionId=version)
    call.api("iam", "delete_policy", PolicyArn=arn)


POLICY = resource(
    "aws:iam/policy:Policy",
    "name path description policy",
    required="policy",
    force_new="name path description",
    defaults={"path": "/"},
    documents="policy",
    name=Name(longest=128),
    regional=False,
    make=_make_policy,
    read=_read_policy,
    update=_update_policy,
    delete=_delete_policy,
    retag=_retag("policy", "PolicyArn"),
    adopt=Adopt(
        duplicates=_EXISTS,
        existing=lambda call, wanted: f"arn:aws:iam::{call.account}:policy{wanted['path']}{wanted['name']}",
    ),
)


def _put_inline(call: Call, wanted: Props) -> str:
    call.api("iam", "put_role_policy", **params(wanted, "role=RoleName name=PolicyName policy=PolicyDocument"))
    return f"{wanted['role']}:{wanted['name']}"


def _read_inline(call: Call, resource_id: str, _known: Props) -> Props | None:
    role, _, name = resource_id.partition(":")
    found = _get(call, "get_role_policy", "", RoleName=role, PolicyName=name)
    return {"role": role, "name": name, "policy": _document(found["PolicyDocument"])} if found else None


def _delete_inline(call: Call, resource_id: str, _state: Props) -> None:
    role, _, name = resource_id.partition(":")
    call.api("iam", "delete_role_policy", RoleName=role, PolicyName=name)


def _update_inline(call: Call, _id: str, wanted: Props, _changed: frozenset[str]) -> None:
    _put_inline(call, wanted)


INLINE = resource(
    "aws:iam/rolePolicy:RolePolicy",
    "role name policy",
    required="role policy",
    force_new="role name",
    documents="policy",
    name=Name(longest=128),
    regional=False,
    make=_put_inline,
    read=_read_inline,
    update=_update_inline,
    delete=_delete_inline,
)


def _attach(call: Call, wanted: Props) -> str:
    call.api("iam", "attach_role_policy", **params(wanted, "role=RoleName policyArn"))
    return f"{wanted['role']}/{wanted['policyArn']}"


def _read_attached(call: Call, resource_id: str, _known: Props) -> Props | None:
    role, _, arn = resource_id.partition("/")
    found = _get(call, "list_attached_role_policies", "", RoleName=role)
    there = found and any(p["PolicyArn"] == arn for p in found["AttachedPolicies"])
    return {"role": role, "policyArn": arn} if there else None


def _detach(call: Call, resource_id: str, _state: Props) -> None:
    role, _, arn = resource_id.partition("/")
    call.api("iam", "detach_role_policy", RoleName=role, PolicyArn=arn)


ATTACHED = resource(
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "role policyArn",
    required="role policyArn",
    force_new="role policyArn",
    regional=False,
    make=_attach,
    read=_read_attached,
    delete=_detach,
    delete_before_replace=True,
)


def _make_profile(call: Call, wanted: Props) -> str:
    call.once(
        "iam", "create_instance_profile", **params(wanted, "name=InstanceProfileName path"), Tags=new_tags(wanted)
    )
    return str(wanted["name"])


def _read_profile(call: Call, name: str, _known: Props) -> Props | None:
    found = _get(call, "get_instance_profile", "InstanceProfile", InstanceProfileName=name)
    if found is None:
        return None
    return fields(found, "name=InstanceProfileName path arn uniqueId=InstanceProfileId") | {
        "role": next((r["RoleName"] for r in found.get("Roles") or ()), None),
        "createDate": found["CreateDate"].isoformat(),
        "tagsAll": tag_map(found.get("Tags")),
    }


def _update_profile(call: Call, name: str, wanted: Props, changed: frozenset[str]) -> None:
    if "role" not in changed:
        return
    _empty_profile(call, name)
    if wanted.get("role"):
        call.api("iam", "add_role_to_instance_profile", InstanceProfileName=name, RoleName=wanted["role"])


def _empty_profile(call: Call, name: str) -> None:
    found = _get(call, "get_instance_profile", "InstanceProfile", InstanceProfileName=name)
    for role in (found or {}).get("Roles") or ():
        call.api("iam", "remove_role_from_instance_profile", InstanceProfileName=name, RoleName=role["RoleName"])


def _delete_profile(call: Call, name: str, _state: Props) -> None:
    _empty_profile(call, name)
    call.api("iam", "delete_instance_profile", InstanceProfileName=name)


PROFILE = resource(
    "aws:iam/instanceProfile:InstanceProfile",
    "name path role",
    force_new="name path",
    defaults={"path": "/"},
    name=Name(longest=128),
    regional=False,
    make=_make_profile,
    read=_read_profile,
    update=_update_profile,
    delete=_delete_profile,
    retag=_retag("instance_profile", "InstanceProfileName"),
    adopt=Adopt(duplicates=_EXISTS, existing=_named),
)

TYPES = (ROLE, POLICY, INLINE, ATTACHED, PROFILE)
