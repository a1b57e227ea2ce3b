"""`provision rollout ...`, from the words to exit code, stdout and stderr. No cloud: a step ends as the test says."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from provisioner.app import App
from provisioner.model.errors import LeaseHeldError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Holder
from provisioner.model.recovery import Verdict
from provisioner.model.rollout.states import RolloutStatus
from provisioner.ops.rehearse import Rehearsed
from provisioner.settings import Settings
from tests.cli.rollouts import Fleet, Steps


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    made = Fleet(tmp_path, monkeypatch)
    yield made
    made.ledger.close()


def test_a_plan_says_of_everybody_when_or_why_not_and_records_nothing(fleet: Fleet) -> None:
    shown = fleet.ok("rollout", "plan", "1.1.0").stdout
    assert "3 tenants in 2 waves, 1 left out (strategy quick)" in shown
    assert "stable moves to 1.1.0 when the last wave is done" in shown
    assert re.search(r"^pinned +pinned +is pinned to 1.0.0", shown, re.MULTILINE)
    assert re.search(r"^1 +acme +0 +1.0.0 +\w{3} .*: now$", shown, re.MULTILINE)
    assert "steps: 3 same" in shown
    assert fleet.ledger.rollouts() == []
    planned = fleet.json("rollout", "plan", "1.1.0")
    assert [t["id"] for t in planned["waves"][0]["tenants"]] == ["acme"]
    assert planned["groups"][0]["facts"] == {"from": "1.0.0", "migration": "none", "undo": "code-only"}
    assert planned["channel"] == "stable"


def test_with_a_selector_the_channel_stays_and_that_is_said(fleet: Fleet) -> None:
    shown = fleet.ok("rollout", "plan", "1.1.0", "acme").stdout
    assert "stable stays where it is: only selected tenants are moved" in shown
    assert fleet.json("rollout", "plan", "1.1.0", "--ring", "1")["channel"] is None
    assert fleet.json("rollout", "plan", "1.1.0", "--all")["channel"] == "stable"
    fleet.ok("rollout", "start", "1.1.0", "acme", "--yes")
    assert 'stable: "1.0.0"' in fleet.registry.read_text()
    assert fleet.states() == {"acme": "succeeded"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan", "9.9.9"], "9.9.9"),
        (["plan", "1.1.0", "nobody"], "nobody"),
        (["plan", "1.1.0", "--fast"], "--reason"),
        (["plan", "1.1.0", "--reason", "x"], "--fast"),
        (["plan", "1.1.0", "--strategy", "quik"], "quick"),
        (["plan", "1.1.0", "--channel", "stabel"], "stable"),
        (["plan", "1.1.0", "--all", "--ring", "0"], "contradicts"),
        (["start", "1.1.0"], "--yes"),
        (["start", "1.1.0", "--yes", "--output", "markdown"], "no Markdown form"),
        (["status"], "no rollout"),
        (["pause", "1.1.0-abc"], "no rollout"),
        (["rehearse", "1.1.0"], "--all"),
        (["skip"], "TENANT"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_wrong_words_are_exit_2_and_record_nothing(fleet: Fleet, words: list[str], said: str) -> None:
    answer = fleet.ok("rollout", *words, code=2)
    assert said in answer.stderr
    assert answer.stdout == ""
    assert fleet.ledger.rollouts() == []


def test_a_good_release_goes_through_and_the_channel_moves(fleet: Fleet) -> None:
    answer = fleet.ok("rollout", "start", "1.1.0", "--yes")
    assert "3 tenants code-only: undone by itself" in answer.stderr, "the verdict is said before"
    assert re.search(r"^status +succeeded$", answer.stdout, re.MULTILINE)
    assert set(fleet.states().values()) == {"succeeded"}
    assert 'stable: "1.1.0"' in fleet.registry.read_text()
    [row] = fleet.json("rollout", "list")
    assert (row["status"], row["release"], row["stranded"]) == ("succeeded", "1.1.0", False)
    assert fleet.json("rollout", "list", "--open") == []
    again = fleet.ok("rollout", "start", "1.1.0", "--yes", code=6)
    assert "already there" in again.stderr


def test_a_failure_halts_with_exit_3_and_tenant_cause_and_next_and_retry_goes_on(fleet: Fleet) -> None:
    Steps.causes["acme"] = "it does not start"
    answer = fleet.ok("rollout", "start", "1.1.0", "--yes", code=3)
    rollout_id = fleet.ledger.rollouts()[0].id
    assert "acme failed: it does not start" in answer.stderr
    assert f"next:  when it is mended: provision rollout retry-failed acme --rollout {rollout_id}" in answer.stderr
    assert re.search(r"^acme +1 +failed .*it does not start", answer.stdout, re.MULTILINE)
    assert fleet.states() == {"acme": "failed", "beta": "waiting", "gamma": "waiting"}
    assert 'stable: "1.0.0"' in fleet.registry.read_text()
    assert fleet.json("rollout", "status", code=3)["status"] == "halted"
    assert fleet.ok("rollout", "status", "--watch", code=3).stdout, "what has stopped isn't watched"
    fleet.ok("rollout", "retry-failed", "beta", code=2)
    Steps.causes.clear()
    fleet.ok("rollout", "retry-failed")
    assert set(fleet.states().values()) == {"succeeded"}


def test_skip_takes_effect_when_it_goes_on(fleet: Fleet) -> None:
    Steps.causes["beta"] = "it does not start"
    fleet.ok("rollout", "start", "1.1.0", "--yes", code=3)
    said = fleet.ok("rollout", "skip", "beta").stderr
    assert "as soon as it goes on: provision rollout resume" in said
    assert "to skip beta" in fleet.ok("rollout", "status", code=3).stdout
    fleet.ok("rollout", "resume")
    assert fleet.states() == {"acme": "succeeded", "beta": "skipped", "gamma": "succeeded"}


def test_a_detached_one_is_named_until_somebody_drives_it(fleet: Fleet) -> None:
    answer = fleet.ok("rollout", "start", "1.1.0", "--yes", "--detach")
    rollout_id = fleet.ledger.rollouts()[0].id
    assert "provision worker" in answer.stderr
    assert f"provision rollout status {rollout_id} --watch" in answer.stderr
    assert "nobody: it is stranded" in answer.stdout
    told = fleet.ok("status").stderr
    assert f"rollout {rollout_id} to 1.1.0 is running, and nobody drives it" in told
    assert f"provision rollout resume {rollout_id}" in told
    assert fleet.json("rollout", "status")["stranded"] is True
    assert fleet.ok("list").stderr == ""
    fleet.ok("rollout", "resume", rollout_id[:8])
    assert fleet.ok("status").stderr == ""
    assert set(fleet.states().values()) == {"succeeded"}


def test_who_comes_second_gets_exit_4_and_the_first_one_s_name(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTOR", "octocat")
    fleet.ok("rollout", "start", "1.1.0", "--yes", "--detach")
    monkeypatch.delenv("GITHUB_ACTOR")
    answer = fleet.ok("rollout", "start", "1.2.0", "--yes", code=4)
    assert "octocat (GitHub Actions)" in answer.stderr
    assert len(fleet.ledger.rollouts()) == 1


def test_pause_resume_and_abort_take_effect_at_once_where_nobody_drives(fleet: Fleet) -> None:
    fleet.ok("rollout", "start", "1.1.0", "--yes", "--detach")
    paused = fleet.ok("rollout", "pause", "--reason", "a big customer calls")
    assert "a big customer calls" in paused.stdout
    assert re.search(r"^status +paused$", paused.stdout, re.MULTILINE)
    assert set(fleet.states().values()) == {"waiting"}
    fleet.ok("rollout", "status", code=3)
    fleet.ok("rollout", "pause", code=2)
    fleet.ok("rollout", "abort", "--reason", "never mind")
    ended = fleet.ok("rollout", "status", code=8)
    assert "was aborted: " in ended.stderr
    assert "never mind" in ended.stderr
    for verb in ("resume", "abort", "retry-failed"):
        assert "is over: aborted" in fleet.ok("rollout", verb, code=2).stderr
    assert set(fleet.states().values()) == {"waiting"}


def test_where_somebody_drives_it_is_said_who_and_nothing_is_waited_for(fleet: Fleet) -> None:
    fleet.ok("rollout", "start", "1.1.0", "--yes", "--detach")
    rollout_id = fleet.ledger.rollouts()[0].id
    operations = App(Settings(fleet.home, fleet.registry)).operations
    with operations.hold(f"rollout/{rollout_id}", rollout_id, "a test drives it"):
        answer = fleet.ok("rollout", "pause", "--reason", "wait")
        assert "drives it, and follows within seconds" in answer.stderr
        assert re.search(r"^asked +to pause it, .*wait$", answer.stdout, re.MULTILINE)
        assert fleet.json("rollout", "status")["driver"]["who"]
        assert fleet.ok("status").stderr == ""
    operations.close()


def test_a_start_that_a_worker_was_faster_with_is_followed_to_its_end(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faster(_: object, rollout_id: str, __: object) -> None:
        holder = Holder("worker-1", "", 7, "", "jane")
        lease = fleet.ledger.acquire_lease(f"rollout/{rollout_id}", rollout_id, "it", holder, timedelta(minutes=1))
        fleet.ledger.set_rollout(rollout_id, RolloutStatus.PAUSED, cause="paused: by joe", lease=lease)
        raise LeaseHeldError("jane@worker-1 drives it")

    monkeypatch.setattr("provisioner.cli.rolling.drive", faster)
    answer = fleet.ok("rollout", "start", "1.1.0", "--yes", code=3)
    assert "jane@worker-1 drives it: it is followed from here" in answer.stderr
    assert re.search(r"^status +paused$", answer.stdout, re.MULTILINE)


def test_an_interruption_says_how_it_goes_on(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("provisioner.cli.rolling.drive", interrupted)
    answer = fleet.ok("rollout", "start", "1.1.0", "--yes", code=130)
    assert f"provision rollout resume {fleet.ledger.rollouts()[0].id}" in answer.stderr


def test_edits_since_the_start_are_told_and_not_followed(fleet: Fleet) -> None:
    fleet.ok("rollout", "start", "1.1.0", "--yes", "--detach")
    assert "warning" not in fleet.ok("rollout", "status").stderr
    fleet.edit("  beta:\n    ring: 1\n", "  beta:\n    ring: 3\n")
    assert "warning: beta: is in ring 3, and was in ring 1" in fleet.ok("rollout", "status").stderr
    assert fleet.json("rollout", "status")["edits"]
    fleet.edit("version: 1\n", "version: one\n")
    assert "couldn't be told" in fleet.ok("rollout", "status").stderr
    fleet.edit("version: one\n", "version: 1\n")
    assert "warning: beta" in fleet.ok("rollout", "resume").stderr


def test_a_rollback_that_loses_nothing_asks_as_any_command(fleet: Fleet) -> None:
    fleet.ok("rollout", "start", "1.1.0", "--yes")
    fleet.ok("rollout", "rollback", code=2)
    answer = fleet.ok("rollout", "rollback", "--yes")
    assert "1.0.0 serves again; nothing is lost" in answer.stderr
    assert "channel stable goes back to 1.0.0 when all are back" in answer.stderr
    assert "channel stable is back at 1.0.0" in answer.stdout
    assert 'stable: "1.0.0"' in fleet.registry.read_text()
    assert re.search(r"^status +rolled-back$", answer.stdout, re.MULTILINE)
    assert set(fleet.states().values()) == {"reverted"}


@pytest.mark.parametrize("typed", [True, False])
def test_a_rollback_that_loses_something_wants_it_typed(fleet: Fleet, *, typed: bool) -> None:
    said = fleet.ok("rollout", "start", "1.2.0", "--yes").stderr
    assert "3 tenants needs-restore: going back needs a restore" in said
    rollout_id = fleet.ledger.rollouts()[0].id
    refused = fleet.ok("rollout", "rollback", "--yes", code=2, stdin="yes\n")
    assert "--accept-loss" in refused.stderr
    assert "acme, beta, gamma" in refused.stderr
    assert set(fleet.states().values()) == {"succeeded"}
    if typed:
        fleet.ok("rollout", "rollback", stdin=f"{rollout_id}\n")
    else:
        fleet.ok("rollout", "rollback", "--accept-loss")
    assert set(fleet.states().values()) == {"reverted"}


def test_a_one_way_release_is_refused_before_anything_is_asked(fleet: Fleet) -> None:
    assert "3 tenants one-way: only goes forward" in fleet.ok("rollout", "start", "1.3.0", "--yes").stderr
    assert "one-way" in fleet.ok("rollout", "rollback", code=6).stderr
    assert set(fleet.states().values()) == {"succeeded"}


def test_wide_shows_all_and_else_only_what_matters(fleet: Fleet) -> None:
    Steps.causes["gamma"] = "no space left on device"
    Steps.causes["beta"] = "it does not start"
    fleet.ok("rollout", "start", "1.1.0", "--yes", code=3)
    short, wide = fleet.ok("rollout", "status", code=3).stdout, fleet.ok("rollout", "status", "--wide", code=3).stdout
    assert not re.search(r"^acme ", short, re.MULTILINE)
    assert re.search(r"^acme +1 +succeeded", wide, re.MULTILINE)
    tenants = fleet.json("rollout", "status", code=3)["tenants"]
    assert {t["tenant"] for t in tenants} == {"acme", "beta", "gamma"}


def test_an_upgrade_keeps_to_window_and_freeze_unless_now_is_said(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.edit("freezes: []\n", "freezes:\n  - {from: 2020-01-01, until: 2126-01-01, reason: audit, name: Jane}\n")
    answer = fleet.ok("upgrade", "acme", "--to", "1.1.0", "--yes", code=6)
    assert "may not be changed now" in answer.stderr
    assert "audit" in answer.stderr
    assert "provision upgrade acme --to 1.1.0 --now" in answer.stderr
    reached: list[str] = []

    def propose(*_: object, **__: object) -> None:
        reached.append("here")
        raise KeyboardInterrupt

    monkeypatch.setattr("provisioner.cli.upgrading.propose", propose)
    fleet.ok("upgrade", "acme", "--to", "1.1.0", "--yes", "--now", code=130)
    assert reached == ["here"]


@pytest.mark.parametrize(("verdict", "code"), [(Verdict.PASSED, 0), (Verdict.FAILED, 1), (Verdict.INCONCLUSIVE, 1)])
def test_a_rehearsal_that_did_not_pass_is_exit_1(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, verdict: Verdict, code: int
) -> None:
    check: JsonDict = {"name": "migrate", "ok": verdict is Verdict.PASSED, "detail": "it stopped"}
    found = Rehearsed("acme", verdict, {"verdict": str(verdict), "point": "acme-1", "checks": [check]})
    monkeypatch.setattr("provisioner.ops.rehearse.rehearse", lambda *_, **__: [found])
    answer = fleet.ok("rollout", "rehearse", "1.1.0", "acme", code=code)
    assert str(verdict) in answer.stdout
    assert ("migrate: it stopped" in answer.stdout) is (verdict is not Verdict.PASSED)
