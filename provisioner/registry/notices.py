"""What people write in the registry about notices: who is told when something needs a person."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from provisioner.model.fleet.needs import TOPICS
from provisioner.registry import fields as f
from provisioner.registry.entry import Entry
from provisioner.registry.policy import live

NOTICE = live("`provision worker` reads it in each of its rounds", "nothing: it holds at once")

Webhook = Annotated[str, StringConstraints(pattern=f.WEBHOOK, max_length=500)]
Reference = Annotated[str, StringConstraints(pattern=f.REFERENCE, max_length=500)]
Topics = Annotated[tuple[Literal[TOPICS], ...], Field(strict=False), AfterValidator(f.unique)]  # type: ignore[valid-type]


class NoticeEntry(Entry):
    """A webhook. It is told once when a need begins, gets worse, and is over."""

    url: Annotated[Webhook, NOTICE] = Field(description="Where to POST; or env:NAME or file:PATH, where it is secret.")
    secret: Annotated[Reference, NOTICE] = Field(
        description="Where the key of the signatures is: env:NAME or file:PATH, of the worker."
    )
    least: Annotated[Literal["now", "soon", "later"], NOTICE] = Field(
        default="now", description="How urgent a need must be to be told."
    )
    topics: Annotated[Topics, NOTICE] = Field(default=(), description="What it is told of; without any: of all.")
