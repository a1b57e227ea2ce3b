"""S3 buckets and their settings, each a resource of its own."""

from collections.abc import Callable
from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props, words
from provisioner.sandbox.provider.errors import AwsError
from provisioner.sandbox.provider.resource import Adopt, Name, Resource, resource
from provisioner.sandbox.provider.types.common import fields, params, tag_list, tag_map

# Hosted zones of S3's own names, as Route 53 aliases want them; other regions have none here.
_ZONES = {"us-east-1": "Z3AQBSTGFYJSTF", "eu-west-1": "Z1BKCTXD74EZPE", "eu-central-1": "Z21DNDUVLTQW6Q"}


def _get(call: Call, operation: str, bucket: str) -> dict[str, Any] | None:
    try:
        answer: dict[str, Any] = call.api("s3", operation, Bucket=bucket)
    except AwsError as error:
        if error.missing:
            return None
        raise
    return answer


def _make(call: Call, wanted: Props) -> str:
    """AWS answers a repeated CreateBucket of one's own with success in us-east-1: so look first, as everywhere."""
    bucket = str(wanted["bucket"])
    if _get(call, "get_bucket_location", bucket):
        raise AwsError("s3 create_bucket", "BucketAlreadyOwnedByYou", f"the bucket {bucket} exists", 409)
    elsewhere = {"LocationConstraint": call.region} if call.region != "us-east-1" else None
    call.once(
        "s3",
        "create_bucket",
        Bucket=bucket,
        CreateBucketConfiguration=elsewhere,
        ObjectLockEnabledForBucket=wanted.get("objectLockEnabled") or None,
    )
    return bucket


def _read(call: Call, bucket: str, _known: Props) -> Props | None:
    if _get(call, "get_bucket_location", bucket) is None:
        return None
    tags = _get(call, "get_bucket_tagging", bucket) or {}
    return {
        "bucket": bucket,
        "arn": f"arn:aws:s3:::{bucket}",
        "bucketDomainName": f"{bucket}.s3.amazonaws.com",
        "bucketRegionalDomainName": f"{bucket}.s3.{call.region}.amazonaws.com",
        "bucketRegion": call.region,
        "hostedZoneId": _ZONES.get(call.region, ""),
        "tagsAll": tag_map(tags.get("TagSet")),
    }


def _retag(call: Call, bucket: str, state: Props, new: dict[str, str], gone: list[str]) -> None:
    """S3 takes all tags at once."""
    tags = {k: v for k, v in (state.get("tagsAll") or {}).items() if k not in gone} | new
    if tags:
        call.api("s3", "put_bucket_tagging", Bucket=bucket, Tagging={"TagSet": tag_list(tags)})
    else:
        call.api("s3", "delete_bucket_tagging", Bucket=bucket)


def _delete(call: Call, bucket: str, state: Props) -> None:
    if state.get("forceDestroy"):
        _empty(call, bucket)
    call.api("s3", "delete_bucket", Bucket=bucket)


def _empty(call: Call, bucket: str) -> None:
    while True:
        page = call.api("s3", "list_object_versions", Bucket=bucket, MaxKeys=1000)
        found = [*(page.get("Versions") or ()), *(page.get("DeleteMarkers") or ())]
        if not found:
            return
        objects = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
        call.api("s3", "delete_objects", Bucket=bucket, Delete={"Objects": objects, "Quiet": True})


BUCKET = resource(
    "aws:s3/bucket:Bucket",
    "bucket forceDestroy objectLockEnabled",
    force_new="bucket objectLockEnabled",
    defaults={"forceDestroy": False},
    name=Name(property="bucket", longest=63, clean=str.lower),
    make=_make,
    read=_read,
    delete=_delete,
    retag=_retag,
    adopt=Adopt(
        duplicates=words("BucketAlreadyOwnedByYou BucketAlreadyExists"),
        existing=lambda _call, wanted: str(wanted["bucket"]),
        tagged_later=True,
    ),
)


def _setting(
    token: str,
    inputs: str,
    *,
    put: Callable[[Call, Props], Any],
    get: Callable[[Call, str], Props | None],
    delete: Callable[[Call, str, Props], Any],
    **rest: Any,
) -> Resource:
    """A part of a bucket that is put as a whole. Its id is the bucket's name."""

    def make(call: Call, wanted: Props) -> str:
        put(call, wanted)
        return str(wanted["bucket"])

    def read(call: Call, bucket: str, _known: Props) -> Props | None:
        found = get(call, bucket)
        return {"bucket": bucket, **found} if found is not None else None

    return resource(
        token,
        f"bucket {inputs}",
        required=f"bucket {rest.pop('required', inputs)}",
        force_new="bucket",
        make=make,
        read=read,
        update=lambda call, _id, wanted, _changed: put(call, wanted),
        delete=delete,
        **rest,
    )


