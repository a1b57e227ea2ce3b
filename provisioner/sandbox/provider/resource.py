"""How a type of resource is described: a table of properties and a few functions. `types/` has one for each type."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.compare import Shapes
from provisioner.sandbox.provider.convert import Props, words


@dataclass(frozen=True, slots=True)
class Name:
    """A property that gets `<logical name>-<7 hex digits>` where the program leaves it out.

    `clean` makes the text fit what AWS allows (lower case, a prefix).
    """

    property: str = "name"
    longest: int = 255
    separator: str = "-"
    clean: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Adopt:
    """How something is found that exists already, though the engine's state doesn't know it.

    `tagged` lists ids by the tags `provision:stack` and `provision:resource` (types whose identity is their tags).
    `duplicates` are the error codes by which AWS says "it's there", `existing` then gives its id (named types,
    attachments, rules). `proven`: `existing` finds only what is ours. `tagged_later`: tags can't be given when it is
    made, so one without any that turned up during this call is ours.
    """

    tagged: Callable[[Call, Mapping[str, str]], list[str]] | None = None
    duplicates: frozenset[str] = frozenset()
    existing: Callable[[Call, Props], str | None] | None = None
    proven: bool = False
    tagged_later: bool = False


def _nothing(_call: Call, _id: str, _props: Props) -> None:
    return None


def _nothing_more(_news: Props) -> set[str]:
    return set()


def _no_problems(_props: Props) -> list[str]:
    return []


@dataclass(frozen=True, slots=True)
class Resource:
    """One type. Property names are Pulumi's (camelCase).

    - `make(call, wanted) -> id`: the one call that makes it (through `call.once`), nothing else.
    - `read(call, id, known) -> properties | None`: what the cloud has, in the form of inputs; None where it is gone.
      A wanted property that the cloud has not is an explicit None. `known`: inputs or state so far, `{}` on import.
      A key "id" gives the true id where `id` was another accepted form of it.
    - `update(call, id, wanted, changed)`: bring the properties named in `changed` to `wanted`. Also finishes a new
      resource: whatever `make` can't set is found by `read`, and set by `update`.
    - `retag(call, id, state, set, remove)`: change tags.
    - `ready(call, id, wanted)`: wait until it can be used or changed.
    - `finish(call, id, wanted)`: what a new or adopted resource needs once, beyond its properties.
    - `replace_if(news)`: properties that need a new resource too, where other inputs say so.
    - `delete(call, id, state)`: by the state alone. `AwsError.missing` is success.
    """

    token: str
    inputs: frozenset[str]
    make: Callable[[Call, Props], str]
    read: Callable[[Call, str, Props], Props | None]
    delete: Callable[[Call, str, Props], None] = _nothing
    update: Callable[[Call, str, Props, frozenset[str]], None] | None = None
    retag: Callable[[Call, str, Props, dict[str, str], list[str]], None] | None = None
    ready: Callable[[Call, str, Props], None] = _nothing
    finish: Callable[[Call, str, Props], None] = _nothing
    complete: Callable[[Props], list[str]] = _no_problems
    required: frozenset[str] = frozenset()
    force_new: frozenset[str] = frozenset()
    replace_if: Callable[[Props], set[str]] = _nothing_more
    defaults: Mapping[str, Any] = field(default_factory=dict)
    shapes: Shapes = field(default_factory=Shapes)
    name: Name | None = None
    adopt: Adopt = field(default_factory=Adopt)
    delete_before_replace: bool = False
    regional: bool = True


def resource(
    token: str,
    inputs: str,
    *,
    required: str = "",
    force_new: str = "",
    sets: str = "",
    documents: str = "",
    computed: str = "",
    chosen: str = "",
    **rest: Any,
) -> Resource:
    """A Resource whose property lists are written as words in one text. Taggable where `retag` is given."""
    names = set(inputs.split())
    if rest.get("retag"):
        names.add("tags")
    if rest.get("regional", True):
        names.add("region")
        force_new += " region"
        computed += " region"
    return Resource(
        token=token,
        inputs=frozenset(names),
        required=words(required),
        force_new=words(force_new),
        shapes=Shapes(words(sets), words(documents), words(computed), words(chosen)),
        **rest,
    )
