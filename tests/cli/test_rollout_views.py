"""Plans and rollouts as a person, a script and a pull request see them; and what is told while one is followed."""

import json
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from provisioner.cli.following import drawn as drawing
from provisioner.cli.following import followed
from provisioner.cli.markdown import LONGEST, markdown, words
from provisioner.cli.plain import plain
from provisioner.cli.rollout_plan import Planned
from provisioner.cli.rollout_status import RolloutView, changed
from provisioner.cli.tables import show
from provisioner.model.errors import ExitCode, RefusedError
from provisioner.model.ledger import Holder, Lease
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.groups import grouped
from provisioner.model.rollout.plan import plan
from provisioner.model.rollout.progress import Row, Wishes
from provisioner.model.rollout.record import RolloutRecord
from provisioner.model.rollout.states import RolloutStatus, StepState
from provisioner.model.tenant import Freeze, Hold, Window
from provisioner.ops.rollout.previews import Failure, Previews
from tests.unit.model.rollout.fleets import NOW, candidate, fleet, request
from tests.unit.ops.fakes import FakeHouse

LONG = "the machine said something long that goes on and on, and that nobody can put on one line of a small terminal"


def planned(count: int = 8, **more: Any) -> Planned:
    freeze = Freeze(NOW, NOW + timedelta(days=5), "turn | of <the> `year`", "Jane Doe", (3,))
    people = [
        candidate("held", hold=Hold(NOW.date() + timedelta(days=9), "their *audit*", "John Smith")),
        candidate("old", on="1.1.0"),
        candidate("a-rather-long-tenant-id", window=Window(("sat",), "02:00", 4), time_zone="Europe/Berlin"),
    ]
    return Planned(plan(request(freezes=(freeze,)), [*fleet(count), *people], NOW), **more)


def record(found: RolloutPlan, status: RolloutStatus = RolloutStatus.RUNNING, **rows: Row) -> RolloutRecord:
    known = tuple(rows.get(t.replace("-", "_"), Row(t)) for t in found.tenants)
    return RolloutRecord("1.3.0-abcdef", found, status, Wishes(), "jane@ops", NOW, NOW, "wave 1", None, None, known)


def drawn(result: Any, width: int | None = 80) -> list[str]:
    """As on a terminal of that width, or in a pipe."""
    out = StringIO()
    console = Console(
        file=out, width=width or 240, force_terminal=width is not None, highlight=False, color_system=None
    )
    show(result, console)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_plan_on_a_terminal_is_never_wider_than_it(width: int) -> None:
    failure = Failure(("t001",), RefusedError(LONG, hint="provision plan t001"))
    groups = grouped({"t000": {"aws:ec2/instance:Instance machine-b": "create"}})
    lines = drawn(planned(previews=Previews(groups, (failure,))), width)
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    for said in (
        "their *audit*",
        "a-rather-long-tenant-id",
        "1 different",
        "from: 1.1.0",
        "provision plan t001",
    ):
        assert said in text, said


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_status_on_a_terminal_is_never_wider_than_it(width: int) -> None:
    found = planned().plan
    lines = drawn(RolloutView(record(found, t000=Row("t000", StepState.FAILED, LONG, NOW)), wide=True), width)
    assert max(map(len, lines)) <= width
    assert LONG in " ".join(" ".join(lines).split()) or width == 40


def test_in_a_pipe_a_line_is_a_line() -> None:
    lines = drawn(RolloutView(record(planned().plan, t000=Row("t000", StepState.FAILED, LONG, NOW))), None)
    assert any(line.startswith("t000 ") and line.endswith(LONG) for line in lines)


def test_the_plan_s_json_is_the_plan_and_its_groups() -> None:
    found = planned()
    raw = json.loads(json.dumps(plain(found)))
    keys = {"digest", "groups", "previews"}
    assert RolloutPlan.of({k: v for k, v in raw.items() if k not in keys}) == found.plan
    assert [len(g["tenants"]) for g in raw["groups"]] == [9, 1]


