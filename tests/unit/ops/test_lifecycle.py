"""The table of transitions against the words of the design."""

import pytest

from provisioner.model.errors import RefusedError
from provisioner.model.lifecycle import TRANSITIONS, Lifecycle, check_transition


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(Lifecycle)


def test_a_retired_tenant_only_comes_back_as_a_request() -> None:
    assert TRANSITIONS[Lifecycle.RETIRED] == {Lifecycle.REQUESTED}


@pytest.mark.parametrize("state", [s for s in Lifecycle if str(s).endswith("ing")])
def test_every_ing_can_fail_and_a_failure_can_go_back_to_it(state: Lifecycle) -> None:
    check_transition("acme", state, Lifecycle.FAILED)
    check_transition("acme", Lifecycle.FAILED, state)


def test_an_illegal_transition_names_what_is_allowed() -> None:
    with pytest.raises(RefusedError, match=r"tenant acme is retired and can't become active \(allowed: requested\)"):
        check_transition("acme", Lifecycle.RETIRED, Lifecycle.ACTIVE)


def test_staying_is_legal_for_a_step_that_runs_again() -> None:
    for state in Lifecycle:
        check_transition("acme", state, state)
