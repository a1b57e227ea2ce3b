"""Whether a release may serve: enough good answers of its product's own `/healthz`, over enough time."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from provisioner.model.cloud import Health
from provisioner.model.json import JsonDict
from provisioner.model.stack import StackArgs
from provisioner.ops.converge import mismatch


@dataclass(frozen=True, slots=True)
class Gate:
    """`good` of `samples` answers must be right, spread over `seconds`; the last one must be. `warm_up`: seconds until
    the first answer has to be there. `settle`: seconds of the same look through the tenant's own address, after the
    switch."""

    samples: int = 10
    good: int = 9
    seconds: int = 90
    warm_up: int = 120
    settle: int = 10

    def json(self) -> JsonDict:
        """For a payload."""
        return asdict(self)


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
    return Health(status, **{k: seen.get(k) for k in ("release", "schema_version", "tenant", "detail")})
