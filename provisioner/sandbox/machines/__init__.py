"""Machines (EC2 instances as processes), SSM commands on them, and the fronts that forward to them."""

from provisioner.sandbox.fronts.part import Fronts
from provisioner.sandbox.machines.part import Machines
from provisioner.sandbox.world import Part


def parts() -> list[Part]:
    """The daemon's parts, in the order in which they start."""
    fronts = Fronts()
    return [Machines(changed=fronts.refresh), fronts]
