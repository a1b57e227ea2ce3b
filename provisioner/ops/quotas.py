"""Whether the account has room for one more tenant, asked before anything is made."""

from provisioner.model.errors import RefusedError
from provisioner.model.tenant import CloudKind, Tenant
from provisioner.ops.house import House


def check_quotas(house: House, tenant: Tenant) -> None:
    """Raise RefusedError (exit 6) naming each limit that one more tenant would break. The sandbox has none."""
    if tenant.target.cloud is not CloudKind.AWS:
        return
    cloud = house.cloud(tenant.target, tenant.region)
    needs = {
        "vpcs": 1,
        # A machine without an address of its own reaches the internet through a NAT gateway, which has one.
        "addresses": 1,
        "databases": 2 if tenant.sizing.multi_az else 1,
        "vcpus": cloud.vcpus(tenant.sizing.instance_type),
    }
    short = [q for q in cloud.quotas() if q.left < needs[q.name]]
    if short:
        listing = "\n".join(
            f"  {q.title}: {q.used:g} of {q.limit:g} are used, and tenant {tenant.id} needs {needs[q.name]}"
            for q in short
        )
        first = short[0]
        raise RefusedError(
            f"account {tenant.target.account} has no room in {tenant.region}; nothing was changed:\n{listing}",
            hint=f"aws service-quotas request-service-quota-increase --region {tenant.region} "
            f"--service-code {first.service} --quota-code {first.code} --desired-value {first.limit * 2:g}",
        )
