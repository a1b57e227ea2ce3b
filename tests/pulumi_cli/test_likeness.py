"""Random programs through random histories: the embedded engine does what the real one does."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, given, note, settings

from tests.pulumi_cli.programs import Action, histories
from tests.pulumi_cli.twins import Twins, made

EXAMPLES = int(os.environ.get("PROVISION_LIKENESS", "12"))


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    with ExitStack() as stack:
        yield made(tmp_path_factory.mktemp("twins"), stack)


@pytest.mark.timeout(60 + 20 * EXAMPLES)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
@given(histories)
def test_both_engines_do_the_same(twins: Twins, history: list[Action]) -> None:
    name = twins.begin()
    before = None
    for action in history:
        if not twins.act(name, action, before):
            break
        note(f"{action.verb} was the same")
        before = action.program if action.verb.startswith("up") else before
