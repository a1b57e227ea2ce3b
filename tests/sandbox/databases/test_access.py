"""Who gets into a database, how, and as what."""

import os
import subprocess
from pathlib import Path

import psycopg
import pytest
from botocore.exceptions import ClientError
from psycopg import errors

from provisioner.sandbox.ca import Authority
from provisioner.sandbox.databases.binaries import find
from tests.sandbox.databases.conftest import PASSWORD, Cloud

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def pair(cloud: Cloud) -> tuple[str, str]:
    """Two tenants' instances: one with a password of its own, one whose password RDS manages."""
    key = cloud.sandbox.client("kms").create_key()["KeyMetadata"]["Arn"]
    cloud.create("plain")
    cloud.create(
        "managed", ManageMasterUserPassword=True, MasterUserSecretKmsKeyId=key, StorageEncrypted=True, KmsKeyId=key
    )
    return "plain", "managed"


def test_verify_full_by_address(cloud: Cloud, pair: tuple[str, str]) -> None:
    with cloud.connect(pair[0]) as connection:
        assert connection.pgconn.ssl_in_use
        assert connection.info.server_version // 10_000 == 17


def test_a_foreign_authority_is_refused(cloud: Cloud, pair: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        cloud.connect(pair[0], sslrootcert=str(Authority(tmp_path).pem))


def test_plaintext_is_refused(cloud: Cloud, pair: tuple[str, str]) -> None:
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        cloud.connect(pair[0], sslmode="disable")


def test_wrong_password_and_superuser_are_refused(cloud: Cloud, pair: tuple[str, str]) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        cloud.connect(pair[0], password="wrong-password")
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects"):
        cloud.connect(pair[0], user="rdsadmin")


def test_one_tenants_password_is_not_anothers(cloud: Cloud, pair: tuple[str, str]) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        cloud.connect(pair[1])


def test_the_managed_password_is_really_set(cloud: Cloud, pair: tuple[str, str]) -> None:
    shown = cloud.show(pair[1])["MasterUserSecret"]
    password = cloud.managed_password(pair[1])
    assert shown["SecretStatus"] == "active"
    assert shown["KmsKeyId"] == cloud.show(pair[1])["KmsKeyId"]
    assert len(password) >= 28
    assert cloud.sql(pair[1], "SELECT current_user", password=password) == [("provision",)]


def test_rotation_changes_secret_and_server(cloud: Cloud, pair: tuple[str, str]) -> None:
    before = cloud.managed_password(pair[1])
    cloud.rds.modify_db_instance(DBInstanceIdentifier=pair[1], RotateMasterUserPassword=True, ApplyImmediately=True)
    cloud.available(pair[1])
    after = cloud.managed_password(pair[1])
    assert after != before
    assert cloud.sql(pair[1], "SELECT 1", password=after) == [(1,)]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        cloud.connect(pair[1], password=before)


def test_management_can_end_and_begin(cloud: Cloud, pair: tuple[str, str]) -> None:
    secret = cloud.show(pair[1])["MasterUserSecret"]["SecretArn"]
    own = {"ManageMasterUserPassword": False, "MasterUserPassword": PASSWORD}
    cloud.rds.modify_db_instance(DBInstanceIdentifier=pair[1], **own)
    assert "MasterUserSecret" not in cloud.available(pair[1])
    assert cloud.sql(pair[1], "SELECT 1") == [(1,)]
    with pytest.raises(ClientError, match="ResourceNotFound"):
        cloud.sandbox.client("secretsmanager").get_secret_value(SecretId=secret)
    cloud.rds.modify_db_instance(DBInstanceIdentifier=pair[1], ManageMasterUserPassword=True)
    cloud.available(pair[1])
    assert cloud.sql(pair[1], "SELECT 1", password=cloud.managed_password(pair[1])) == [(1,)]


def test_the_master_is_what_rds_makes_it(cloud: Cloud, pair: tuple[str, str]) -> None:
    rights = "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication FROM pg_roles WHERE rolname = current_user"
    assert cloud.sql(pair[0], rights) == [(False, True, True, False)]
    assert cloud.sql(pair[0], "SELECT pg_has_role('rds_superuser', 'member')") == [(True,)]
    with cloud.connect(pair[0]) as connection:
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("SELECT pg_read_file('postgresql.conf')")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("ALTER SYSTEM SET work_mem = '1GB'")
        connection.execute("CREATE ROLE product LOGIN")
        connection.execute("CREATE EXTENSION citext")
        connection.execute("SELECT count(*) FROM pg_stat_statements")
        connection.execute("GRANT pg_monitor, rds_superuser TO product")


def test_the_master_runs_pg_amcheck_in_every_database(cloud: Cloud, pair: tuple[str, str]) -> None:
    """In those that were there and in one that the master makes."""
    cloud.sql(pair[0], "CREATE DATABASE more")
    cloud.sql(pair[0], "CREATE TABLE checked (id int PRIMARY KEY)")
    end = cloud.show(pair[0])["Endpoint"]
    command = [find().program("pg_amcheck"), "-h", end["Address"], "-p", str(end["Port"]), "-U", "provision"]
    tls = {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(cloud.sandbox.info.ca_file), "PGPASSWORD": PASSWORD}
    checks = ["--all", "--heapallindexed", "--rootdescend", "--verbose"]
    done = subprocess.run([*command, *checks], env=tls, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for database in ("product", "more", "postgres", "template1"):
        assert f'in database "{database}": using amcheck version' in done.stderr
    assert 'checking btree index "product.public.checked_pkey"' in done.stderr
    may = "SELECT has_function_privilege('pg_monitor', 'bt_index_check(regclass)', 'execute')"
    assert cloud.sql(pair[0], may) == [(False,)]


def test_each_server_has_an_address_and_a_uid_of_its_own(cloud: Cloud, pair: tuple[str, str]) -> None:
    rows = [cloud.row(name) for name in pair]
    assert len({row["address"] for row in rows}) == 2
    real = [Path(f"/proc/{row['pid']}").stat().st_uid for row in rows]
    assert [row["uid"] for row in rows] == real
    if os.geteuid() == 0:
        assert len({0, *real}) == 3
        assert all("own" in row["notes"] for row in rows)
    else:
        assert all("not isolated" in row["notes"] for row in rows)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take another uid")
def test_one_servers_uid_cannot_read_anothers_files(cloud: Cloud, pair: tuple[str, str]) -> None:
    uid, other = cloud.row(pair[0])["uid"], cloud.folder(pair[1])
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        readable = [p for p in ("data", "socket", "tls", "backups") if os.access(other / p, os.R_OK)]
        os._exit(len(readable))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_no_password_in_process_lists_or_logs(cloud: Cloud, pair: tuple[str, str]) -> None:
    secrets = [PASSWORD.encode(), cloud.managed_password(pair[1]).encode()]
    texts = [p.read_bytes() for p in cloud.sandbox.home.rglob("*.log")]
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                texts.append((process / name).read_bytes())
            except OSError:
                continue
    assert not [secret for secret in secrets for text in texts if secret in text]


def test_secret_files_are_for_their_owner_only(cloud: Cloud, pair: tuple[str, str]) -> None:
    wanted = [cloud.sandbox.home / "ca" / "ca.key", cloud.folder(pair[0]) / "tls" / "server.key"]
    assert [oct(p.stat().st_mode & 0o777) for p in wanted] == ["0o600", "0o600"]
