"""What outlives the daemon: machines, their addresses, their forwarding, and commands under way."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from tests.sandbox.machines.conftest import Cloud, eventually, get, seen


def test_machines_and_commands_outlive_a_killed_daemon(cloud: Cloud) -> None:
    kept, dead = cloud.launch("acme"), cloud.launch("globex")
    _, url = cloud.address_of(kept)
    _, other = cloud.address_of(dead)
    before, lost = seen(url), seen(other)
    release = cloud.sandbox.home / "machines" / kept / "state" / "release"
    wait_for_it = 'echo begun; while [ ! -e "$STATE_DIR/release" ]; do sleep 0.05; done; echo ended; exit 5'
    finished = cloud.send(kept, wait_for_it)
    going_on = cloud.send(kept, "sleep 600")
    lost_command = cloud.send(dead, "sleep 600")

    def state(command_id: str) -> str:
        return str(cloud.ssm.list_commands(CommandId=command_id)["Commands"][0]["Status"])

    eventually(lambda: {state(c) for c in (finished, going_on, lost_command)} == {"InProgress"})
    cloud.sandbox.kill()
    found = [int(e.name) for e in os.scandir("/proc") if e.name.isdigit()]
    doomed = [pid for pid in found if f"SANDBOX_MACHINE={dead}".encode() in environment(f"/proc/{pid}")]
    # All at once, as a machine dies: one that outlived another by a moment would record how that one ended.
    for sent in (signal.SIGSTOP, signal.SIGKILL):
        for pid in doomed:
            with suppress(ProcessLookupError):  # one that ended by itself since
                os.kill(pid, sent)
    release.touch()
    if before["uid"] != os.geteuid():
        os.chown(release, before["uid"], before["uid"])
    assert get(cloud_url := url) == (0, b""), "the daemon is dead, and still forwards"
    cloud.sandbox.start()

    assert seen(cloud_url)["pid"] == before["pid"], "the product was started again"
    again = seen(other)
    assert again["pid"] != lost["pid"]
    assert (again["uid"], again["env"]["TENANT"]) == (lost["uid"], "globex")
    answer = cloud.finished(finished, kept)
    assert (answer["Status"], answer["ResponseCode"], answer["StandardOutputContent"]) == (
        "Failed",
        5,
        "begun\nended\n",
    )
    answer = cloud.finished(lost_command, dead)
    assert (answer["Status"], answer["ResponseCode"]) == ("Failed", -1)
    assert state(going_on) == "InProgress"
    cloud.ssm.cancel_command(CommandId=going_on)
    assert cloud.finished(going_on, kept)["Status"] == "Cancelled"
    assert cloud.command(kept, "aws sts get-caller-identity")["ResponseCode"] == 0


def environment(process: str) -> bytes:
    """Environment of a process; empty where it is gone."""
    try:
        return Path(process, "environ").read_bytes()
    except OSError:
        return b""


def test_stop_and_start_bring_the_running_ones_back(cloud: Cloud) -> None:
    running, stopped = cloud.launch("acme"), cloud.launch("globex")
    _, url = cloud.address_of(running)
    before = seen(url)
    cloud.ec2.stop_instances(InstanceIds=[stopped])
    cloud.wait("instance_stopped", stopped)
    cloud.sandbox.control.stop()
    assert not environment(f"/proc/{before['pid']}")
    cloud.sandbox.start()
    after = seen(url)
    assert after["pid"] != before["pid"]
    for name in ("LISTEN_ADDRESS", "STATE_DIR", "AWS_ENDPOINT_URL", "TENANT"):
        assert after["env"][name] == before["env"][name]
    assert cloud.state(running) == "running"
    assert cloud.state(stopped) == "stopped"
    assert cloud.row(stopped)["pid"] is None


def test_states_on_the_way_are_carried_to_their_end(cloud: Cloud) -> None:
    machines = [cloud.launch() for _ in range(3)]
    stopping, terminating, booting = machines
    cloud.ec2.stop_instances(InstanceIds=[booting])
    cloud.wait("instance_stopped", booting)
    cloud.ec2.stop_instances(InstanceIds=[stopping])
    cloud.ec2.terminate_instances(InstanceIds=[terminating])
    cloud.ec2.start_instances(InstanceIds=[booting])
    cloud.sandbox.kill()
    cloud.sandbox.start()
    cloud.wait("instance_stopped", stopping)
    cloud.wait("instance_terminated", terminating)
    cloud.wait("instance_running", booting)
    assert not (cloud.sandbox.home / "machines" / terminating).exists()
    seen(cloud.url(booting))


def test_an_installation_of_patches_outlives_a_killed_daemon_with_its_reboot(cloud: Cloud) -> None:
    machine = cloud.launch("initech")
    before = seen(cloud.url(machine))
    state = cloud.sandbox.home / "machines" / machine / "state"
    wait = 'touch "$STATE_DIR/begun"; while [ ! -e "$STATE_DIR/go" ]; do sleep 0.05; done'
    with cloud.sandbox.installing("openssh-server", wait):
        command = cloud.patch(machine, "Install", "RebootIfNeeded")
        eventually((state / "begun").exists)
        cloud.sandbox.kill()
        cloud.sandbox.start()
        (state / "go").touch()
        assert cloud.finished(command, machine)["Status"] == "Success"
    assert set(cloud.patches(machine).values()) == {"Installed", "InstalledOther", "InstalledRejected"}
    assert seen(cloud.url(machine))["pid"] != before["pid"]
