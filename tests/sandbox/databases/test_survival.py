"""What a client was told is done is there again, with its data, whoever dies."""

import os
import random
import signal
import time
from pathlib import Path

import psycopg
import pytest

from provisioner.sandbox.launch import Process, alive
from tests.sandbox.databases.conftest import Cloud, until

pytestmark = [pytest.mark.sandbox, pytest.mark.faults]


@pytest.fixture(scope="module")
def name(cloud: Cloud) -> str:
    """An instance with a row in it."""
    cloud.create("acme", BackupRetentionPeriod=1)
    cloud.sql("acme", "CREATE TABLE notes (text text)")
    cloud.sql("acme", "INSERT INTO notes VALUES ('kept')")
    return "acme"


def kept(cloud: Cloud, name: str) -> bool:
    """Whether the row is there; False while the server is not."""
    try:
        return cloud.sql(name, "SELECT text FROM notes") == [("kept",)]
    except psycopg.OperationalError:
        return False


def test_a_killed_daemon_adopts_the_running_server(cloud: Cloud, name: str) -> None:
    before = cloud.row(name)
    with cloud.connect(name) as connection:
        cloud.sandbox.kill()
        assert connection.execute("SELECT text FROM notes").fetchone() == ("kept",)
        cloud.sandbox.start()
        assert connection.execute("SELECT text FROM notes").fetchone() == ("kept",)
    after = cloud.row(name)
    assert {k: after[k] for k in ("pid", "address", "uid")} == {k: before[k] for k in ("pid", "address", "uid")}
    assert kept(cloud, name)


def test_a_killed_server_is_restarted(cloud: Cloud, name: str) -> None:
    before = cloud.row(name)["pid"]
    os.kill(before, signal.SIGKILL)
    until(lambda: cloud.row(name)["pid"] not in {before, None})
    until(lambda: kept(cloud, name))


def test_an_adopted_server_is_restarted_too(cloud: Cloud, name: str) -> None:
    cloud.sandbox.kill()
    cloud.sandbox.start()
    before = cloud.row(name)["pid"]
    os.kill(before, signal.SIGKILL)
    until(lambda: cloud.row(name)["pid"] not in {before, None})
    until(lambda: kept(cloud, name))


def test_both_killed_at_once(cloud: Cloud, name: str) -> None:
    pid = cloud.row(name)["pid"]
    cloud.sandbox.kill()
    os.kill(pid, signal.SIGKILL)
    cloud.sandbox.start()
    until(lambda: kept(cloud, name))


def test_stop_ends_the_servers_and_start_brings_them_back(cloud: Cloud, name: str) -> None:
    before = cloud.row(name)
    started = int((cloud.folder(name) / "process.json").read_text().rpartition(":")[2].strip(" }"))
    cloud.sandbox.control.stop()
    assert not alive(Process(before["pid"], started))
    cloud.sandbox.start()
    assert cloud.row(name)["address"] == before["address"]
    assert kept(cloud, name)


def test_a_stopped_instance_stays_stopped(cloud: Cloud, name: str) -> None:
    cloud.rds.stop_db_instance(DBInstanceIdentifier=name)
    until(lambda: cloud.show(name)["DBInstanceStatus"] == "stopped")
    cloud.sandbox.kill()
    cloud.sandbox.start()
    assert (cloud.row(name)["state"], cloud.row(name)["pid"]) == ("stopped", None)
    cloud.rds.start_db_instance(DBInstanceIdentifier=name)
    cloud.available(name)
    assert kept(cloud, name)


@pytest.mark.parametrize("seed", range(3))
def test_a_creation_cut_off_anywhere_is_carried_on(cloud: Cloud, name: str, seed: int) -> None:
    new = f"new{seed}"
    asked = {
        "DBInstanceIdentifier": new,
        "Engine": "postgres",
        "DBInstanceClass": "db.t4g.micro",
        "AllocatedStorage": 20,
    }
    master = {"MasterUsername": "provision", "ManageMasterUserPassword": True, "DBName": "product"}
    cloud.rds.create_db_instance(**asked, **master)
    time.sleep(random.Random(seed).uniform(0.0, 0.6))
    cloud.sandbox.kill()
    cloud.sandbox.start()
    cloud.available(new)
    assert cloud.sql(new, "SELECT current_user", password=cloud.managed_password(new)) == [("provision",)]
    assert len([row for row in cloud.rows() if row["id"] == new]) == 1


def test_a_deletion_cut_off_is_carried_on(cloud: Cloud, name: str) -> None:
    cloud.create("short")
    folder, pid = cloud.folder("short"), cloud.row("short")["pid"]
    cloud.rds.delete_db_instance(DBInstanceIdentifier="short", SkipFinalSnapshot=True)
    cloud.sandbox.kill()
    cloud.sandbox.start()
    cloud.gone("short")
    until(lambda: not folder.exists())
    assert ended(pid)


def ended(pid: int) -> bool:
    """Whether a process is over. Its own daemon is gone, so it may wait to be reaped by whoever is process 1 here."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_restore_cut_off_is_carried_on(cloud: Cloud, name: str) -> None:
    until(lambda: cloud.show(name).get("LatestRestorableTime"))
    cloud.rds.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier=name, TargetDBInstanceIdentifier="again", UseLatestRestorableTime=True
    )
    time.sleep(0.3)
    cloud.sandbox.kill()
    cloud.sandbox.start()
    cloud.available("again")
    assert kept(cloud, "again")
