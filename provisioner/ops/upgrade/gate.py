"""Whether a release may serve: enough good answers of its product's own `/healthz`, over enough time."""

from collections.abc import Mapping, Sequence
from typing import Any

from provisioner.model.cloud import Health
from provisioner.model.redact import redact
from provisioner.model.rollout.strategy import Gate
from provisioner.model.stack import StackArgs
from provisioner.ops.converge import mismatch


def judge(gate: Gate, seen: Sequence[Health], args: StackArgs) -> str | None:
    """Why the gate stays shut; None where it opens. Release, schema and tenant must be `args`' own."""
    wrong = [mismatch(health, args) for health in seen]
    first = next((w for w in wrong if w is not None), None)
    if not seen or first is None:
        return None if len(seen) >= gate.samples else f"only {len(seen)} of {gate.samples} answers came"
    good = wrong.count(None)
    if good == 0:
        return first
    if wrong[-1] is not None:
        return f"it was well, and is no more: {wrong[-1]} ({good} of {len(seen)} answers were good)"
    return None if good >= gate.good else f"only {good} of {len(seen)} answers were good, {gate.good} must be: {first}"


def answers(raw: Any) -> list[Health]:
    """From what `templates/gate.sh.j2` prints."""
    return [_health(item) for item in raw]


def _health(seen: Mapping[str, Any]) -> Health:
    status = {"ok": "healthy"}.get(str(seen.get("status")), str(seen.get("status")))
    detail = redact(str(seen["detail"])) if seen.get("detail") else None
    return Health(status, detail=detail, **{k: seen.get(k) for k in ("release", "schema_version", "tenant")})
