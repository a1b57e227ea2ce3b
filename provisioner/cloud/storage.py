"""Buckets: what leaves them for a customer, and their end."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from provisioner.cloud.session import Clients, code_of, translated
from provisioner.model.cloud import StoredFile
from provisioner.model.errors import ProvisionError

_CHUNK = 1 << 20


def fetch_files(clients: Clients, bucket: str, prefix: str, folder: Path, *, without: str = "") -> list[StoredFile]:
    """Fetch all objects below `prefix` into `folder`; see `ports.Cloud.fetch_files`. One that is deleted meanwhile is
    left out."""
    s3 = clients["s3"]
    prefix = _folder(prefix)
    with translated("s3 ListObjectsV2"):
        pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix))
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    keys = [key for key in keys if not (without and key.startswith(_folder(without)))]
    # A key that ends in a slash is how consoles show an empty folder.
    paths = {key: _parts(key, prefix) for key in keys if not key.endswith("/")}
    fetched = []
    for key, parts in paths.items():
        with translated("s3 GetObject"):
            try:
                body = s3.get_object(Bucket=bucket, Key=key)["Body"]
            except s3.exceptions.NoSuchKey:
                continue
            try:
                fetched.append(_write(folder, parts, body))
            except OSError as error:
                raise ProvisionError(
                    f"s3://{bucket}/{key} can't be written below {folder}: {error.strerror or error}; nothing is lost",
                    hint="make room there, then the same command again",
                ) from error
    return sorted(fetched, key=lambda f: f.path)


def delete_files(clients: Clients, bucket: str, prefix: str) -> None:
    """Delete all objects and versions below `prefix`; a bucket that is gone is success."""
    if not prefix:
        raise ProvisionError(f"deleting files of {bucket} needs a prefix: without one it would be all of them")
    _delete_versions(clients, bucket, _folder(prefix))


def empty_bucket(clients: Clients, bucket: str) -> None:
    """Delete all objects, versions and delete markers; a bucket that is gone is success."""
    _delete_versions(clients, bucket, "")


def _folder(prefix: str) -> str:
    """`a` is the folder `a/`: what is called `ab` is not below it."""
    return f"{prefix.rstrip('/')}/" if prefix else ""


def _parts(key: str, prefix: str) -> list[str]:
    """The path of a key below the prefix. Raises ProvisionError for one that would lead elsewhere."""
    parts = key.removeprefix(prefix).split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise ProvisionError(
            f"the object {key!r} has no safe path: it would leave the folder", hint="rename or delete the object"
        )
    return parts


def _write(folder: Path, parts: list[str], body: Any) -> StoredFile:
    """Write one file, never through a link that somebody put below `folder`."""
    digest, size = hashlib.sha256(), 0
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            with suppress(FileExistsError):
                os.mkdir(part, 0o700, dir_fd=place)
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
            os.close(place)
            place = below
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(parts[-1], flags, 0o600, dir_fd=place), "wb") as out:
            os.fchmod(out.fileno(), 0o600)
            for chunk in _chunks(body):
                out.write(chunk)
                digest.update(chunk)
                size += len(chunk)
    finally:
        os.close(place)
    return StoredFile("/".join(parts), size, digest.hexdigest())


def _chunks(body: Any) -> Iterator[bytes]:
    with body:
        yield from body.iter_chunks(_CHUNK)


def _delete_versions(clients: Clients, bucket: str, prefix: str) -> None:
    s3 = clients["s3"]
    with translated("s3 ListObjectVersions"):
        try:
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
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
