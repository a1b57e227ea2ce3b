"""Lifecycle rules of S3 buckets."""

from collections.abc import Mapping
from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props
from provisioner.sandbox.provider.errors import AwsError
from provisioner.sandbox.provider.resource import resource
from provisioner.sandbox.provider.types.common import fields, params

# Property of a rule -> (AWS's name, names inside it)
_PARTS = {
    "expiration": ("Expiration", "days date expiredObjectDeleteMarker"),
    "noncurrentVersionExpiration": ("NoncurrentVersionExpiration", "noncurrentDays newerNoncurrentVersions"),
    "abortIncompleteMultipartUpload": ("AbortIncompleteMultipartUpload", "daysAfterInitiation"),
}
_TRANSITIONS = {
    "transitions": ("Transitions", "days date storageClass"),
    "noncurrentVersionTransitions": (
        "NoncurrentVersionTransitions",
        "noncurrentDays newerNoncurrentVersions storageClass",
    ),
}


def _rule(wanted: Props) -> dict[str, Any]:
    rule = params(wanted, "id=ID status")
    rule["Filter"] = {"Prefix": (wanted.get("filter") or {}).get("prefix") or wanted.get("prefix") or ""}
    for ours, (theirs, names) in _PARTS.items():
        if wanted.get(ours):
            rule[theirs] = params(wanted[ours], names)
    for ours, (theirs, names) in _TRANSITIONS.items():
        if wanted.get(ours):
            rule[theirs] = [params(item, names) for item in wanted[ours]]
    return rule


def _state(rule: Mapping[str, Any]) -> Props:
    state = fields(rule, "id=ID status")
    prefix = (rule.get("Filter") or {}).get("Prefix", rule.get("Prefix"))
    state["filter"] = {"prefix": prefix or ""}
    for ours, (theirs, names) in _PARTS.items():
        if rule.get(theirs):
            state[ours] = fields(rule[theirs], names)
    for ours, (theirs, names) in _TRANSITIONS.items():
        if rule.get(theirs):
            state[ours] = [fields(item, names) for item in rule[theirs]]
    return state


def _put(call: Call, wanted: Props) -> str:
    settings = {"Rules": [_rule(rule) for rule in wanted["rules"]]}
    call.api("s3", "put_bucket_lifecycle_configuration", Bucket=wanted["bucket"], LifecycleConfiguration=settings)
    return str(wanted["bucket"])


def _read(call: Call, bucket: str, _known: Props) -> Props | None:
    try:
        found = call.api("s3", "get_bucket_lifecycle_configuration", Bucket=bucket)
    except AwsError as error:
        if error.missing:
            return None
        raise
    return {"bucket": bucket, "rules": [_state(rule) for rule in found["Rules"]]}


def _update(call: Call, _id: str, wanted: Props, _changed: frozenset[str]) -> None:
    _put(call, wanted)


def _complete(inputs: Props) -> list[str]:
    """Filters by tag or size are refused: a rule that deletes more than was asked for would be a lie that deletes."""
    known = {"id", "status", "filter", "prefix", *_PARTS, *_TRANSITIONS}
    problems = []
    for rule in inputs["rules"] if isinstance(inputs["rules"], list) else []:
        other = sorted(set(rule) - known) + sorted(f"filter.{k}" for k in set(rule.get("filter") or {}) - {"prefix"})
        problems += [f"lifecycle rules with {name!r} are not supported by the sandbox" for name in other]
    return problems


TYPES = (
    resource(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "bucket rules",
        required="bucket rules",
        force_new="bucket",
        make=_put,
        read=_read,
        update=_update,
        delete=lambda call, bucket, _state: call.api("s3", "delete_bucket_lifecycle", Bucket=bucket),
        complete=_complete,
    ),
)
