"""User data as the sandbox understands it: `#cloud-config` with `write_files`; everything else is refused by name."""

import base64
import posixpath
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

_DEFAULT_MODE = 0o644
_OWNERS = {"root", "root:root"}
_KEYS = {"path", "content", "encoding", "permissions", "owner", "append", "defer"}


@dataclass(frozen=True, slots=True)
class File:
    """A file to write on first boot. `path` is absolute and without `..`; `mode` holds the permission bits."""

    path: str
    content: bytes
    mode: int
    append: bool


@dataclass(frozen=True, slots=True)
class UserData:
    """What first boot writes, and what it refuses: one line each, ready for the console log."""

    files: tuple[File, ...] = ()
    refused: tuple[str, ...] = ()


class _RefusedError(Exception):
    """Something that cloud-init would do and the sandbox doesn't."""


def parse(encoded: str | None) -> UserData:
    """Read base64 user data as the EC2 API holds it. Never raises: a machine boots whatever its user data says."""
    if not encoded:
        return UserData()
    try:
        text = base64.b64decode(encoded, validate=True).decode()
        config = _cloud_config(text)
    except ValueError:
        return UserData(refused=("user data that is not base64 of UTF-8 text",))
    except _RefusedError as refusal:
        return UserData(refused=(str(refusal),))
    refused = [f"cloud-config key {key}" for key in config if key != "write_files"]
    files = []
    entries = config.get("write_files") or []
    for number, entry in enumerate(entries if isinstance(entries, list) else [entries]):
        try:
            files.append(_file(entry))
        except _RefusedError as refusal:
            refused.append(f"write_files[{number}]: {refusal}")
    return UserData(tuple(files), tuple(refused))


def of(instance: Any) -> UserData:
    """The user data of an EC2 instance."""
    return parse(str(instance.user_data) if instance.user_data else None)


def _cloud_config(text: str) -> dict[str, Any]:
    first = text.partition("\n")[0].rstrip()
    if not text.strip():
        return {}
    if first != "#cloud-config":
        kind = "a script" if first.startswith("#!") else "anything but #cloud-config"
        raise _RefusedError(f"user data that is {kind} (it begins with {first[:40]!r})")
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)  # as cloud-init reads it: 0644 is octal
    try:
        config = yaml.load(text)
    except (YAMLError, ValueError, TypeError, RecursionError) as error:  # not all of the library's failures are its own
        raise _RefusedError(f"user data that is not YAML: {' '.join(str(error).split())[:200]}") from None
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise _RefusedError("user data that is not a mapping")
    return config


def _file(entry: object) -> File:
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        raise _RefusedError("an entry without a path")
    unknown = sorted(str(key) for key in entry if key not in _KEYS)
    if unknown:
        raise _RefusedError(f"{entry['path']}: key {', '.join(unknown)}")
    if not entry["path"].startswith("/"):
        raise _RefusedError(f"{entry['path']}: a path that is not absolute")
    if entry.get("owner", "root") not in _OWNERS:
        raise _RefusedError(f"{entry['path']}: owner {entry['owner']} (a machine of the sandbox has one user)")
    path = posixpath.normpath("/" + entry["path"].lstrip("/"))
    return File(path, _content(entry), _mode(entry), bool(entry.get("append", False)))


def _content(entry: dict[str, Any]) -> bytes:
    content = entry.get("content") or ""
    data = content if isinstance(content, bytes) else str(content).encode()
    encoding = str(entry.get("encoding") or "text/plain").lower()
    if encoding == "text/plain":
        return data
    if encoding not in {"b64", "base64"}:
        raise _RefusedError(f"{entry['path']}: encoding {encoding}")
    try:
        return base64.b64decode(data)
    except ValueError:
        raise _RefusedError(f"{entry['path']}: content that is not base64") from None


def _mode(entry: dict[str, Any]) -> int:
    permissions = entry.get("permissions")
    if permissions is None:
        return _DEFAULT_MODE
    try:
        mode = permissions if isinstance(permissions, int) else int(str(permissions), 8)
    except ValueError:
        raise _RefusedError(f"{entry['path']}: permissions {permissions!r}") from None
    return mode & 0o7777
