"""Buckets, as far as offboarding needs them."""

from provisioner.cloud.session import Clients, code_of, translated
from provisioner.model.errors import ProvisionError


def empty_bucket(clients: Clients, bucket: str) -> None:
    """Delete all objects, versions and delete markers; a bucket that is gone is success."""
    s3 = clients["s3"]
    with translated("s3 ListObjectVersions"):
        try:
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
                found = page.get("Versions", []) + page.get("DeleteMarkers", [])
                keys = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
                if keys:
                    _delete(s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True}), bucket)
        except s3.exceptions.ClientError as error:
            if code_of(error) != "NoSuchBucket":
                raise


def _delete(answer: dict[str, list[dict[str, str]]], bucket: str) -> None:
    errors = answer.get("Errors", [])
    if errors:
        first = errors[0]
        raise ProvisionError(
            f"s3 DeleteObjects: {len(errors)} object(s) of {bucket} could not be deleted; the first: "
            f"{first.get('Key')}: {first.get('Code')}: {first.get('Message')}"
        )
