"""The stacks that an upgrade goes through, from the present one to the one of the new release."""

from dataclasses import replace

from provisioner.model.stack import SUFFIXES, OtherMachine, StackArgs


def goal_of(before: StackArgs, release: str, schema_version: int, image_id: str) -> StackArgs:
    """The tenant when all is done: of the new release, on the other machine."""
    suffix = next(s for s in SUFFIXES if s != before.machine)
    return replace(before, machine=suffix, release=release, schema_version=schema_version, image_id=image_id)


def beside(before: StackArgs, goal: StackArgs, *, attached: bool = False) -> StackArgs:
    """The old machine serves, the new one is there."""
    return replace(before, other=_machine(goal, attached))


def switched(before: StackArgs, goal: StackArgs) -> StackArgs:
    """The new machine serves, the old one is still there."""
    return replace(goal, other=_machine(before, False))


def _machine(args: StackArgs, attached: bool) -> OtherMachine:
    return OtherMachine(args.machine, args.release, args.schema_version, args.image_id, attached)
