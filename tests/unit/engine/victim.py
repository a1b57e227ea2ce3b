"""A process that runs one engine command, to be killed: `python -m tests.unit.engine.victim ROOT ADDRESS PROGRAM`."""

import sys
from pathlib import Path

import pulumi

from provisioner.engines.embedded.engine import EmbeddedEngine
from provisioner.model.ports import Stack

from .toy import Thing, Toy, options


def first() -> None:
    """Two things, one of which needs the other."""
    toy = Toy()
    a = Thing("a", options(toy), text="1", fixed="1", slot="1")
    Thing("b", options(toy), text=a.arn)
    pulumi.export("arn", a.arn)


def updated() -> None:
    """`a` changes in place."""
    toy = Toy()
    a = Thing("a", options(toy), text="2", fixed="1", slot="1")
    Thing("b", options(toy), text=a.arn)


def replaced() -> None:
    """`a` is replaced, the new one first."""
    toy = Toy()
    a = Thing("a", options(toy), text="1", fixed="2", slot="1")
    Thing("b", options(toy), text=a.arn)


def recreated() -> None:
    """`a` is deleted first."""
    toy = Toy()
    a = Thing("a", options(toy), text="1", fixed="1", slot="2")
    Thing("b", options(toy), text=a.arn)


def emptied() -> None:
    """Nothing is left."""


PROGRAMS = {p.__name__: p for p in (first, updated, replaced, recreated, emptied)}


if __name__ == "__main__":
    root, address, name = sys.argv[1:]
    engine = EmbeddedEngine(Path(root), lambda: "correct horse", lambda _package: address)
    engine.up(Stack("tenant", "acme", PROGRAMS[name]))
