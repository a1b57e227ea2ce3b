"""The account's limits in a region, and what is used of them."""

from collections.abc import Callable
from typing import Any

from provisioner.cloud.session import Clients, code_of, translated
from provisioner.model.cloud import Quota

# Codes of Service Quotas (`aws service-quotas list-service-quotas`); they are the same in every account and region.
_QUOTAS = (
    ("vpcs", "VPCs", "vpc", "L-F678F1CE"),
    ("addresses", "Elastic IP addresses", "ec2", "L-0263D0A3"),
    ("databases", "RDS instances", "rds", "L-7B6409FD"),
    ("vcpus", "vCPUs of running standard machines", "ec2", "L-1216C47A"),
)
_STANDARD = tuple("acdhimrtz")
_NOT_STANDARD = ("inf", "trn", "dl", "hpc", "mac", "u-", "x", "p", "g", "f", "vt")


def quotas(clients: Clients) -> list[Quota]:
    """Each limit with what is used of it."""
    counts: dict[str, Callable[[Clients], float]] = {
        "vpcs": _vpcs,
        "addresses": _addresses,
        "databases": _databases,
        "vcpus": _vcpus,
    }
    return [
        Quota(name, title, service, code, _limit(clients, service, code), counts[name](clients))
        for name, title, service, code in _QUOTAS
    ]


def vcpus(clients: Clients, instance_type: str) -> int:
    """Of one machine of this type."""
    with translated("ec2 DescribeInstanceTypes"):
        found = clients["ec2"].describe_instance_types(InstanceTypes=[instance_type])["InstanceTypes"]
    return int(found[0]["VCpuInfo"]["DefaultVCpus"])


def _limit(clients: Clients, service: str, code: str) -> float:
    """The account's own limit, or AWS's default where it never asked for more."""
    from botocore.exceptions import ClientError

    with translated("service-quotas GetServiceQuota"):
        try:
            found = clients["service-quotas"].get_service_quota(ServiceCode=service, QuotaCode=code)
        except ClientError as error:
            if code_of(error) != "NoSuchResourceException":
                raise
            found = clients["service-quotas"].get_aws_default_service_quota(ServiceCode=service, QuotaCode=code)
    return float(found["Quota"]["Value"])


def _pages(clients: Clients, service: str, call: str, listing: str, **words: Any) -> list[Any]:
    with translated(f"{service} {call}"):
        client = clients[service]
        if not client.can_paginate(call):
            return list(getattr(client, call)(**words)[listing])
        return [item for page in client.get_paginator(call).paginate(**words) for item in page[listing]]


def _vpcs(clients: Clients) -> float:
    return len(_pages(clients, "ec2", "describe_vpcs", "Vpcs"))


def _addresses(clients: Clients) -> float:
    return len(_pages(clients, "ec2", "describe_addresses", "Addresses"))


def _databases(clients: Clients) -> float:
    return len(_pages(clients, "rds", "describe_db_instances", "DBInstances"))


def _vcpus(clients: Clients) -> float:
    running = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    reservations = _pages(clients, "ec2", "describe_instances", "Reservations", Filters=running)
    total = 0
    for instance in (i for r in reservations for i in r["Instances"]):
        kind = instance["InstanceType"]
        if kind.startswith(_STANDARD) and not kind.startswith(_NOT_STANDARD):
            options = instance.get("CpuOptions") or {}
            total += int(options.get("CoreCount", 1)) * int(options.get("ThreadsPerCore", 1))
    return total
