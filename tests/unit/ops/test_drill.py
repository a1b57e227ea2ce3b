"""Drills over fakes: what is refused before anything is made, what a verdict does, and what counts as proven."""

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from provisioner.model.errors import AuthenticationError, EngineError, ProvisionError, UsageError
from provisioner.model.recovery import Verdict
from provisioner.ops.drill import drill, drill_one
from provisioner.ops.report import page, report
from tests.unit.ops.fake_cloud import SOUND
from tests.unit.ops.fakes import FakeHouse
from tests.unit.ops.people import backed_up, made, quiet


class Killed(BaseException):
    """As the end of a process: nothing is recorded after it."""


@pytest.fixture
def acme(house: FakeHouse) -> FakeHouse:
    made(house, "acme")
    backed_up(house)
    return house


def drilled(house: FakeHouse) -> Any:
    return drill_one(house, house.file, house.file.tenant("acme"), quiet)


def newest(house: FakeHouse) -> Any:
    return house.ledger.points(tenant="acme")[0]


def test_a_good_one_is_proven_with_its_times(acme: FakeHouse) -> None:
    evidence = drilled(acme)
    assert evidence["verdict"] == "passed"
    assert newest(acme).proven_at is not None
    names = [name for _, name in acme.fake_engine.calls]
    assert [op for op, _ in acme.fake_engine.calls] == ["up", "destroy"]
    assert set(names) == {names[0]}
    assert names[0].startswith("acme-d")
    assert evidence["rpo_minutes"] is not None
    assert evidence["rto_minutes"] is not None
    acme.ledger.verify_journal()


def test_what_is_wrong_is_found_and_the_quarantine_ends_all_the_same(acme: FakeHouse) -> None:
    damaged = deepcopy(SOUND)
    damaged["sentinel"] = {"value": None, "error": ""}
    acme.fake_cloud.answers["verify"] = damaged
    assert drilled(acme)["verdict"] == "failed"
    assert acme.fake_engine.calls[-1][0] == "destroy"
    assert (newest(acme).verdict, newest(acme).proven_at) == (Verdict.FAILED, None)


def test_a_failed_drill_takes_no_earlier_proof_away_but_is_told(acme: FakeHouse) -> None:
    drilled(acme)
    fact = acme.ledger.fact("acme", "drill")
    acme.fake_engine.fail_up = EngineError("no capacity")
    assert drilled(acme)["verdict"] == "inconclusive"
    (standing,) = report(acme, acme.file.tenants())
    assert standing.proven_at is not None
    assert standing.breaches == ("the last drill was inconclusive",)
    assert fact is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tags": {"provision:tenant": "beta"}}, "is of beta, not of acme"),
        ({"tags": {}}, "is of nobody"),
        ({"encrypted": False, "key": None}, "is not encrypted"),
        ({"status": "failed"}, "is failed"),
    ],
)
def test_a_snapshot_that_is_not_ours_or_not_whole_is_not_even_tried(
    acme: FakeHouse, change: dict[str, Any], words: str
) -> None:
    name = newest(acme).id
    acme.fake_cloud.taken[name] = replace(acme.fake_cloud.taken[name], **change)
    evidence = drilled(acme)
    assert evidence["verdict"] == "failed"
    assert words in evidence["checks"][0]["detail"]
    assert [op for op, _ in acme.fake_engine.calls] == ["destroy"], "nothing was made"


def test_a_key_that_is_gone_is_found_before_anything_is_made(acme: FakeHouse) -> None:
    acme.fake_cloud.key = None
    evidence = drilled(acme)
    assert evidence["verdict"] == "failed"
    assert "arn:key" in evidence["checks"][0]["detail"]
    assert "gone" in evidence["checks"][0]["detail"]


def test_credentials_that_expire_say_nothing_about_the_backup(acme: FakeHouse) -> None:
    acme.fake_engine.fail_up = AuthenticationError("expired")
    with pytest.raises(AuthenticationError):
        drilled(acme)
    assert acme.ledger.evidence(tenant="acme") == []
    acme.fake_engine.fail_up = None
    assert drilled(acme)["verdict"] == "passed", "the same drill goes on"
    assert len(acme.ledger.operations(kinds=("drill",))) == 1


def test_without_the_end_of_its_quarantine_nothing_is_concluded(acme: FakeHouse) -> None:
    acme.fake_cloud.left = ["i-9"]
    with pytest.raises(ProvisionError, match="still there"):
        drilled(acme)
    assert newest(acme).proven_at is None
    acme.fake_cloud.left = []
    assert drilled(acme)["verdict"] == "passed"


def test_a_drill_that_was_cut_off_long_ago_only_clears_up(acme: FakeHouse) -> None:
    acme.fake_cloud.left = ["i-9"]
    acme.fake_engine.fail_up = AuthenticationError("expired")
    with pytest.raises(AuthenticationError):
        drilled(acme)
    acme.fake_engine.fail_up, acme.fake_cloud.left = None, []
    acme.clock.at += timedelta(hours=13)
    assert drilled(acme)["verdict"] == "inconclusive"
    assert [op for op, _ in acme.fake_engine.calls] == ["up", "destroy"]


@pytest.mark.parametrize("cut_off", ["restore", "verify", "probe"])
def test_a_drill_that_was_cut_off_keeps_the_time_that_was_measured(
    acme: FakeHouse, monkeypatch: pytest.MonkeyPatch, cut_off: str
) -> None:
    measured = drilled(acme)["rto_minutes"]
    acme.clock.at += timedelta(days=1)
    place = {"restore": (acme.fake_engine, "up"), "verify": (acme.fake_cloud, "allow_secret")}
    where, name = place.get(cut_off, (acme.fake_cloud, "ensure_password"))
    whole = getattr(where, name)

    def dies(*given: object, **more: object) -> None:
        whole(*given, **more)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(where, name, dies)
        with pytest.raises(Killed):
            drilled(acme)
    evidence = drilled(acme)
    assert (evidence["verdict"], evidence["rto_minutes"]) == ("passed", None)
    fact = acme.ledger.fact("acme", "drill")
    assert fact is not None
    assert fact.value["rto_minutes"] == measured
    (standing,) = report(acme, acme.file.tenants())
    assert (standing.rto_minutes, standing.proven_at) == (measured, newest(acme).proven_at)


def test_no_recovery_point_is_an_answer_and_stops_no_other(acme: FakeHouse) -> None:
    made(acme, "beta")
    done = {d.tenant: d for d in drill(acme, acme.file, acme.file.tenants(), quiet)}
    assert isinstance(done["beta"].error, UsageError)
    assert done["acme"].verdict is Verdict.PASSED


def test_the_report_says_what_is_not_kept(acme: FakeHouse) -> None:
    (never,) = report(acme, acme.file.tenants())
    assert never.breaches == ("no restore was ever proven",)
    drilled(acme)
    (kept,) = report(acme, acme.file.tenants())
    assert kept.breaches == ()
    acme.clock.at += timedelta(days=31)
    (late,) = report(acme, acme.file.tenants())
    assert late.breaches == ("proven 31 days ago, and 30 are allowed",)
    text = page([late], acme.clock.now())
    assert "proven 31 days ago" in text
    assert "1 of them with a promise" in text
