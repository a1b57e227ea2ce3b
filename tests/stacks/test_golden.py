"""What each shape is made of: a resource that appears, goes or changes its name is seen in review."""

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.stacks.recorder import short
from tests.stacks.shapes import SHAPES, recording


@pytest.mark.parametrize("shape", SHAPES)
def test_resources_of_a_shape(shape: str, snapshot: SnapshotAssertion) -> None:
    """Types and logical names, which waivers and adoption rely on; `!` for protected ones."""
    found = recording(shape)
    assert sorted(f"{short(r.type)} {r.name}{' !' if r.protect else ''}" for r in found.resources) == snapshot
