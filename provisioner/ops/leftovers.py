"""What is still there after a destroy."""

from collections.abc import Sequence

from provisioner.model.errors import ProvisionError
from provisioner.model.ports import StepContext


def refuse_leftovers(ctx: StepContext, left: Sequence[str], of: str) -> None:
    """Raise ProvisionError that names each of them: an end that leaves something isn't one."""
    if left:
        listing = "\n".join(f"  {arn}" for arn in left)
        raise ProvisionError(
            f"{len(left)} resource(s) of {of} are still there after the destroy:\n{listing}",
            hint=f"delete them by hand, then provision operations resume {ctx.operation_id}",
        )
