"""Two operators on one tenant: one wins, the other learns who."""

import pytest

from tests.installation import Installation

pytestmark = [pytest.mark.sandbox, pytest.mark.faults]


def test_two_new_tenants_of_one_name_at_the_same_time(installation: Installation) -> None:
    installation.ok("sandbox", "start")
    first = installation.start("new-tenant", "twin", "--tier", "trial")
    second = installation.start("new-tenant", "twin", "--tier", "trial")
    ends = [(p, *p.communicate(timeout=150)) for p in (first, second)]
    codes = sorted(p.returncode for p, _, _ in ends)
    assert codes == [0, 4], [stderr for _, _, stderr in ends]
    loser = next(stderr for p, _, stderr in ends if p.returncode == 4)
    winner = next(p.pid for p, _, _ in ends if p.returncode == 0)
    assert str(winner) in loser, "the holder is named by its process"
    assert "provision operations show" in loser
    census = installation.census("twin")
    assert (census["machines"], census["databases"], census["vpcs"]) == (1, 1, 1)
    operations = installation.ok("operations", "list", "--tenant", "twin", "-o", "json").json
    assert [o["status"] for o in operations] == ["succeeded"], "the loser leaves no operation behind"
