"""Property values. Inside the engine they are plain JSON in the wire form of Pulumi's protocol: a secret is a dict with
a signature and `value`, an unknown is a sentinel string, a reference to a resource is a dict with a signature."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from google.protobuf.struct_pb2 import NullValue, Struct, Value

from provisioner.model.errors import UnsupportedError

Props = dict[str, Any]

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a mark, not a password
UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_REFERENCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
_OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_REFUSED: Final = {
    "c44067f5952c0a294b673a41bacd8c17": "assets",
    "0def7320c3a5731c473e5ecbe6d01bc7": "archives",
}
_UNKNOWNS: Final = frozenset(
    {
        UNKNOWN,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


def decode(struct: Struct) -> Props:
    """What a message carries. Output values become secrets and unknowns; raises UnsupportedError for assets."""
    return {key: _decode(value) for key, value in struct.fields.items()}


def _decode(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        text = value.string_value
        return UNKNOWN if text in _UNKNOWNS else text
    if kind == "struct_value":
        return _decode_struct(value.struct_value)
    if kind == "list_value":
        return [_decode(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return value.bool_value if kind == "bool_value" else None


def _decode_struct(struct: Struct) -> Any:
    fields = struct.fields
    signature = fields[SIGNATURE].string_value if SIGNATURE in fields else ""
    if signature in _REFUSED:
        raise refuse(f"{_REFUSED[signature]} as properties")
    value = decode(struct)
    if signature != _OUTPUT:
        return value
    found = value.get("value", UNKNOWN)
    return secret(found) if value.get("secret") else found


def refuse(what: str) -> UnsupportedError:
    """What a program may not use with this engine."""
    hint = "take it out of the program, or run the same command with --engine pulumi"
    return UnsupportedError(f"the embedded engine does not support {what}", hint=hint)


def encode(props: Mapping[str, Any], *, secrets: bool = True, references: bool = True) -> Struct:
    """A message's form. Without `secrets` they go bare; without `references` a resource is its id, or else its URN."""
    struct = Struct()
    for key, value in props.items():
        _encode(struct.fields[key], value, secrets, references)
    return struct


def _encode(target: Value, value: Any, secrets: bool, references: bool) -> None:
    if isinstance(value, str):
        target.string_value = value
    elif value is None:
        target.null_value = NullValue.NULL_VALUE
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    elif isinstance(value, list):
        target.list_value.SetInParent()
        for item in value:
            _encode(target.list_value.values.add(), item, secrets, references)
    elif not secrets and is_secret(value):
        _encode(target, value["value"], secrets, references)
    elif not references and value.get(SIGNATURE) == _REFERENCE:
        target.string_value = value.get("id") or value["urn"]
    else:
        target.struct_value.SetInParent()
        for key, item in value.items():
            _encode(target.struct_value.fields[key], item, secrets, references)


def secret(value: Any) -> Any:
    """The value, marked."""
    return value if is_secret(value) else {SIGNATURE: SECRET, "value": value}


def is_secret(value: Any) -> bool:
    """Whether the value itself is marked."""
    return isinstance(value, dict) and value.get(SIGNATURE) == SECRET


def plain(value: Any) -> Any:
    """The value with every mark of a secret taken off, at any depth."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if is_secret(value):
        return plain(value["value"])
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def _walk(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _walk(item)


def has_unknown(value: Any) -> bool:
    """Whether something in it is known only after a real run."""
    return any(item == UNKNOWN for item in _walk(value) if isinstance(item, str))


def has_secret(value: Any) -> bool:
    """Whether something in it is marked."""
    return any(is_secret(item) for item in _walk(value))


def annotate(outputs: Props, inputs: Mapping[str, Any]) -> None:
    """Mark outputs whose inputs were secret, for a provider that doesn't take marks (`annotateSecrets`). In place."""
    for key, given in inputs.items():
        if key not in outputs:
            continue
        found = outputs[key]
        if isinstance(found, dict) and isinstance(given, dict) and not is_secret(found) and not is_secret(given):
            annotate(found, given)
        elif not is_secret(found) and has_secret(given):
            outputs[key] = secret(found)


def public(outputs: Mapping[str, Any]) -> Props:
    """Outputs for people and callers: neither secrets nor unknowns; a resource is its id, or else its URN."""
    shown = {key: value for key, value in outputs.items() if not has_secret(value) and not has_unknown(value)}
    return {key: _public(value) for key, value in shown.items()}


def _public(value: Any) -> Any:
    if isinstance(value, list):
        return [_public(item) for item in value]
    if isinstance(value, dict):
        if value.get(SIGNATURE) == _REFERENCE:
            return value.get("id") or value["urn"]
        return {key: _public(item) for key, item in value.items()}
    return value


def strings(text: str) -> Iterator[str]:
    """Every string in a JSON text."""
    return (item for item in _walk(json.loads(text)) if isinstance(item, str))
