"""Moto's models with what the sandbox must remember of the bodies. All of it is pickled with moto's state."""

import json
import secrets
import string
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from moto.core.utils import utcnow
from moto.rds.models import DBInstance, DBSnapshot, MasterUserSecret

from provisioner.sandbox.databases import settings

_PASSWORD_LENGTH = 32
_PASSWORD_ALPHABET = string.ascii_letters + string.digits + "!#$%&()*+,-.:;<=>?[]^_{|}~"
_RESOURCE_ALPHABET = string.ascii_uppercase + string.digits

CREATE, CHANGE, REBOOT, STOP, START, DELETE, SNAPSHOT = (
    "create",
    "change",
    "reboot",
    "stop",
    "start",
    "delete",
    "snapshot",
)
STATUS = {
    CREATE: "creating",
    CHANGE: "modifying",
    REBOOT: "rebooting",
    STOP: "stopping",
    START: "starting",
    DELETE: "deleting",
    SNAPSHOT: "backing-up",
}


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be done to a body, written down before it is touched. It can be done again from the start."""

    kind: str
    args: dict[str, Any] = field(default_factory=dict)


class Keeper(Protocol):
    """What the models ask of whoever keeps the bodies. All are called under the world's lock and return at once."""

    def begin(self, db: "Instance", task: Task) -> None:
        """Set the instance's status and carry the task out in the background."""

    def reload(self, db: "Instance") -> None:
        """Bring `in_force` to the running server."""

    def copy(self, snapshot: "Snapshot") -> None:
        """Fill a snapshot from the one that its `copied_from` names."""

    def discard(self, body: str) -> None:
        """Delete a snapshot's data."""


class Instance(DBInstance):
    """A DB instance whose body is a PostgreSQL server of the sandbox.

    `listens`: host and port, once there is a body. `in_force`: the parameters that the server runs with, those of
    `group_in_force`, the group that it was started with. `deferred`: changes that wait for the maintenance window.
    `restorable_since`: the earliest time that can be restored; `stopped_at`: the latest one of a stopped instance.
    `note`: why it failed. Times are naive UTC, as moto's are.
    """

    backend: Any
    master_user_secret: "ManagedSecret"

    def __init__(self, backend: Any, **asked: Any) -> None:
        super().__init__(backend, **asked)
        self.dbi_resource_id = "db-" + "".join(secrets.choice(_RESOURCE_ALPHABET) for _ in range(26))
        self.performance_insights_enabled = bool(asked.get("enable_performance_insights"))
        self.performance_insights_kms_key_id = asked.get("performance_insights_kms_key_id")
        self.performance_insights_retention_period = asked.get("performance_insights_retention_period")
        self.engine_lifecycle_support = asked.get("engine_lifecycle_support", "open-source-rds-extended-support")
        self.task: Task | None = None
        self.listens: tuple[str, int] | None = None
        self.in_force: dict[str, str] = {}
        self.group_in_force: str | None = None
        self.applying = False
        self.deferred: dict[str, Any] = {}
        self.restorable_since: datetime | None = None
        self.stopped_at: datetime | None = None
        self.note: str | None = None

    @property
    def wanted(self) -> dict[str, str]:
        """The parameters that the instance's group asks for."""
        return settings.wanted(self.db_parameter_groups()[0].parameters.values())

    @property
    def group_name(self) -> str:
        """The parameter group that the instance has, the default one if it was given none."""
        return str(self.db_parameter_groups()[0].name)

    def take_parameters(self) -> None:
        """The server is about to start: whatever the group asks for comes into force."""
        self.in_force, self.group_in_force, self.applying = self.wanted, self.group_name, False

    @property
    def password(self) -> str | None:
        """The master password while it isn't set in the server yet, or as the managed secret has it."""
        if self.manage_master_user_password:
            return str(self.master_user_secret.credentials["password"])
        return self._master_user_password

    def forget_password(self) -> None:
        """It is set: nobody needs it in the clear any more."""
        self._master_user_password = None

    @property
    def address(self) -> str | None:  # type: ignore[override]  # there is none before there is a body
        return self.listens[0] if self.listens else None

    @property
    def endpoint(self) -> dict[str, Any] | None:  # type: ignore[override]
        if self.listens is None:
            return None
        return {"Address": self.listens[0], "Port": self.listens[1], "HostedZoneId": "ZSANDBOX"}

    @property
    def latest_restorable_time(self) -> datetime | None:  # type: ignore[override]
        if self.restorable_since is None:
            return None
        latest = (self.stopped_at or utcnow()).replace(microsecond=0)
        return latest if latest >= self.restorable_since else None

    @property
    def pending_modified_values(self) -> dict[str, Any]:
        """What waits for the window and what is being applied, by the names of the API's shape."""
        task = self.task
        applying = task.args["changes"] if task and task.kind == CHANGE else {}
        values = {**self.deferred, **applying}
        names = {"new_db_instance_identifier": "db_instance_identifier", "db_port_number": "port"}
        return {names.get(name, name): value for name, value in values.items()}

    @property
    def db_parameter_group_status_list(self) -> list[dict[str, str]]:
        status = "in-sync"
        if self.applying:
            status = "applying"
        elif self.group_in_force and (self.group_in_force, self.in_force) != (self.group_name, self.wanted):
            status = "pending-reboot"
        return [{"DBParameterGroupName": self.group_name, "ParameterApplyStatus": status}]


class Snapshot(DBSnapshot):
    """A snapshot whose data is in the folder `body` below the databases' own; `copied_from` is another's body.
    The source's region and ARN are there where it is a copy from another region."""

    backend: Any
    database: Instance

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.body = f"snapshots/{secrets.token_hex(10)}"
        self.status = "creating"
        self.percent_progress = 0
        self.copied_from: str | None = None
        self.source_region: str | None = None
        self.source_db_snapshot_identifier: str | None = None


class ManagedSecret(MasterUserSecret):
    """The secret that RDS makes and keeps for a master password; moto's has the same password for all."""

    @property
    def credentials(self) -> dict[str, str]:
        """`username` and `password`."""
        current = self.secret.versions[str(self.secret.default_version_id)]
        return dict(json.loads(current["secret_string"]))

    @property
    def secret_status(self) -> str:
        """`creating` and `rotating` until the password is set in the server."""
        return self._status

    def activate(self) -> None:
        """The password is set."""
        self._status = "active"

    def rotate_secret(self) -> None:
        self._status = "rotating"
        nothing: Any = None  # moto's type asks for a binary next to the string, and would then return both
        text, token = self._generate_secret_string(), secrets.token_hex(16)
        self.secretsmanager.put_secret_value(self.secret.arn, text, nothing, token, ["AWSCURRENT"])

    def _generate_secret_string(self) -> str:
        password = "".join(secrets.choice(_PASSWORD_ALPHABET) for _ in range(_PASSWORD_LENGTH))
        return json.dumps({"username": self.resource.master_username, "password": password})
