"""Tables of states, verdicts, and what failures are about."""

from datetime import UTC, datetime, timedelta

import pytest

from provisioner.model.errors import RefusedError
from provisioner.model.rollout import states
from provisioner.model.rollout.fingerprint import fingerprint, look
from provisioner.model.rollout.states import ROLLOUT, STEP, RolloutStatus, StepState, check_rollout, check_step
from provisioner.model.rollout.verdict import Migration, Undo, age, before, loss, undoing

NOW = datetime(2026, 11, 25, 17, 14, tzinfo=UTC)
EARLIER = datetime(2026, 11, 25, 14, 2, tzinfo=UTC)


def test_every_state_is_in_the_tables_and_has_a_meaning() -> None:
    assert set(ROLLOUT) == set(states.ROLLOUT_MEANINGS) == set(RolloutStatus)
    assert set(STEP) == set(states.STEP_MEANINGS) == set(StepState)
    assert {t for targets in ROLLOUT.values() for t in targets} == set(RolloutStatus)
    assert {t for targets in STEP.values() for t in targets} == set(StepState)


def test_what_operators_may_do_follows_from_the_tables() -> None:
    assert sorted(states.SKIPPABLE) == ["broken", "failed", "inconclusive", "quarantined", "waiting"]
    assert sorted(states.RETRIABLE) == ["broken", "failed", "inconclusive", "quarantined", "skipped"]
    assert sorted(states.RESUMABLE) == ["halted", "paused"]
    assert all(not targets & {RolloutStatus.RUNNING} for s, targets in ROLLOUT.items() if s in states.OVER)


def test_a_tenant_that_was_moved_is_not_moved_again() -> None:
    assert {s for s in StepState if StepState.RUNNING in STEP[s]} == {StepState.WAITING}
    assert not STEP[StepState.SUCCEEDED] & {StepState.WAITING, StepState.RUNNING}


def test_illegal_transitions_are_refused_with_what_is_legal() -> None:
    check_rollout("r1", RolloutStatus.PAUSED, RolloutStatus.RUNNING)
    check_rollout("r1", RolloutStatus.ABORTED, RolloutStatus.ABORTED)
    check_step("r1", "acme", StepState.WAITING, StepState.RUNNING)
    with pytest.raises(RefusedError) as caught:
        check_rollout("r1", RolloutStatus.ABORTED, RolloutStatus.RUNNING)
    assert caught.value.message == "rollout r1 is aborted and can't become running (allowed: rolling-back)"
    assert caught.value.hint == "provision rollout status r1"
    with pytest.raises(RefusedError, match=r"acme of rollout r1 is reverted and can't become waiting \(allowed: n"):
        check_step("r1", "acme", StepState.REVERTED, StepState.WAITING)


@pytest.mark.parametrize(
    ("migration", "undo", "newest", "said"),
    [
        ("none", "code-only", None, "code-only: undone by itself, 1.2.0 serves again, nothing is lost"),
        (
            "online",
            "code-only",
            None,
            "code-only: undone by itself, 1.2.0 serves again on the new schema, nothing is lost",
        ),
        (
            "offline",
            "needs-restore",
            EARLIER,
            (
                "needs-restore: going back to 1.2.0 stops and asks, for all that is written after the change would be "
                "lost (a point is taken before; its newest one is 3h12m old)"
            ),
        ),
        (
            "online",
            "one-way",
            None,
            (
                "one-way: 1.2.0 can't come back, only a release after 1.3.0 helps (a point is taken before; it has no "
                "recovery point yet)"
            ),
        ),
    ],
)
def test_the_verdict_before_the_start(migration: Migration, undo: Undo, newest: datetime | None, said: str) -> None:
    assert before("1.2.0", "1.3.0", migration, undo, newest, NOW) == said


def test_what_a_restore_loses() -> None:
    assert loss(EARLIER, NOW) == "3h12m of writes since 14:02 UTC"
    assert loss(EARLIER, NOW, EARLIER + timedelta(minutes=5)) == "5m of writes since 14:02 UTC"
    assert loss(EARLIER, NOW, EARLIER) == "nothing: nothing was written since"
    assert loss(EARLIER - timedelta(days=1), NOW) == "1d3h of writes since 2026-11-24 14:02 UTC"


