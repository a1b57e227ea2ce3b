import re

import pytest

from provisioner.model.errors import ExitCode, RegistryError
from provisioner.registry.files import check
from provisioner.registry.problems import Problem
from tests.unit.registry.malformed import YAML_CASES, Case
from tests.unit.registry.malformed_values import VALUE_CASES
from tests.unit.registry.samples import TODAY

CASES = [*YAML_CASES, *VALUE_CASES]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_malformed_registry_is_refused_with_every_position_path_and_hint(case: Case) -> None:
    with pytest.raises(RegistryError) as caught:
        check(case.raw, "tenants.yaml", TODAY)
    assert tuple(map(str, caught.value.problems)) == case.said
    assert caught.value.exit_code is ExitCode.USAGE
    count = "1 problem" if len(case.said) == 1 else f"{len(case.said)} problems"
    assert caught.value.message == f"tenants.yaml has {count}; nothing was done"
    assert caught.value.hint == "mend the file and run `provision registry validate`"


@pytest.mark.parametrize("case", VALUE_CASES, ids=[case.name for case in VALUE_CASES])
def test_positions_point_at_what_is_wrong(case: Case) -> None:
    """The character at a position begins the key or value that the path ends in, or its nearest owner's."""
    with pytest.raises(RegistryError) as caught:
        check(case.raw, "tenants.yaml", TODAY)
    lines = case.raw.decode().split("\n")
    for problem in caught.value.problems:
        assert isinstance(problem, Problem)
        rest = lines[problem.line - 1][problem.column - 1 :]
        assert rest
        assert rest == rest.lstrip()
        before = lines[problem.line - 1][: problem.column - 1]
        assert re.fullmatch(r"(.*[ \[{,])?", before), before


def test_problems_carry_their_parts() -> None:
    case = next(c for c in CASES if c.name == "unknown tier")
    with pytest.raises(RegistryError) as caught:
        check(case.raw, "tenants.yaml", TODAY)
    assert caught.value.problems == (
        Problem("tenants.yaml", 43, 11, "tenants/acme/tier", "unknown tier 'standrad'", "did you mean 'standard'?"),
    )


def test_a_password_is_never_repeated() -> None:
    case = next(c for c in CASES if c.name == "password")
    with pytest.raises(RegistryError) as caught:
        check(case.raw, "tenants.yaml", TODAY)
    assert "hunter2" not in f"{caught.value!r} {caught.value.problems!r} {caught.value.__context__!r}"


def test_there_are_enough_cases() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 30
