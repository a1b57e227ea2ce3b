"""`offboard` of a tenant that never had data, killed with -9: the same command again ends it, and nothing is left.

tests/faults/recovery has the goodbye of a tenant with data.
"""

import signal

import pytest

from tests.installation import Installation, only_exhaustive

pytestmark = [pytest.mark.sandbox, pytest.mark.faults]


@only_exhaustive
def test_killed_around_the_destruction_in_turn(installation: Installation) -> None:
    words = ("offboard", "brief", "--now", "--confirm", "brief")
    installation.run("new-tenant", "brief", "--tier", "trial", PROVISION_FAILPOINT="bootstrap:before")
    for point in ("destroy:before", "destroy:after", "certify:after"):
        killed = installation.run(*words, PROVISION_FAILPOINT=f"{point}:kill")
        assert killed.code == -signal.SIGKILL, (point, killed.stderr)
    installation.ok(*words)
    assert set(installation.census("brief").values()) == {0}
    assert "brief:" not in installation.registry.read_text()
    assert installation.ok("certificate", "brief", "-o", "json").json["kept"] == []
