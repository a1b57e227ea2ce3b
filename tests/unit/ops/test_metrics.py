"""Metrics: Prometheus' own parser reads them; what isn't known has no sample; a file is old or new, never half."""

import json
import re
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from provisioner.model.errors import ProvisionError, UsageError
from provisioner.ops import metrics
from tests.installation import ROOT
from tests.unit.ops.fakes import FakeHouse
from tests.unit.ops.people import backed_up, made

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def acme(house: FakeHouse) -> FakeHouse:
    made(house, "acme")
    return house


def samples(text: str) -> Samples:
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def of(found: Samples, name: str) -> dict[str, float]:
    """The samples of acme by their other labels."""
    return {
        " ".join(v for k, v in sorted(labels) if k != "tenant"): value
        for (metric, labels), value in found.items()
        if metric == f"provision_{name}"
    }


def test_what_is_known_is_there_and_what_is_not_is_not(acme: FakeHouse) -> None:
    found = samples(metrics.text(acme))
    assert of(found, "look_success") == {"": 1}
    assert of(found, "tenants") == {"active": 1}
    assert of(found, "tenant_healthy") == {"": 1}
    assert of(found, "tenants_by_need") == {"now": 0, "soon": 0, "later": 0, "well": 1}
    for unknown in ("tenant_alarms_firing", "tenant_full_timestamp_seconds"):
        assert of(found, unknown) == {}, unknown
    backed_up(acme)
    at = acme.clock.at + timedelta(days=1)
    acme.ledger.observe("acme", "forecast", {"resource": "disk", "at": at.isoformat(), "earliest": at.isoformat()})
    acme.ledger.observe("acme", "patch", {"critical": 2, "deadline_missed": 1, "patched_at": None})
    acme.ledger.observe("acme", "alarms", {"firing": [], "silent": [], "of": 7})
    found = samples(metrics.text(acme))
    assert of(found, "tenant_full_timestamp_seconds") == {"disk": at.timestamp()}
    assert of(found, "tenant_patches_open") == {"critical": 2}
    assert of(found, "tenant_patch_deadlines_missed") == {"": 1}
    assert of(found, "tenant_alarms_firing") == {"": 0}
    assert of(found, "tenant_patched_timestamp_seconds") == {}
    assert of(found, "tenant_need") == {"capacity now": 1, "patch now": 1}
    assert len(of(found, "tenant_backed_up_timestamp_seconds")) == 1


def test_a_registry_that_can_not_be_read_is_one_sample(acme: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise UsageError("line 1")

    monkeypatch.setattr(acme.file, "load", broken)
    assert list(samples(metrics.text(acme)).values()) == [0]


def test_a_file_takes_the_old_one_s_place(acme: FakeHouse, tmp_path: Path) -> None:
    path = tmp_path / "metrics" / "provision.prom"
    with pytest.raises(ProvisionError, match="can't be written"):
        metrics.write(acme, path)
    path.parent.mkdir()
    path.write_text("old")
    metrics.write(acme, path)
    assert of(samples(path.read_text()), "tenants") == {"active": 1}
    assert list(path.parent.iterdir()) == [path], "nothing is left beside it"


def test_over_http_on_this_machine_alone(acme: FakeHouse) -> None:
    port = metrics.serve(acme, 0)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        assert of(samples(answer.read().decode()), "tenants") == {"active": 1}
    with pytest.raises(UsageError, match=f"port {port}"):
        metrics.serve(acme, port)


def test_documents_and_dashboard_name_what_there_is(acme: FakeHouse) -> None:
    there = {family.name for family in text_string_to_metric_families(metrics.text(acme))}
    named = set(re.findall(r"^\| `(provision_\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    assert named == there
    drawn = set(re.findall(r"provision_\w+", json.dumps(_expressions())))
    assert drawn
    assert drawn <= there
    assert set(re.findall(r"\bprovision_\w+", (ROOT / "docs" / "metrics.md").read_text())) <= there


def _expressions() -> list[str]:
    dashboard = json.loads((ROOT / "examples" / "grafana" / "provision.json").read_text())
    queries = [variable["query"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]] + queries
