"""What a scan says, since when something is open, and whether that is kept: the whole of it without a cloud."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from provisioner.model.patch.evidence import evidence
from provisioner.model.patch.judge import judge
from provisioner.model.patch.policy import PatchDays, PatchException, PatchPolicy, Severity, severity_of
from provisioner.model.patch.scan import Patch, PatchState, Scan, counts, fact, open_of

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
POLICY = PatchPolicy(PatchDays(7, 30, 90, 180))
SSL = Patch("openssl", "openssl:3.0-2", Severity.CRITICAL, "Security", PatchState.MISSING, ("CVE-2026-1",))
CURL = Patch("curl", "curl:8.1-1", Severity.LOW, "Bugfix", PatchState.MISSING)


def scan(at: datetime, *patches: Patch) -> Scan:
    return Scan("pb-1", at, 100, patches)


def seen(*ages: tuple[int, Patch], at: datetime = NOW) -> Any:
    """The fact after scans so many days ago, each of one patch; the last one sees them all."""
    value: Any = None
    known: list[Patch] = []
    for days, patch in sorted(ages, key=lambda a: -a[0]):
        known = [p for p in known if p.id != patch.id] + [patch]
        value = fact(scan(at - timedelta(days=days), *known), value, "i-1", "ami-1")
    return fact(scan(at, *known), value, "i-1", "ami-1")


@pytest.mark.parametrize(
    ("said", "severity"),
    [
        ("Critical", "critical"),
        ("IMPORTANT", "important"),
        ("Moderate", "medium"),
        ("High", "important"),
        ("", "unspecified"),
        ("Optional", "unspecified"),
    ],
)
def test_a_severity_however_it_is_spelled(said: str, severity: str) -> None:
    assert severity_of(said) == severity


def test_a_scan_counts_what_is_open_the_worst_first() -> None:
    rejected = replace(CURL, id="telnet", state=PatchState.REJECTED)
    pending = replace(CURL, id="kernel", severity=Severity.IMPORTANT, state=PatchState.PENDING)
    found = scan(NOW, rejected, CURL, pending, SSL)
    assert [p.id for p in found.open] == ["openssl", "kernel", "curl"], "a rejected one isn't wanted"
    assert (found.pending, found.failed) == (True, ())
    value = fact(found, None, "i-1", "ami-1")
    assert counts(value) == {"critical": 1, "important": 1, "medium": 0, "low": 1, "unspecified": 0}
    assert (value["pending_reboot"], value["rejected"], value["machine"]) == (True, 1, "i-1")
    assert [p.since for p in open_of(value)] == [NOW] * 3


class TestSince:
    def test_it_counts_from_when_it_was_first_seen_whatever_version_it_is_by_now(self) -> None:
        newer = replace(SSL, title="openssl:3.0-3")
        [patch] = open_of(seen((6, SSL), (2, newer)))
        assert (patch.title, patch.since) == ("openssl:3.0-3", NOW - timedelta(days=6))

    def test_one_that_got_worse_counts_from_then(self) -> None:
        [patch] = open_of(seen((60, replace(SSL, severity=Severity.LOW)), (2, SSL)))
        assert patch.since == NOW - timedelta(days=2)

    def test_one_that_is_less_bad_by_now_goes_on(self) -> None:
        [patch] = open_of(seen((6, SSL), (2, replace(SSL, severity=Severity.LOW))))
        assert patch.since == NOW - timedelta(days=6)

    def test_one_that_failed_or_waits_for_a_reboot_goes_on(self) -> None:
        for state in (PatchState.FAILED, PatchState.PENDING):
            [patch] = open_of(seen((6, SSL), (1, replace(SSL, state=state))))
            assert patch.since == NOW - timedelta(days=6)

    def test_one_that_was_closed_and_comes_again_begins_anew(self) -> None:
        closed = fact(scan(NOW - timedelta(days=1)), seen((6, SSL)), "i-1", "ami-1")
        [patch] = open_of(fact(scan(NOW, SSL), closed, "i-1", "ami-1"))
        assert patch.since == NOW


class TestDeadlines:
    @pytest.mark.parametrize(("days", "missed"), [(6, 0), (7, 0), (8, 1)])
    def test_the_tier_says_until_when(self, days: int, missed: int) -> None:
        found = judge(seen((days, SSL)), "i-1", POLICY, (), NOW)
        assert len(found.missed) == missed
        assert bool(found.breaches) is bool(missed)
        if missed:
            assert "1 past the deadline: openssl:3.0-2 (critical, missing, due 2026-11-24)" in found.breaches[0]

    def test_time_alone_breaks_it(self) -> None:
        value = seen((6, SSL))
        assert judge(value, "i-1", POLICY, (), NOW).next_due == NOW + timedelta(days=1)
        assert judge(value, "i-1", POLICY, (), NOW + timedelta(days=2)).missed

    def test_what_waits_for_a_reboot_protects_nobody(self) -> None:
        assert judge(seen((8, replace(SSL, state=PatchState.PENDING))), "i-1", POLICY, (), NOW).missed

    def test_one_without_a_severity_has_the_time_of_a_low_one(self) -> None:
        odd = replace(CURL, severity=Severity.UNSPECIFIED)
        assert not judge(seen((179, odd)), "i-1", POLICY, (), NOW).missed
        assert judge(seen((181, odd)), "i-1", POLICY, (), NOW).missed

    @pytest.mark.parametrize("word", ["openssl", "OpenSSL", "cve-2026-1", "openssl:3.0-2"])
    def test_an_exception_holds_until_its_last_day(self, word: str) -> None:
        value, allowed = seen((20, SSL)), PatchException(word, "no fix for it", "Jane", date(2026, 11, 25))
        assert judge(value, "i-1", POLICY, (allowed,), NOW).breaches == ()
        assert judge(value, "i-1", POLICY, (replace(allowed, expires=date(2026, 11, 24)),), NOW).missed

    def test_an_exception_is_of_one_advisory(self) -> None:
        allowed = PatchException("curl", "x", "Jane", date(2027, 1, 1))
        assert judge(seen((20, SSL)), "i-1", POLICY, (allowed,), NOW).missed

    def test_where_nothing_is_known_no_deadline_is_kept(self) -> None:
        assert judge(None, "i-1", POLICY, (), NOW).breaches == ("it was never scanned",)
        assert judge(seen(), "i-2", POLICY, (), NOW).breaches == ("its machine was replaced, and wasn't scanned since",)
        [words] = judge(seen(), "i-1", POLICY, (), NOW + timedelta(days=4)).breaches
        assert words == "its last scan is 4 days old, and nothing is known since"
        assert judge(seen(), "i-1", POLICY, (), NOW + timedelta(days=2)).breaches == ()


def test_the_evidence_says_what_was_closed_and_whether_in_time() -> None:
    before = seen((10, SSL), (10, CURL))
    later = NOW + timedelta(hours=1)
    after = fact(scan(later, CURL), before, "i-1", "ami-1")
    allowed = PatchException("curl", "no fix", "Jane", date(2026, 12, 1))
    over = PatchException("curl", "old", "Jane", date(2026, 11, 1))
    found: Any = evidence(before, after, POLICY, [allowed, over], {"by": "joe"})
    assert (found["by"], found["image"], found["baseline"]) == ("joe", "ami-1", "pb-1")
    assert (found["before"]["critical"], found["after"]["critical"], found["after"]["low"]) == (1, 0, 1)
    [closed] = found["closed"]
    assert (closed["id"], closed["cves"]) == ("openssl", ["CVE-2026-1"])
    assert (closed["allowed_days"], closed["in_time"]) == (7, False)
    assert closed["days"] == pytest.approx(10.04, abs=0.01)
    assert [item["id"] for item in found["left"]] == ["curl"]
    [exception] = found["exceptions"]
    assert (exception["reason"], exception["patches"]) == ("no fix", ["curl"])
