"""Property maps between the wire (protobuf Struct) and Python."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value

Props = dict[str, Any]

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_SIGNATURE = "4dabf18193072939515e22adb298388d"


def words(text: str) -> frozenset[str]:
    """A set written as words."""
    return frozenset(text.split())


def decode(struct: Struct) -> Props:
    """A Struct as a dict. Nulls are left out, whole numbers become int, secret envelopes are opened."""
    return {key: _decode(value) for key, value in struct.fields.items() if not value.HasField("null_value")}


def encode(props: Mapping[str, Any]) -> Struct:
    """A dict as a Struct. Entries that are None are left out, at every depth."""
    struct = Struct()
    struct.update(_without_none(props))
    return struct


def has_unknown(value: Any) -> bool:
    """Whether an unknown (a value that only a real run will give) is anywhere in `value`."""
    if isinstance(value, Mapping):
        return any(has_unknown(v) for v in value.values())
    if isinstance(value, list):
        return any(has_unknown(v) for v in value)
    return bool(value == UNKNOWN)


def _decode(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "struct_value":
        opened = decode(value.struct_value)
        return opened.get("value") if _SIGNATURE in opened else opened
    if kind == "list_value":
        return [_decode(item) for item in value.list_value.values]
    return getattr(value, kind) if kind and kind != "null_value" else None


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, (list, tuple)):
        return [_without_none(v) for v in value]
    return value
