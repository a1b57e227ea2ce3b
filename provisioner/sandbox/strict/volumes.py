"""EBS volumes only grow."""

from collections.abc import Callable
from typing import Any

from moto.ec2.models import EC2Backend

from provisioner.sandbox.hooking import Refusal, around


def install() -> None:
    """Refuse to shrink."""

    @around(EC2Backend, "modify_volume")
    def modify_volume(
        original: Callable[..., Any],
        backend: Any,
        volume_id: str,
        target_size: int | None = None,
        *args: Any,
        **kw: Any,
    ) -> Any:
        size = int(backend.get_volume(volume_id).size)
        if target_size is not None and int(target_size) < size:
            raise Refusal("InvalidParameterValue", f"New size cannot be smaller than existing size ({size} GiB)")
        return original(backend, volume_id, target_size, *args, **kw)
