"""Every type that the sandbox has, by token."""

from provisioner.sandbox.provider.resource import Resource
from provisioner.sandbox.provider.types import (
    addresses,
    balancers,
    buckets,
    database_groups,
    databases,
    identity,
    keys,
    lifecycle_rules,
    machines,
    names,
    network,
    routes,
    secrets,
    security_groups,
    volumes,
    watch,
)

_MODULES = (
    addresses,
    balancers,
    buckets,
    database_groups,
    databases,
    identity,
    keys,
    lifecycle_rules,
    machines,
    names,
    network,
    routes,
    secrets,
    security_groups,
    volumes,
    watch,
)

RESOURCES: dict[str, Resource] = {spec.token: spec for module in _MODULES for spec in module.TYPES}
