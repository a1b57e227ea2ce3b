"""What `drift` prints: words and JSON, and the exit code."""

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from provisioner.cli.drift import drift
from provisioner.cli.drift_view import DriftView
from provisioner.cli.framework import Selection
from provisioner.cli.plain import plain
from provisioner.cli.tables import show
from provisioner.model.change import Difference, Plan, PropertyChange, Step, StepOp
from provisioner.model.drift.judge import findings, groups
from provisioner.model.errors import EngineError, ProvisionError, RefusedError, UsageError
from provisioner.ops.drift import Drift, TenantDrift
from provisioner.ops.plan import Intention
from tests.unit.ops.fakes import FakeHouse
from tests.unit.ops.people import made

RDS = "aws:rds/instance:Instance"
OPENED = Difference(
    "aws:ec2/securityGroup:SecurityGroup", "machine-group", "urn::g", "ingress", None, "tcp 22 from 0.0.0.0/0"
)
TAGGED = Difference(RDS, "database", "urn::d", 'tags["provision:ring"]', None, "x" * 100)
RESIZE = Step(StepOp.UPDATE, "urn::d", RDS, "database", changes=(PropertyChange("instanceClass"),))


def tenant(tenant_id: str, *differences: Difference, **more: Any) -> TenantDrift:
    return TenantDrift(tenant_id, "drift" if differences else "clean", findings(differences), **more)


def view(*tenants: TenantDrift) -> DriftView:
    return DriftView(Drift(list(tenants), groups({t.tenant: t.findings for t in tenants})))


def failed(tenant_id: str, error: ProvisionError) -> TenantDrift:
    intention = Intention(tenant_id, "failed", error.message, error=error)
    return TenantDrift(tenant_id, "failed", reason=error.message, error=error, intention=intention)


def printed(result: DriftView) -> list[str]:
    console = Console(width=240, force_terminal=False)
    with console.capture() as capture:
        show(result, console)
    return capture.get().splitlines()


def test_groups_come_first_with_their_tenants_and_the_next_command_last() -> None:
    names = [f"t{n:02}" for n in range(14)]
    assert printed(view(*[tenant(name, TAGGED) for name in names], tenant("acme", OPENED, TAGGED))) == [
        "security regression: a port was opened: who could not come in can",
        "  aws:ec2/securityGroup:SecurityGroup machine-group ingress: unset -> tcp 22 from 0.0.0.0/0",
        "  1 tenant(s): acme",
        "harmless: a tag",
        f"  {RDS} database tags.provision:ring: unset -> {'x' * 72}...",
        f"  15 tenant(s): {', '.join(names[:12])} and 3 more",
        *[f"{name}: 1 harmless" for name in names],
        "acme: 1 security regression, 1 harmless",
        "next: provision drift ... --fix",
    ]


def test_the_clean_are_counted_and_what_is_planned_is_said_apart() -> None:
    assert printed(view(tenant("acme"), tenant("beta", planned=(RESIZE,)), tenant("gamma"))) == [
        "beta: no drift; 1 planned change(s), not drift: provision plan beta",
        "3 tenant(s) clean",
    ]
    assert view(tenant("beta", planned=(RESIZE,))).exit_code == 0


def test_the_skipped_and_the_failed_say_why() -> None:
    result = view(
        TenantDrift("acme", "skipped", reason="it is suspended"), failed("beta", EngineError("throttled", hint="later"))
    )
    assert printed(result) == ["acme: skipped: it is suspended", "beta: failed: throttled", "  next: later"]
    assert result.exit_code == 1


def test_what_can_not_be_mended_is_not_offered() -> None:
    error = RefusedError("the firewall refused it", hint="add a waiver")
    intention = Intention("acme", "refused", error.message, plan=Plan(()), error=error)
    result = view(tenant("acme", OPENED, refused=error.message, intention=intention))
    assert printed(result)[3:] == [
        "acme: 1 security regression",
        "  refused: the firewall refused it",
        "  next: add a waiver",
    ]
    assert result.exit_code == 7


