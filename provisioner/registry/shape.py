"""Ways through the schema's types: which field a path of the file ends in, and what it takes."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, TypeGuard, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo


def is_model(kind: Any) -> TypeGuard[type[BaseModel]]:
    """Whether a type is one of the schema's mappings with fixed keys."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """A mapping's keys as people write them. A key that is a word of Python (`from`) is an alias in the schema."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def bare(annotation: Any) -> Any:
    """`X` of `X`, `Annotated[X, ...]` and `X | None`."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    options = [a for a in get_args(annotation) if a is not type(None)]
    return bare(options[0]) if type(None) in get_args(annotation) and len(options) == 1 else annotation


def entry_type(kind: Any) -> Any:
    """The type of the entries of `dict[K, X]` and `tuple[X, ...]`; None for anything else."""
    if get_origin(kind) not in {dict, tuple}:
        return None
    return bare(next(a for a in reversed(get_args(kind)) if a is not Ellipsis))


def at(root: type[BaseModel], path: Sequence[str | int]) -> tuple[FieldInfo | None, Any]:
    """The last field on a path and the type at its end; None where the schema has nothing there."""
    info: FieldInfo | None = None
    kind: Any = root
    for part in path:
        if is_model(kind):
            info = keys(kind).get(str(part))
            kind = bare(info.annotation) if info else None
        else:
            kind = entry_type(kind)
    return info, kind


def bounds(info: FieldInfo) -> dict[str, int]:
    """`ge` and `le` of a field, also where they stand inside of `X | None`."""
    return {
        name: getattr(item, name)
        for item in [*info.metadata, *_inner_metadata(info.annotation)]
        for name in ("ge", "le")
        if hasattr(item, name)
    }


def literals(annotation: Any) -> tuple[str, ...]:
    """The words of a `Literal`, also inside of `X | None` and lists."""
    if get_origin(annotation) is Literal:
        return tuple(map(str, get_args(annotation)))
    return tuple(word for argument in get_args(annotation) for word in literals(argument))


def _inner_metadata(annotation: Any) -> Iterator[Any]:
    for argument in get_args(annotation):
        if get_origin(argument) is Annotated:
            for item in argument.__metadata__:
                yield from item.metadata if isinstance(item, FieldInfo) else (item,)
