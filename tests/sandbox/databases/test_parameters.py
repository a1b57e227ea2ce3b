"""Parameter groups reach the server as RDS has it: dynamic ones at once, static ones by a reboot."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError

from tests.sandbox.databases.conftest import Cloud, until

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def name(cloud: Cloud) -> str:
    """An instance with a group of its own."""
    cloud.rds.create_db_parameter_group(
        DBParameterGroupName="own", DBParameterGroupFamily="postgres17", Description="of acme"
    )
    cloud.create("acme", DBParameterGroupName="own")
    return "acme"


@pytest.fixture
def put(cloud: Cloud) -> Callable[..., None]:
    """Set one parameter of the group."""

    def change(key: str, value: str, method: str = "immediate", group: str = "own") -> None:
        parameter: Any = {"ParameterName": key, "ParameterValue": value, "ApplyMethod": method}
        cloud.rds.modify_db_parameter_group(DBParameterGroupName=group, Parameters=[parameter])

    return change


def status(cloud: Cloud, name: str) -> str:
    return str(cloud.show(name)["DBParameterGroups"][0]["ParameterApplyStatus"])


def shown(cloud: Cloud, name: str, parameter: str) -> str:
    return str(cloud.sql(name, f"SHOW {parameter}")[0][0])


def test_dynamic_ones_take_effect_at_once(cloud: Cloud, name: str, put: Callable[..., None]) -> None:
    put("log_min_duration_statement", "750")
    until(lambda: status(cloud, name) == "in-sync")
    assert shown(cloud, name, "log_min_duration_statement") == "750ms"


def test_dynamic_ones_may_wait_too(cloud: Cloud, name: str, put: Callable[..., None]) -> None:
    put("deadlock_timeout", "1234", "pending-reboot")
    assert status(cloud, name) == "pending-reboot"
    assert shown(cloud, name, "deadlock_timeout") == "1s"
    cloud.rds.reboot_db_instance(DBInstanceIdentifier=name)
    cloud.available(name)
    assert status(cloud, name) == "in-sync"
    assert shown(cloud, name, "deadlock_timeout") == "1234ms"


def test_static_ones_wait_for_a_reboot(cloud: Cloud, name: str, put: Callable[..., None]) -> None:
    before = shown(cloud, name, "max_connections")
    put("max_connections", "33", "pending-reboot")
    assert status(cloud, name) == "pending-reboot"
    assert shown(cloud, name, "max_connections") == before
    cloud.rds.reboot_db_instance(DBInstanceIdentifier=name)
    cloud.available(name)
    assert (status(cloud, name), shown(cloud, name, "max_connections")) == ("in-sync", "33")


def test_reset_takes_them_back(cloud: Cloud, name: str, put: Callable[..., None]) -> None:
    put("log_lock_waits", "1")
    until(lambda: status(cloud, name) == "in-sync")
    assert shown(cloud, name, "log_lock_waits") == "on"
    parameter: Any = {"ParameterName": "log_lock_waits", "ApplyMethod": "immediate"}
    cloud.rds.reset_db_parameter_group(DBParameterGroupName="own", Parameters=[parameter])
    until(lambda: status(cloud, name) == "in-sync")
    assert shown(cloud, name, "log_lock_waits") == "off"


def test_memory_is_capped_to_what_the_host_has(cloud: Cloud, name: str, put: Callable[..., None]) -> None:
    put("work_mem", "4000000")
    until(lambda: status(cloud, name) == "in-sync")
    assert shown(cloud, name, "work_mem") == "64MB"


def test_plaintext_is_let_in_where_the_group_says_so(cloud: Cloud, name: str, put: Callable[..., None]) -> None:
    put("rds.force_ssl", "0")
    until(lambda: status(cloud, name) == "in-sync")
    with cloud.connect(name, sslmode="disable") as connection:
        assert not connection.pgconn.ssl_in_use
    put("rds.force_ssl", "1")
    until(lambda: status(cloud, name) == "in-sync")
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        cloud.connect(name, sslmode="disable")


def test_logical_replication_is_mapped(cloud: Cloud, name: str, put: Callable[..., None]) -> None:
    put("rds.logical_replication", "1", "pending-reboot")
    cloud.rds.reboot_db_instance(DBInstanceIdentifier=name)
    cloud.available(name)
    assert shown(cloud, name, "wal_level") == "logical"


def test_another_group_has_no_effect_before_the_reboot(cloud: Cloud, name: str, put: Callable[..., None]) -> None:
    put("lock_timeout", "4321")
    until(lambda: status(cloud, name) == "in-sync")
    cloud.rds.modify_db_instance(DBInstanceIdentifier=name, DBParameterGroupName="default.postgres17")
    cloud.available(name)
    assert status(cloud, name) == "pending-reboot"
    assert shown(cloud, name, "lock_timeout") == "4321ms"
    cloud.rds.reboot_db_instance(DBInstanceIdentifier=name)
    cloud.available(name)
    assert (status(cloud, name), shown(cloud, name, "lock_timeout")) == ("in-sync", "0")
    cloud.rds.modify_db_instance(DBInstanceIdentifier=name, DBParameterGroupName="own")
    cloud.available(name)
    cloud.rds.reboot_db_instance(DBInstanceIdentifier=name)
    cloud.available(name)


@pytest.mark.parametrize(
    ("parameter", "value", "method", "said"),
    [
        ("max_connection", "5", "immediate", "Could not find parameter with name: max_connection"),
        ("max_connections", "50", "immediate", "cannot use immediate apply method for static parameter"),
        ("max_connections", "many", "pending-reboot", "is not a number"),
        ("log_lock_waits", "perhaps", "immediate", "is not a boolean"),
        ("archive_command", "rm -rf /", "immediate", "can't be modified"),
        ("ssl", "0", "immediate", "can't be modified"),
        ("rds.allowed_extensions", "citext", "immediate", "not supported by the sandbox"),
        ("shared_preload_libraries", "pg_cron", "pending-reboot", "pg_cron, which the sandbox doesn't have"),
        ("log_line_prefix", "a\nport = 1", "immediate", "line break"),
    ],
)
def test_what_rds_refuses(
    cloud: Cloud, name: str, put: Callable[..., None], parameter: str, value: str, method: str, said: str
) -> None:
    with pytest.raises(ClientError, match=said.replace("(", r"\(")):
        put(parameter, value, method)


def test_the_default_group_is_nobodys(put: Callable[..., None], name: str) -> None:
    with pytest.raises(ClientError, match="default parameter group can't be modified"):
        put("work_mem", "64", group="default.postgres17")