def test_a_tag_can_not_steer_a_terminal() -> None:
    hostile = Difference(RDS, "database", "urn::d", "tags.owner", None, "\x1b[2J[bold]me\x07")
    assert "?[2J[bold]me?" in printed(view(tenant("acme", hostile)))[1]


def test_exit_codes() -> None:
    assert view(tenant("acme")).exit_code == 0
    assert view().exit_code == 0
    assert view(TenantDrift("acme", "skipped", reason="it is suspended")).exit_code == 0
    assert view(tenant("acme", TAGGED)).exit_code == 7
    assert view(TenantDrift("acme", "unfinished", reason="it is updating")).exit_code == 7
    assert view(tenant("acme", TAGGED), failed("beta", EngineError("x"))).exit_code == 1


def test_as_json() -> None:
    found = plain(view(tenant("acme", OPENED, planned=(RESIZE,)), tenant("beta")))
    json.dumps(found)
    finding = {
        "class": "security regression",
        "why": "a port was opened: who could not come in can",
        "type": "aws:ec2/securityGroup:SecurityGroup",
        "name": "machine-group",
        "path": "ingress",
        "before": None,
        "after": "tcp 22 from 0.0.0.0/0",
    }
    assert found["groups"] == [{**finding, "tenants": ["acme"]}]
    acme, beta = found["tenants"]
    assert acme["findings"] == [finding]
    assert acme["counts"] == {"changes": 1, "regression": 1, "outage": 0, "unknown": 0, "harmless": 0}
    assert acme["planned"] == [{"op": "update", "type": RDS, "name": "database", "paths": ["instanceClass"]}]
    assert (beta["standing"], beta["findings"], beta["next"]) == ("clean", [], None)


class TestFix:
    """`--fix` is `apply`: nothing without a yes, and no other tenants than those with drift."""

    @pytest.fixture
    def house(self, tmp_path: Path) -> FakeHouse:
        house = FakeHouse(tmp_path)
        made(house, "acme", "beta")
        mends = Step(StepOp.UPDATE, "urn::d", RDS, "database", changes=(PropertyChange("tags.a"),))
        house.fake_engine.plans["acme"] = Plan((mends,), (replace(TAGGED, path="tags.a"),))
        return house

    def run(self, house: FakeHouse, *, fix: bool, yes: bool) -> Any:
        session: Any = SimpleNamespace(app=house, yes=yes, settings=SimpleNamespace(target=None))
        return drift(session, Selection(every=True), [], fix=fix)

    def test_without_it_nothing_is_changed(self, house: FakeHouse) -> None:
        assert self.run(house, fix=False, yes=True).exit_code == 7
        assert [verb for verb, _ in house.fake_engine.calls if verb != "preview"] == []

    def test_somebody_must_say_yes(self, house: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(""))
        with pytest.raises(UsageError, match="nobody is there"):
            self.run(house, fix=True, yes=False)
        assert [verb for verb, _ in house.fake_engine.calls if verb != "preview"] == []

    def test_it_applies_those_with_drift_alone(self, house: FakeHouse, capsys: pytest.CaptureFixture[str]) -> None:
        house.prober.answers = [replace(house.prober.answers[0], tenant="acme")]
        result = self.run(house, fix=True, yes=True)
        assert [(i.tenant, i.verdict) for i in result.intentions] == [("acme", "applied")]
        assert result.exit_code == 0
        assert [name for verb, name in house.fake_engine.calls if verb == "up"] == ["acme"]
        out, err = capsys.readouterr()
        assert out == ""
        assert "harmless: a tag" in err

    def test_with_nothing_to_mend_nobody_is_asked(self, house: FakeHouse) -> None:
        house.fake_engine.plans.clear()
        result = self.run(house, fix=True, yes=False)
        assert isinstance(result, DriftView)
        assert result.exit_code == 0
