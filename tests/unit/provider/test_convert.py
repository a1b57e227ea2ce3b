"""Property maps on the wire."""

from google.protobuf.struct_pb2 import Struct

from provisioner.sandbox.provider.convert import UNKNOWN, decode, encode, has_unknown


def test_there_and_back() -> None:
    props = {"a": 1, "b": 1.5, "c": [True, {"d": "x"}], "e": {}, "f": []}
    assert decode(encode(props)) == props
    assert type(decode(encode({"a": 1}))["a"]) is int


def test_nulls_are_left_out() -> None:
    assert decode(encode({"a": None, "b": {"c": None}, "d": [{"e": None}]})) == {"b": {}, "d": [{}]}
    struct = Struct()
    struct.update({"a": None})
    assert decode(struct) == {}


def test_secrets_are_opened() -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": {"x": "y"}}
    assert decode(encode({"a": secret, "b": [secret]})) == {"a": {"x": "y"}, "b": [{"x": "y"}]}


def test_unknowns_are_found_at_every_depth() -> None:
    assert has_unknown({"a": [{"b": UNKNOWN}]})
    assert not has_unknown({"a": [{"b": "c"}]})
