"""Parameter groups as PostgreSQL's own files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.sandbox.addresses import Address
from provisioner.sandbox.databases import settings

_HERE = Address("127.9.1.1", 5432)


def group(**values: str) -> dict[str, str]:
    return settings.wanted({"ParameterName": name, "ParameterValue": value} for name, value in values.items())


def test_booleans_become_postgresqls_and_formulas_are_left_out() -> None:
    assert group(log_lock_waits="1", shared_buffers="{DBInstanceClassMemory/32768}") == {"log_lock_waits": "on"}


def test_numbers_that_look_like_booleans_stay_numbers() -> None:
    assert group(log_min_duration_statement="0", deadlock_timeout="1") == {
        "deadlock_timeout": "1",
        "log_min_duration_statement": "0",
    }


def test_memory_is_capped() -> None:
    assert group(work_mem="9999999", max_connections="5000") == {"max_connections": "200", "work_mem": "65536"}


def test_tls_is_forced_unless_the_group_says_otherwise() -> None:
    assert "hostnossl" not in settings.access_conf({})
    assert "hostnossl" not in settings.access_conf({settings.FORCE_SSL: "1"})
    assert "hostnossl" in settings.access_conf({settings.FORCE_SSL: "0"})


def test_the_superuser_is_rejected_before_anybody_is_let_in() -> None:
    lines = settings.access_conf({settings.FORCE_SSL: "0"}).splitlines()
    assert lines.index("host all rdsadmin all reject") < min(i for i, line in enumerate(lines) if "scram" in line)


def test_a_group_cannot_move_the_server() -> None:
    conf = settings.server_conf({"listen_addresses": "*", "fsync": "on", "port": "1"}, _HERE)
    assert "listen_addresses = '127.9.1.1'" in conf
    assert conf.count("\nport = ") == 1
    assert "\nport = '5432'" in conf


@pytest.mark.parametrize("name", ["listen_addresses", "ssl_key_file", "archive_command", "unix_socket_group", "fsync"])
def test_what_a_group_cannot_hold(name: str) -> None:
    assert settings.setting(name) is None


@pytest.mark.parametrize(
    ("name", "static"),
    [("max_connections", True), ("work_mem", False), ("timezone", False), ("rds.logical_replication", True)],
)
def test_static_and_dynamic(name: str, static: bool) -> None:
    found = settings.setting(name)
    assert found is not None
    assert found.static is static


@given(st.text(st.characters(exclude_characters="\n\0", codec="utf-8"), max_size=40))
def test_any_value_stays_within_its_quotes(value: str) -> None:
    conf = settings.server_conf({"application_name": value}, _HERE)
    line = next(line for line in conf.split("\n") if line.startswith("application_name = "))
    inner = line.removeprefix("application_name = '")[:-1]
    assert inner.replace("''", "").replace("\\\\", "").count("'") == 0
    assert inner.replace("''", "'").replace("\\\\", "\\") == value