def _put_versioning(call: Call, wanted: Props) -> None:
    settings = params(wanted["versioningConfiguration"], "status mfaDelete=MFADelete")
    if settings.get("Status") != "Disabled":  # a bucket that never was versioned has no status
        call.api("s3", "put_bucket_versioning", Bucket=wanted["bucket"], VersioningConfiguration=settings)


def _get_versioning(call: Call, bucket: str) -> Props | None:
    found = _get(call, "get_bucket_versioning", bucket)
    if found is None:
        return None
    state = fields(found, "status mfaDelete=MFADelete")
    return {"versioningConfiguration": {**state, "status": state["status"] or "Disabled"}}


def _suspend_versioning(call: Call, bucket: str, state: Props) -> None:
    """Versioning can't be taken off again, only suspended."""
    if (state.get("versioningConfiguration") or {}).get("status") == "Enabled":
        settings = {"Status": "Suspended"}
        call.api("s3", "put_bucket_versioning", Bucket=bucket, VersioningConfiguration=settings)


VERSIONING = _setting(
    "aws:s3/bucketVersioning:BucketVersioning",
    "versioningConfiguration",
    put=_put_versioning,
    get=_get_versioning,
    delete=_suspend_versioning,
)


def _put_encryption(call: Call, wanted: Props) -> None:
    rules = []
    for rule in wanted["rules"]:
        default = rule.get("applyServerSideEncryptionByDefault") or {}
        entry = {
            "ApplyServerSideEncryptionByDefault": params(
                default, "sseAlgorithm=SSEAlgorithm kmsMasterKeyId=KMSMasterKeyID"
            )
        }
        rules.append(entry | params(rule, "bucketKeyEnabled"))
    settings = {"Rules": rules}
    call.api("s3", "put_bucket_encryption", Bucket=wanted["bucket"], ServerSideEncryptionConfiguration=settings)


def _get_encryption(call: Call, bucket: str) -> Props | None:
    found = _get(call, "get_bucket_encryption", bucket)
    if found is None:
        return None
    rules = []
    for rule in found["ServerSideEncryptionConfiguration"]["Rules"]:
        default = rule.get("ApplyServerSideEncryptionByDefault") or {}
        state = fields(rule, "bucketKeyEnabled")
        state["applyServerSideEncryptionByDefault"] = fields(
            default, "sseAlgorithm=SSEAlgorithm kmsMasterKeyId=KMSMasterKeyID"
        )
        rules.append(state)
    return {"rules": rules}


ENCRYPTION = _setting(
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "rules",
    put=_put_encryption,
    get=_get_encryption,
    delete=lambda call, bucket, _state: call.api("s3", "delete_bucket_encryption", Bucket=bucket),
)

_BLOCKS = "blockPublicAcls blockPublicPolicy ignorePublicAcls restrictPublicBuckets"


def _put_block(call: Call, wanted: Props) -> None:
    settings = {key[0].upper() + key[1:]: bool(wanted.get(key)) for key in _BLOCKS.split()}
    call.api("s3", "put_public_access_block", Bucket=wanted["bucket"], PublicAccessBlockConfiguration=settings)


def _get_block(call: Call, bucket: str) -> Props | None:
    found = _get(call, "get_public_access_block", bucket)
    return fields(found["PublicAccessBlockConfiguration"], _BLOCKS) if found else None


ACCESS_BLOCK = _setting(
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    _BLOCKS,
    required="",
    defaults=dict.fromkeys(_BLOCKS.split(), False),
    put=_put_block,
    get=_get_block,
    delete=lambda call, bucket, _state: call.api("s3", "delete_public_access_block", Bucket=bucket),
)


def _put_ownership(call: Call, wanted: Props) -> None:
    settings = {"Rules": [params(wanted["rule"], "objectOwnership")]}
    call.api("s3", "put_bucket_ownership_controls", Bucket=wanted["bucket"], OwnershipControls=settings)


def _get_ownership(call: Call, bucket: str) -> Props | None:
    found = _get(call, "get_bucket_ownership_controls", bucket)
    rules = found["OwnershipControls"]["Rules"] if found else None
    return {"rule": fields(rules[0], "objectOwnership")} if rules else None


OWNERSHIP = _setting(
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "rule",
    put=_put_ownership,
    get=_get_ownership,
    delete=lambda call, bucket, _state: call.api("s3", "delete_bucket_ownership_controls", Bucket=bucket),
)


def _get_policy(call: Call, bucket: str) -> Props | None:
    found = _get(call, "get_bucket_policy", bucket)
    return {"policy": found["Policy"]} if found else None


POLICY = _setting(
    "aws:s3/bucketPolicy:BucketPolicy",
    "policy",
    documents="policy",
    put=lambda call, wanted: call.api("s3", "put_bucket_policy", **params(wanted, "bucket policy")),
    get=_get_policy,
    delete=lambda call, bucket, _state: call.api("s3", "delete_bucket_policy", Bucket=bucket),
)

TYPES = (BUCKET, VERSIONING, ENCRYPTION, ACCESS_BLOCK, OWNERSHIP, POLICY)
