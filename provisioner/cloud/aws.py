"""The `Cloud` port over boto3."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from provisioner.cloud import (
    alarms,
    balancers,
    databases,
    keys,
    leftovers,
    lookup,
    machines,
    measured,
    patches,
    permissions,
    quotas,
    rules,
    secrets,
    snapshots,
    storage,
)
from provisioner.cloud.session import Access, Clients, translated
from provisioner.model.cloud import (
    Alarm,
    Caller,
    CommandResult,
    Database,
    GroupRule,
    Machine,
    Metric,
    Quota,
    Reading,
    Restorable,
    Snapshot,
    StoredFile,
)
from provisioner.model.deployer.simulation import Answers, Question
from provisioner.model.json import Json
from provisioner.model.patch.port import NO_HOOKS, Operation
from provisioner.model.patch.scan import Scan


class AwsCloud:
    """One account and region. Contracts are in `provisioner.model.ports.Cloud`."""

    def __init__(self, access: Access) -> None:
        self._clients = Clients(access)

    def caller(self) -> Caller:
        with translated("sts GetCallerIdentity"):
            answer = self._clients["sts"].get_caller_identity()
        return Caller(account=answer["Account"], arn=answer["Arn"], region=self._clients.access.region)

    def zones(self) -> tuple[str, ...]:
        with translated("ec2 DescribeAvailabilityZones"):
            answer = self._clients["ec2"].describe_availability_zones(
                Filters=[{"Name": "state", "Values": ["available"]}]
            )
        return tuple(sorted(z["ZoneName"] for z in answer["AvailabilityZones"]))

    def machines(self, tenant: str) -> list[Machine]:
        return machines.machines(self._clients, tenant)

    def database(self, identifier: str) -> Database | None:
        return databases.database(self._clients, identifier)

    def databases(self, tenant: str) -> list[Database]:
        return databases.databases(self._clients, tenant)

    def ensure_password(self, secret_arn: str, username: str) -> None:
        secrets.ensure_password(self._clients, secret_arn, username)

    def allow_secret(self, role: str, secret_arn: str, minutes: int) -> None:
        secrets.allow_secret(self._clients, role, secret_arn, minutes)

    def forbid_secret(self, role: str) -> None:
        secrets.forbid_secret(self._clients, role)

    def run_command(self, machine_id: str, script: str, *, comment: str, timeout: float) -> CommandResult:
        return machines.run_command(self._clients, machine_id, script, comment=comment, timeout=timeout)

    def start_machine(self, machine_id: str) -> None:
        machines.start_machine(self._clients, machine_id)

    def stop_machine(self, machine_id: str) -> None:
        machines.stop_machine(self._clients, machine_id)

    def patch(
        self,
        machine_id: str,
        operation: Operation,
        *,
        comment: str,
        timeout: float,
        hooks: Mapping[str, str] = NO_HOOKS,
    ) -> Scan:
        return patches.patch(self._clients, machine_id, operation, comment=comment, timeout=timeout, hooks=hooks)

    def newest_minor(self, version: str) -> str | None:
        return databases.newest_minor(self._clients, version)

    def upgrade_database(self, identifier: str, version: str) -> None:
        databases.upgrade_database(self._clients, identifier, version)

    def reboot_machine(self, machine_id: str) -> None:
        patches.reboot_machine(self._clients, machine_id)

    def target_health(self, group_arn: str, machine_id: str) -> str:
        return balancers.target_health(self._clients, group_arn, machine_id)

    def addressed(self, tenant: str) -> list[str]:
        return machines.addressed(self._clients, tenant)

    def group_rules(self, groups: Collection[str]) -> list[GroupRule]:
        return rules.group_rules(self._clients, groups)

    def revoke_rule(self, rule: GroupRule) -> None:
        rules.revoke_rule(self._clients, rule)

    def start_database(self, identifier: str) -> None:
        databases.start_database(self._clients, identifier)

    def stop_database(self, identifier: str) -> None:
        databases.stop_database(self._clients, identifier)

    def restorable(self, identifier: str) -> Restorable | None:
        return databases.restorable(self._clients, identifier)

    def snapshot(self, name: str) -> Snapshot | None:
        return snapshots.snapshot(self._clients, name)

    def snapshots(self, tenant: str) -> list[Snapshot]:
        return snapshots.snapshots(self._clients, tenant)

    def make_snapshot(self, database: str, name: str, tags: Mapping[str, str]) -> Snapshot:
        return snapshots.make_snapshot(self._clients, database, name, tags)

    def copy_snapshot(self, source_arn: str, name: str, tags: Mapping[str, str], key: str | None) -> Snapshot:
        return snapshots.copy_snapshot(self._clients, source_arn, name, tags, key)

    def delete_snapshot(self, name: str) -> None:
        snapshots.delete_snapshot(self._clients, name)

    def retire_key(self, key_arn: str, days: int) -> None:
        keys.retire_key(self._clients, key_arn, days)

    def fetch_files(self, bucket: str, prefix: str, folder: Path, *, without: str = "") -> list[StoredFile]:
        return storage.fetch_files(self._clients, bucket, prefix, folder, without=without)

    def delete_files(self, bucket: str, prefix: str) -> None:
        storage.delete_files(self._clients, bucket, prefix)

    def empty_bucket(self, bucket: str) -> None:
        storage.empty_bucket(self._clients, bucket)

    def leftovers(self, tenant: str, *, stack: str | None = None) -> list[str]:
        return leftovers.leftovers(self._clients, tenant, stack=stack)

    def find(
        self, type_: str, inputs: Mapping[str, Json], tags: Mapping[str, str], known: Collection[str]
    ) -> str | None:
        return lookup.find(self._clients, type_, inputs, tags, known)

    def alarms(self, tenant: str) -> list[Alarm]:
        return alarms.alarms(self._clients, tenant)

    def readings(self, metrics: Sequence[Metric], start: datetime, end: datetime) -> list[list[Reading]]:
        return measured.readings(self._clients, metrics, start, end)

    def quotas(self) -> list[Quota]:
        return quotas.quotas(self._clients)

    def vcpus(self, instance_type: str) -> int:
        return quotas.vcpus(self._clients, instance_type)

    def denied(self, questions: Sequence[Question]) -> Answers:
        return permissions.denied(self._clients, self.caller().arn, questions)

    def key_state(self, key: str) -> str | None:
        return permissions.key_state(self._clients, key)

    def clock_skew(self) -> timedelta:
        return permissions.clock_skew(self._clients)
