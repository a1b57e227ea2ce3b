"""What the bodies really use, measured again and again, as CloudWatch would have it."""

from provisioner.sandbox.meters.part import Meters
from provisioner.sandbox.world import Part


def parts() -> list[Part]:
    """The daemon's part."""
    return [Meters()]
