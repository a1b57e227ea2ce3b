"""Needs and the outbox, on both databases."""

from datetime import timedelta

from provisioner.ledger.glance_work import read_work
from provisioner.ledger.store import SqlLedger, open_ledger
from provisioner.model.clock import SystemClock
from provisioner.model.fleet.needs import Need, Weight
from provisioner.model.fleet.notice import LINGERS, Endpoint, Notice, NoticeStatus, announcer
from provisioner.model.ledger import OperationStatus
from provisioner.model.rollout.states import RolloutStatus
from provisioner.ops.fleet import work_of
from provisioner.ops.operations import CHANGING, UNFINISHED
from tests.unit.ledger.conftest import FakeClock
from tests.unit.ledger.test_rollouts import ID, planned

ILL = {("acme", "health"): Need("health", "health", Weight.NOW, "ill", "provision show acme")}
TELL = announcer([Endpoint("chat", "https://x", "env:X")])
CLAIM = timedelta(minutes=5)


def only(ledger: SqlLedger) -> Notice:
    (notice,) = ledger.notices()
    return notice


def test_of_two_looks_the_second_one_finds_nothing_new(ledger: SqlLedger, clock: FakeClock) -> None:
    assert ledger.note_needs(ILL, TELL) == 1
    clock.sleep(60)
    assert ledger.note_needs(ILL, TELL) == 0
    (kept,) = ledger.open_needs()
    assert (kept.tenant, kept.need) == ("acme", ILL["acme", "health"])
    assert kept.seen_at - kept.since == timedelta(seconds=60)
    notice = only(ledger)
    assert (notice.endpoint, notice.status, notice.attempts) == ("chat", NoticeStatus.WAITING, 0)
    assert notice.body["id"] == notice.id
    assert notice.body["text"] == "acme: ill (provision show acme)"
    clock.sleep(LINGERS.total_seconds())
    assert ledger.note_needs({}, TELL) == 1
    assert ledger.open_needs() == []


def test_what_is_taken_is_nobody_else_s_for_a_while(ledger: SqlLedger, clock: FakeClock) -> None:
    ledger.note_needs(ILL, TELL)
    assert len(ledger.notices(due=True)) == 1
    (taken,) = ledger.take_notices(CLAIM)
    assert taken.attempts == 1
    assert ledger.take_notices(CLAIM) == []
    assert ledger.notices(due=True) == []
    clock.sleep(CLAIM.total_seconds())
    (again,) = ledger.take_notices(CLAIM)
    assert (again.id, again.attempts) == (taken.id, 2), "who took it died"
    ledger.set_notice(taken.id, NoticeStatus.WAITING, at=clock.now() + timedelta(hours=1), error="HTTP 503")
    clock.sleep(3599)
    assert ledger.take_notices(CLAIM) == []
    clock.sleep(1)
    assert len(ledger.take_notices(CLAIM)) == 1
    ledger.set_notice(taken.id, NoticeStatus.SENT, at=clock.now())
    clock.sleep(86_400)
    assert ledger.take_notices(CLAIM) == []
    assert (only(ledger).status, only(ledger).error) == (NoticeStatus.SENT, None)


def test_old_ones_go(ledger: SqlLedger, clock: FakeClock) -> None:
    ledger.note_needs(ILL, TELL)
    ledger.set_notice(only(ledger).id, NoticeStatus.SENT, at=clock.now())
    clock.sleep(31 * 86_400)
    ledger.note_needs(ILL, TELL)
    assert ledger.notices() == []


def test_work_at_a_glance_is_what_the_ledger_says(url: str) -> None:
    """One tenant is being changed, one was cut off, one failed and then ended well, and a rollout is open."""
    from provisioner.ledger.holder import current_holder

    ledger = open_ledger(url, SystemClock())
    for number, (tenant, status) in enumerate(
        [
            ("acme", OperationStatus.RUNNING),
            ("beta", OperationStatus.INTERRUPTED),
            ("gamma", OperationStatus.FAILED),
            ("gamma", OperationStatus.SUCCEEDED),
        ]
    ):
        ledger.begin_operation(f"op-00000{number}", "apply", tenant, "sandbox", {})
        if status is not OperationStatus.RUNNING:
            ledger.set_operation(f"op-00000{number}", status, error="no capacity", hint="wait")
    ledger.begin_operation("op-000009", "backup", "delta", "sandbox", {})
    ledger.acquire_lease("acme", "op-000000", "apply", current_holder(), timedelta(minutes=5))
    ledger.begin_rollout(ID, planned("t0", "t1"), "jane")
    work = work_of(ledger)
    assert {t.tenant: (t.status, t.busy) for t in work.tasks.values()} == {
        "acme": (OperationStatus.RUNNING, True),
        "beta": (OperationStatus.INTERRUPTED, False),
    }
    (rolling,) = work.rollouts
    assert (rolling.id, rolling.what, rolling.status) == (ID, "to 1.3.0", RolloutStatus.RUNNING)
    assert rolling.stranded
    assert sorted(s.tenant for s in rolling.steps) == ["t0", "t1"]
    assert read_work(url, CHANGING, UNFINISHED) == (work if url.startswith("sqlite") else None)
    ledger.close()
