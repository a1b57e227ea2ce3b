"""The kill tests of recovery."""

import pytest

pytest.register_assert_rewrite("tests.faults.recovery.life")
