"""From an RDS parameter group to PostgreSQL's own files: what may be set, what needs a restart, what is capped."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from provisioner.sandbox.addresses import Address
from provisioner.sandbox.databases.binaries import find

FORCE_SSL, LOGICAL = "rds.force_ssl", "rds.logical_replication"
# Accepted, and without anything to act on here.
_NO_EFFECT = {
    "rds.adaptive_autovacuum",
    "rds.custom_dns_resolution",
    "rds.force_admin_logging_level",
    "rds.force_autovacuum_logging_level",
    "rds.log_retention_period",
}
_PRELOADABLE = {"pg_stat_statements", "auto_explain", "pg_prewarm", "passwordcheck"}
_EXTENSIONS = ("pg_stat_statements.", "auto_explain.")
# RDS lets nobody set these either: they say where a cluster lives and how it is kept.
_KEPT = (
    *("allow_alter", "archive_", "config_file", "data_directory", "dynamic_shared", "external_pid", "fsync"),
    *("full_page_writes", "hba_file", "huge_page", "ident_file", "krb_", "listen_addresses", "log_destination"),
    *("log_directory", "log_file", "logging_collector", "port", "primary_", "recovery_", "restore_command"),
    *("shared_memory_type", "ssl", "unix_socket", "wal_level"),
)
_NOT_KEPT = {"ssl_ciphers", "ssl_max_protocol_version", "ssl_min_protocol_version"}
# The instance class promises memory that the host doesn't have. In the units of PostgreSQL's integers.
_CAPS = {
    "autovacuum_work_mem": 32_768,
    "logical_decoding_work_mem": 32_768,
    "maintenance_work_mem": 65_536,
    "max_connections": 200,
    "max_locks_per_transaction": 256,
    "max_prepared_transactions": 100,
    "max_wal_senders": 20,
    "max_wal_size": 256,
    "max_worker_processes": 16,
    "min_wal_size": 64,
    "pg_stat_statements.max": 10_000,
    "shared_buffers": 2_048,
    "temp_buffers": 2_048,
    "wal_buffers": 128,
    "work_mem": 65_536,
}
_SMALL = {
    "max_connections": "60",
    "shared_buffers": "128",
    "wal_buffers": "8",
    "max_wal_senders": "4",
    "max_replication_slots": "4",
    "max_worker_processes": "2",
    "max_logical_replication_workers": "0",
    "max_wal_size": "32MB",
    "min_wal_size": "2MB",
    "jit": "off",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.max": "500",
    "log_min_duration_statement": "-1",
}
_SWITCH = {"0": "off", "1": "on"}


@dataclass(frozen=True, slots=True)
class Setting:
    """A parameter that a group may hold. `kind` is BOOLEAN, INTEGER, REAL, STRING or ENUM; bounds are inclusive."""

    name: str
    static: bool
    kind: str
    low: float | None = None
    high: float | None = None

    def problem(self, value: str) -> str | None:
        """What is wrong with a value, or None."""
        if "\n" in value or "\0" in value:
            return "holds a line break"
        if "{" in value:
            return None  # RDS's formulas on the instance class: the sandbox's own size stands for them
        if self.kind == "BOOLEAN" and value.lower() not in {"0", "1", "on", "off", "true", "false"}:
            return "is not a boolean"
        if self.kind in {"INTEGER", "REAL"}:
            return self._number_problem(value)
        if self.name == "shared_preload_libraries":
            unknown = [name for name in _libraries(value) if name not in _PRELOADABLE]
            return f"names {', '.join(unknown)}, which the sandbox doesn't have" if unknown else None
        return None

    def _number_problem(self, value: str) -> str | None:
        try:
            number = float(value) if self.kind == "REAL" else int(value)
        except ValueError:
            return "is not a number"
        if (self.low is not None and number < self.low) or (self.high is not None and number > self.high):
            return f"is not in {self.low:g}-{self.high:g}"
        return None


@cache
def catalogue() -> dict[str, Setting]:
    """Every parameter that a group may hold, by name."""
    known = {FORCE_SSL: Setting(FORCE_SSL, False, "BOOLEAN"), LOGICAL: Setting(LOGICAL, True, "BOOLEAN")}
    known |= {name: Setting(name, False, "STRING") for name in _NO_EFFECT}
    for line in find().settings.splitlines():
        name, context, _, kind, _, low, high, *_ = line.lower().split("\t")
        if name in _NOT_KEPT or not name.startswith(_KEPT):
            limits = (float(low), float(high)) if low and high else (None, None)
            known[name] = Setting(name, context == "postmaster", kind.upper(), *limits)
    return known


def setting(name: str) -> Setting | None:
    """The parameter of that name, an extension's too; None where a group can't hold it."""
    if name.startswith(_EXTENSIONS):
        return Setting(name, name == "pg_stat_statements.max", "STRING")
    return catalogue().get(name)


def wanted(parameters: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """What a group (its `ParameterName`, `ParameterValue` pairs) asks of a cluster, capped."""
    asked = {p["ParameterName"]: str(p["ParameterValue"]) for p in parameters if p.get("ParameterValue") is not None}
    return {name: _capped(name, value) for name, value in sorted(asked.items()) if "{" not in value}


def forces_tls(in_force: Mapping[str, str]) -> bool:
    """RDS forces TLS from PostgreSQL 15 on unless the group says otherwise."""
    return in_force.get(FORCE_SSL, "1").lower() in {"1", "on", "true"}


def server_conf(in_force: Mapping[str, str], address: Address) -> str:
    """`postgresql.conf`: the sandbox's small footprint, then the group, then what nobody may change.

    Paths are relative to the data folder: a Unix socket's path may have no more than 107 bytes.
    """
    logical = in_force.get(LOGICAL, "0").lower() in {"1", "on", "true"}
    own = {n: v for n, v in in_force.items() if not n.startswith("rds.")}
    fixed = {
        "listen_addresses": address.host,
        "port": str(address.port),
        "unix_socket_directories": "../socket",
        "unix_socket_permissions": "0700",
        "ssl": "on",
        "ssl_cert_file": "../tls/server.crt",
        "ssl_key_file": "../tls/server.key",
        "dynamic_shared_memory_type": "posix",
        "huge_pages": "off",
        "fsync": "off",  # survives the death of every process, not that of the host
        "wal_level": "logical" if logical else "replica",
        "archive_mode": "on",
        "archive_command": "test ! -d ../archive || { cp %p ../archive/.%f && mv ../archive/.%f ../archive/%f; }",
        "archive_timeout": "300",
        "log_destination": "stderr",
        "logging_collector": "off",
        "log_line_prefix": "%t:%r:%u@%d:[%p]:",
        "timezone": own.get("timezone", "UTC") if _has_zones() else "GMT",
        "log_timezone": "UTC" if _has_zones() else "GMT",
    }
    merged = {**_SMALL, **own, **fixed}
    return "".join(f"{name} = '{_quoted(value)}'\n" for name, value in merged.items())


def access_conf(in_force: Mapping[str, str]) -> str:
    """`pg_hba.conf`: the daemon through the socket, everybody else by TCP with a password, over TLS if forced."""
    lines = [
        "local all rdsadmin trust",
        "local replication rdsadmin trust",
        "host all rdsadmin all reject",
        "hostssl all all all scram-sha-256",
    ]
    if not forces_tls(in_force):
        lines.append("hostnossl all all all scram-sha-256")
    return "".join(f"{line}\n" for line in lines)


def _capped(name: str, value: str) -> str:
    cap = _CAPS.get(name)
    if cap is not None and value.isdigit():
        return str(min(int(value), cap))
    known = setting(name)
    return _SWITCH.get(value, value) if known and known.kind in {"BOOLEAN", "ENUM"} else value


def _libraries(value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip()]


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")


@cache
def _has_zones() -> bool:
    return Path("/usr/share/zoneinfo/UTC").exists()
