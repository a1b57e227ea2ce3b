"""Leases: one holder, growing tokens, takeover only of what ended, and stale holders fenced."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.ledger.holder import current_holder, proven_dead
from provisioner.ledger.store import SqlLedger
from provisioner.model.errors import LeaseHeldError, LeaseLostError
from provisioner.model.ledger import Holder, Lease, OperationStatus, StepStatus
from tests.unit.ledger.conftest import FakeClock

TTL = timedelta(seconds=60)
ELSEWHERE = Holder("build-7", "another-boot", 4242, "77", "ci")


def _acquire(ledger: SqlLedger, operation: str = "op-000001", holder: Holder = ELSEWHERE) -> Lease:
    return ledger.acquire_lease("acme", operation, "changes are being applied", holder, TTL)


def test_a_held_lease_names_its_holder(ledger: SqlLedger) -> None:
    _acquire(ledger)
    with pytest.raises(LeaseHeldError) as caught:
        _acquire(ledger, "op-000002", current_holder())
    assert caught.value.message == (
        "tenant acme is being changed by ci on build-7 (pid 4242): changes are being applied, "
        "operation op-000001, since 2026-03-01 12:00:00+00:00"
    )
    assert caught.value.hint == "provision operations show op-000001"
    assert caught.value.exit_code == 4


def test_the_same_operation_of_a_live_process_is_held_too(ledger: SqlLedger) -> None:
    _acquire(ledger, holder=current_holder())
    with pytest.raises(LeaseHeldError):
        _acquire(ledger, holder=current_holder())


def test_tenants_do_not_share_a_lease(ledger: SqlLedger) -> None:
    _acquire(ledger)
    assert ledger.acquire_lease("globex", "op-000002", "other", ELSEWHERE, TTL).token == 1


def test_a_lease_beside_is_the_tenants_too(ledger: SqlLedger) -> None:
    _acquire(ledger)
    beside = ledger.acquire_lease("acme/drill", "op-000002", "a restore is being proven", ELSEWHERE, TTL)
    with pytest.raises(LeaseHeldError) as caught:
        ledger.acquire_lease("acme/drill", "op-000003", "a restore is being proven", current_holder(), TTL)
    assert caught.value.message == (
        "drill of tenant acme is being done by ci on build-7 (pid 4242): a restore is being proven, "
        "operation op-000002, since 2026-03-01 12:00:00+00:00"
    )
    ledger.release_lease(beside)
    with pytest.raises(LeaseLostError) as lost:
        ledger.renew_lease(beside, TTL)
    assert lost.value.hint == "provision operations list --tenant acme"
    kinds = [(e.kind, e.operation_id) for e in ledger.journal(tenant="acme")]
    assert kinds[:2] == [("lease-released", "op-000002"), ("lease-acquired", "op-000002")]


def test_tokens_grow_also_after_a_release(ledger: SqlLedger) -> None:
    tokens = []
    for number in range(3):
        lease = _acquire(ledger, f"op-00000{number}")
        tokens.append(lease.token)
        ledger.release_lease(lease)
        ledger.release_lease(lease)
        assert ledger.lease("acme") is None
    assert tokens == [1, 2, 3]


def test_a_heartbeat_keeps_it(ledger: SqlLedger, clock: FakeClock) -> None:
    lease = _acquire(ledger)
    for _ in range(5):
        clock.sleep(50)
        lease = ledger.renew_lease(lease, TTL)
    assert lease.expires_at == clock.now() + TTL
    assert ledger.lease("acme") == lease


@pytest.mark.parametrize("holder", [ELSEWHERE, current_holder()], ids=["another host", "this host"])
def test_without_a_heartbeat_it_expires(ledger: SqlLedger, clock: FakeClock, holder: Holder) -> None:
    stale = _acquire(ledger, holder=holder)
    clock.sleep(59)
    with pytest.raises(LeaseHeldError):
        _acquire(ledger, "op-000002", current_holder())
    clock.sleep(1)
    assert ledger.lease("acme") is None
    fresh = _acquire(ledger, "op-000002", current_holder())
    assert fresh.token == stale.token + 1
    with pytest.raises(LeaseLostError, match="held by operation op-000002"):
        ledger.renew_lease(stale, TTL)
    ledger.release_lease(stale)
    assert ledger.lease("acme") == fresh, "a stale release takes nothing away"


@pytest.mark.parametrize("seconds", [7200, -7200])
def test_a_jump_of_the_wall_clock_steals_nothing_on_this_host(
    ledger: SqlLedger, clock: FakeClock, seconds: float
) -> None:
    _acquire(ledger, holder=current_holder())
    clock.jump(seconds)
    with pytest.raises(LeaseHeldError):
        _acquire(ledger, "op-000002", current_holder())


def test_a_dead_holder_loses_it_at_once(ledger: SqlLedger) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    here = current_holder()
    stat = open(f"/proc/{process.pid}/stat").read()  # noqa: PTH123, SIM115
    holder = replace(here, pid=process.pid, pid_started=stat.rpartition(")")[2].split()[19])
    ledger.begin_operation("op-000001", "apply", "acme", "sandbox", {})
    _acquire(ledger, holder=holder)
    with pytest.raises(LeaseHeldError):
        _acquire(ledger, "op-000002", here)
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert proven_dead(holder, here), "a zombie acts no more"
    process.communicate()
    assert ledger.lease("acme") is None
    assert _acquire(ledger, "op-000002", here).token == 2
    stranded = ledger.operation("op-000001")
    assert stranded is not None
    assert (stranded.status, stranded.error) == (OperationStatus.INTERRUPTED, "its process ended")


def test_death_is_proven_only_where_it_can_be() -> None:
    here = current_holder()
    assert not proven_dead(here, here)
    gone = replace(here, pid=2**22 + 1)
    assert proven_dead(gone, here)
    assert proven_dead(replace(here, pid_started="1"), here), "the pid is another process's now"
    assert not proven_dead(replace(gone, host="other"), here)
    assert not proven_dead(replace(gone, boot_id="other"), here)
    nowhere = replace(here, boot_id="")
    assert not proven_dead(replace(gone, boot_id=""), nowhere), "without a boot id only the time to live counts"
    assert not proven_dead(replace(here, pid=1, pid_started=_started(1)), here)


def test_no_write_under_a_lost_lease(ledger: SqlLedger, clock: FakeClock) -> None:
    ledger.begin_operation("op-000001", "apply", "acme", "sandbox", {})
    stale = _acquire(ledger)
    ledger.record_step("op-000001", "stack", StepStatus.STARTED, lease=stale)
    clock.sleep(61)
    fresh = _acquire(ledger)
    ledger.check_fence("acme", fresh.token)
    with pytest.raises(LeaseLostError):
        ledger.check_fence("acme", stale.token)
    with pytest.raises(LeaseLostError):
        ledger.record_step("op-000001", "stack", StepStatus.DONE, lease=stale)
    with pytest.raises(LeaseLostError):
        ledger.set_operation("op-000001", OperationStatus.SUCCEEDED, lease=stale)
    operation = ledger.operation("op-000001")
    assert operation is not None
    assert (operation.status, operation.steps[0].status) == ("running", "started")
    ledger.release_lease(fresh)
    with pytest.raises(LeaseLostError, match="it is released"):
        ledger.check_fence("acme", fresh.token)


_RACER = """
import sys
from datetime import timedelta
from provisioner.ledger.holder import current_holder
from provisioner.ledger.store import open_ledger
from provisioner.model.clock import SystemClock
from provisioner.model.errors import LeaseHeldError
ledger = open_ledger(sys.argv[1], SystemClock())
print("ready", flush=True)
sys.stdin.readline()
try:
    lease = ledger.acquire_lease("acme", sys.argv[2], "a race", current_holder(), timedelta(seconds=60))
    print("won", lease.token, flush=True)
except LeaseHeldError as e:
    print(e.message, flush=True)
sys.stdin.readline()
"""


def test_eight_processes_race_and_one_wins(url: str) -> None:
    """They also make the ledger at the same moment: nobody opens it before."""
    command = [sys.executable, "-c", _RACER, url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    racers = [subprocess.Popen([*command, f"op-{n}"], **pipes) for n in range(8)]  # type: ignore[call-overload]
    try:
        assert [r.stdout.readline() for r in racers] == ["ready\n"] * 8
        for racer in racers:
            racer.stdin.write("go\n")
            racer.stdin.flush()
        answers = [r.stdout.readline() for r in racers]
    finally:
        for racer in racers:
            racer.communicate()
    assert [a for a in answers if a.startswith("won")] == ["won 1\n"]
    winner = answers.index("won 1\n")
    losers = [a for a in answers if not a.startswith("won")]
    assert all(re.search(rf"pid {racers[winner].pid}\b.*operation op-{winner}\b", a) for a in losers)


def _started(pid: int) -> str:
    stat = open(f"/proc/{pid}/stat").read()  # noqa: PTH123, SIM115
    return stat.rpartition(")")[2].split()[19]
