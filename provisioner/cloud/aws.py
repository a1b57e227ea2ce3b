"""The `Cloud` port over boto3."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from provisioner.cloud import databases, leftovers, lookup, machines, permissions, quotas, secrets, storage
from provisioner.cloud.session import Access, Clients, translated
from provisioner.model.cloud import Caller, CommandResult, Database, Machine, Quota
from provisioner.model.json import Json


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

    def empty_bucket(self, bucket: str) -> None:
        storage.empty_bucket(self._clients, bucket)

    def leftovers(self, tenant: str) -> list[str]:
        return leftovers.leftovers(self._clients, tenant)

    def find(
        self, type_: str, inputs: Mapping[str, Json], tags: Mapping[str, str], known: Collection[str]
    ) -> str | None:
        return lookup.find(self._clients, type_, inputs, tags, known)

    def quotas(self) -> list[Quota]:
        return quotas.quotas(self._clients)

    def vcpus(self, instance_type: str) -> int:
        return quotas.vcpus(self._clients, instance_type)

    def denied(self, actions: Sequence[str]) -> list[str]:
        return permissions.denied(self._clients, self.caller().arn, actions)

    def key_state(self, key: str) -> str:
        return permissions.key_state(self._clients, key)

    def clock_skew(self) -> timedelta:
        return permissions.clock_skew(self._clients)
