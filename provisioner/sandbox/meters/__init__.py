"""What the bodies really use, measured again and again, as CloudWatch would have it."""

from collections.abc import Iterable

from provisioner.sandbox.meters.part import Meters
from provisioner.sandbox.world import Measuring, Part


def parts(others: Iterable[Part]) -> list[Part]:
    """The daemon's part; `others`: those beside it, of which some measure themselves."""
    return [Meters(part for part in others if isinstance(part, Measuring))]