def test_markdown_has_all_and_no_text_of_people_is_markup() -> None:
    text = markdown(planned())
    assert text.startswith("### Rollout to 1.3.0\n")
    assert "**Steps: 9 same, 1 different**" in text
    assert "from: 1.1.0 (the others: 1.2.0)" in text
    assert r"turn \| of &lt;the&gt; \`year\`" in text
    assert r"their \*audit\*" in text
    assert "<the>" not in text
    for line in text.splitlines():
        if line.startswith("|"):
            bars = line.replace(r"\|", "").count("|")
            assert bars in (3, 4, 5, 7), line


def test_markdown_of_a_thousand_different_tenants_fits_a_comment() -> None:
    people = [candidate(f"tenant-{n:04}", on=f"1.2.{n}") for n in range(1, 700)]
    held = [
        candidate(f"held-{n:04}", hold=Hold(NOW.date() + timedelta(days=9), LONG, "John Smith")) for n in range(400)
    ]
    found = plan(request(), [*people, *held], NOW)
    groups = grouped({t: {"aws:ec2/instance:Instance machine-b": f"update [{LONG} {t}]"} for t in found.tenants})
    failures = tuple(Failure((t,), RefusedError(LONG * 3 + t)) for t in found.tenants)
    text = markdown(Planned(found, Previews(groups, failures)))
    assert len(text) <= LONGEST
    assert "more: `--output json` has them all." in text
    assert "699 tenants in" in text


def test_words_are_on_one_line() -> None:
    assert words("a\n| b") == r"a \| b"


def test_failed_previews_are_the_exit_code() -> None:
    assert planned().exit_code == ExitCode.DONE
    failure = Failure(("t001",), RefusedError("no"))
    assert planned(previews=Previews((), (failure,))).exit_code == ExitCode.REFUSED


def test_what_has_changed_is_a_line_each() -> None:
    found = planned().plan
    lease = Lease("rollout/x", "x", "it", Holder("host", "b", 7, "1", "jane"), 1, NOW, NOW)
    first = RolloutView(record(found), lease)
    assert changed(None, first) == ["rollout 1.3.0-abcdef is running: wave 1"]
    assert changed(first, first) == []
    rows = {"t000": Row("t000", StepState.FAILED, "no", NOW), "t001": Row("t001", StepState.SUCCEEDED)}
    second = RolloutView(replace(record(found, RolloutStatus.HALTED, **rows), cause="t000 failed: no"), lease)
    assert changed(first, second) == [
        "t000 failed: no",
        "t001 succeeded",
        "rollout 1.3.0-abcdef is halted: t000 failed: no",
    ]
    assert "nobody drives it" in changed(first, RolloutView(record(found)))[-1]


def test_on_a_terminal_it_is_drawn_anew(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    found = planned().plan
    with drawing() as tell:
        tell(RolloutView(record(found)))
        tell(RolloutView(record(found, RolloutStatus.HALTED)))
    shown = capsys.readouterr().err
    assert shown.index("running") < shown.index("halted")
    assert "\x1b[2K" in shown, "the lines before are wiped out"


def test_it_is_followed_until_it_stops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    house = FakeHouse(tmp_path)
    found = plan(request(), fleet(2), NOW)
    house.ledger.begin_rollout("1.3.0-abcdef", found, "jane@ops")
    holder = Holder("other-host", "", 7, "", "jane")
    lease = house.ledger.acquire_lease("rollout/1.3.0-abcdef", "1.3.0-abcdef", "it", holder, timedelta(days=1))
    looks = iter(range(2))

    def sleep(_: float) -> None:
        if next(looks) == 0:
            house.ledger.set_step("1.3.0-abcdef", "t000", StepState.RUNNING, lease=lease)
        else:
            house.ledger.set_rollout("1.3.0-abcdef", RolloutStatus.PAUSED, cause="paused: by joe", lease=lease)

    monkeypatch.setattr(house.clock, "sleep", sleep)
    view = followed(house, "1.3.0-abcdef")
    assert view.record.status is RolloutStatus.PAUSED
    assert capsys.readouterr().err.splitlines() == [
        "rollout 1.3.0-abcdef is running",
        "t000 running",
        "rollout 1.3.0-abcdef is paused: paused: by joe",
    ]
    house.ledger.close()
