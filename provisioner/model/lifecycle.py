"""A tenant's lifecycle: one table of legal transitions that drives checks, the CLI and the docs."""

from enum import StrEnum

from provisioner.model.errors import RefusedError


class Lifecycle(StrEnum):
    """Where a tenant is in its life (design, section 4)."""

    REQUESTED = "requested"
    PROVISIONING = "provisioning"
    ACTIVE = "active"
    UPDATING = "updating"
    SUSPENDED = "suspended"
    RESTORING = "restoring"
    OFFBOARDING = "offboarding"
    RETIRED = "retired"
    FAILED = "failed"


_L = Lifecycle
TRANSITIONS: dict[Lifecycle, frozenset[Lifecycle]] = {
    _L.REQUESTED: frozenset({_L.PROVISIONING, _L.OFFBOARDING}),
    _L.PROVISIONING: frozenset({_L.ACTIVE, _L.FAILED, _L.OFFBOARDING}),
    _L.ACTIVE: frozenset({_L.UPDATING, _L.SUSPENDED, _L.RESTORING, _L.OFFBOARDING}),
    _L.UPDATING: frozenset({_L.ACTIVE, _L.FAILED}),
    _L.SUSPENDED: frozenset({_L.ACTIVE, _L.OFFBOARDING}),
    _L.RESTORING: frozenset({_L.ACTIVE, _L.FAILED}),
    _L.OFFBOARDING: frozenset({_L.RETIRED, _L.FAILED}),
    _L.RETIRED: frozenset({_L.REQUESTED}),
    _L.FAILED: frozenset({_L.PROVISIONING, _L.UPDATING, _L.RESTORING, _L.SUSPENDED, _L.OFFBOARDING}),
}


def check_transition(tenant: str, source: Lifecycle, target: Lifecycle) -> None:
    """Raise RefusedError unless `source` may become `target`; staying is always legal (a step that runs again)."""
    if target is source or target in TRANSITIONS[source]:
        return
    allowed = ", ".join(sorted(TRANSITIONS[source])) or "nothing"
    raise RefusedError(
        f"tenant {tenant} is {source} and can't become {target} (allowed: {allowed})",
        hint=f"provision show {tenant}",
    )