@pytest.mark.parametrize(
    ("undo", "taken_at", "said"),
    [
        ("code-only", None, "1.2.0 serves again; nothing is lost"),
        ("one-way", EARLIER, "it can't go back to 1.2.0: only a newer release helps"),
        ("needs-restore", None, "it can't go back to 1.2.0: there is no recovery point from before the change"),
        (
            "needs-restore",
            EARLIER,
            (
                "going back to 1.2.0 restores the recovery point from before the change, and loses 3h12m of writes "
                "since 14:02 UTC"
            ),
        ),
    ],
)
def test_what_undoing_takes(undo: Undo, taken_at: datetime | None, said: str) -> None:
    assert undoing("1.2.0", undo, taken_at, NOW) == said


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (59, "59s"),
        (60, "1m"),
        (3599, "59m"),
        (3600, "1h"),
        (11520, "3h12m"),
        (86400, "1d"),
        (187_000, "2d3h"),
    ],
)
def test_ages(seconds: int, text: str) -> None:
    assert age(timedelta(seconds=seconds)) == text


SAME = [
    (
        "tenant acme: migrate on i-0abc1234def567890 failed after 12.5 s: exit code 1",
        "tenant globex: migrate on i-0fff9999aaa000111 failed after 9 s: exit code 1",
    ),
    (
        "https://acme.sandbox.test/healthz says: HTTP 503 (10.0.3.17:8080)",
        "https://globex.sandbox.test:8443/healthz says: HTTP 503 (10.1.12.4:8080)",
    ),
    (
        (
            'ERROR: new row for relation "notes" violates check constraint "body_not_empty" DETAIL: Failing row '
            "contains (17, 2026-11-25 10:00:00+00, , acme)."
        ),
        (
            'ERROR: new row for relation "notes" violates check constraint "body_not_empty" DETAIL: Failing row '
            "contains (4, 2026-10-01 09:12:44.123+00, , globex)."
        ),
    ),
    (
        "Key (email)=(jane@acme.com) already exists in acme-db",
        "Key (email)=(john.smith@globex.co.uk) already exists in globex-db",
    ),
    (
        'invalid input syntax for type integer: "seventeen" at 2026-11-25T10:00:01Z',
        'invalid input syntax for type integer: "4 or 5" at 2026-11-25T11:13:59.5+01:00',
    ),
    (
        "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab said no to acme",
        "arn:aws:kms:us-east-1:210987654321:key/abcd1234-ab12-cd34-ef56-ab1234567890 said no to globex",
    ),
    ("request 3f2b8c11-0000-4000-8000-123456789abc by acme", "request ffffffff-1111-4111-8111-cba987654321 by globex"),
    ("Acme  reports schema 2,\n not 3", "globex reports schema 2, not 3"),
    ("can't reach [2001:db8::1]: refused", "can't reach [2001:db8:0:1::42]: refused"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_cause_has_one_fingerprint(one: str, other: str) -> None:
    assert fingerprint(one, "acme") == fingerprint(other, "globex")


def test_other_causes_have_others() -> None:
    causes = {
        'column "colour" does not exist',
        'column "color" does not exist',
        'relation "notes" does not exist',
        "the machine didn't start: migrate failed",
        "the machine didn't start: no such file",
        "only 3 of 10 answers were good",
        "it reports schema 2",
        "it reports release 1.2.0",
        "ImportError: cannot import name 'deadline'",
        "ImportError: cannot import name 'decade'",
    }
    assert len({fingerprint(cause, "acme") for cause in causes}) == len(causes)


def test_a_fingerprint_can_be_read() -> None:
    one, _ = SAME[0]
    assert fingerprint(one, "acme") == "tenant <tenant>: migrate on <id> failed after <n> s: exit code <n>"
    assert len(fingerprint("x y" * 1000, "acme")) == 300


@pytest.mark.parametrize(
    ("cause", "own"),
    [
        ("write /var/lib/notes: No space left on device", "its disk is full"),
        ('could not extend file "base/16384/2619": disk full', "its disk is full"),
        ("database acme-db is storage-full", "its disk is full"),
        ("KMSInvalidStateException: arn:aws:kms:... is pending deletion", "its key can't be used"),
        ("KMSKeyNotAccessibleFault on CreateDBSnapshot", "its key can't be used"),
        ("key alias/acme of the tenant is disabled", "its key can't be used"),
        ("An error occurred (VcpuLimitExceeded) when calling RunInstances", "its account's quota is used up"),
        ("SnapshotQuotaExceeded", "its account's quota is used up"),
        ("the quota was exceeded", "its account's quota is used up"),
        ("User: x is not authorized to perform: sts:AssumeRole on y", "its role can't be assumed"),
        ("RequestLimitExceeded: try again", None),
        ("remaining connection slots are reserved", None),
        ("ImportError: no module named 'quota'", None),
        ('column "disk" is full of nulls', None),
        ("release 1.7.0 reports schema 2, not 3", None),
    ],
)
def test_causes_that_are_a_tenants_own(cause: str, own: str | None) -> None:
    assert look(cause, "acme").own == own
