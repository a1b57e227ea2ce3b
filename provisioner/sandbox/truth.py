"""What of AWS's promises the sandbox keeps, and what it only records."""

from typing import Any

from provisioner.sandbox.world import World

_ENFORCED = (
    "every database is a PostgreSQL server of its own with its data, password and parameters",
    "connections to databases need TLS where the parameter group asks for it",
    "every machine is a process of its own that runs its image",
    "Elastic IPs and load balancers forward to their targets only",
    "SSM commands run on their machine",
    "CPU and disk of machines, and CPU, storage and connections of databases, are measured on the bodies",
    "alarms are evaluated: of these, status checks, and unhealthy targets and 5xx answers behind balancers",
    "packages of machines are installed and patched, each on its own disk",
    "access keys must be the operator's, an IAM user's, or a role session's that hasn't expired",
)
_NOT_ENFORCED = (
    "security groups between tenants are not enforced",
    "IAM permissions and trust policies are not enforced",
    "KMS keys encrypt no disks and no databases",
    "routes, NAT gateways, VPC endpoints and flow logs carry no traffic",
    "Multi-AZ has no standby",
    "memory of databases and CPU credits are not measured: alarms on them know nothing",
    "notifications and mails are not sent",
    "quotas are not enforced",
)


def about(world: World) -> dict[str, Any]:
    """`enforced` and `not_enforced`, a sentence each, for this host."""
    enforced, not_enforced = list(_ENFORCED), list(_NOT_ENFORCED)
    (enforced if world.rooted else not_enforced).append(
        "every body has a uid of its own" if world.rooted else "bodies share the daemon's uid (it isn't root)"
    )
    if not world.addresses.whole_net:
        not_enforced.append("bodies share 127.0.0.1 (ports in place of addresses)")
    return {"enforced": enforced, "not_enforced": not_enforced}
