"""ClientToken: the same call with the same token again gives what the first one made.

Moto reads the token and makes a second one. What was answered is kept in the region's backend, so that it is pickled
with the objects that it names, and survives a restart.
"""

from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.responses import EC2Response

from provisioner.model.json import digest
from provisioner.sandbox.hooking import Refusal, around, parameter

_OPERATIONS = ("run_instances", "create_volume", "create_vpc_endpoint", "create_nat_gateway", "create_flow_logs")
_NO_MATTER = {"ClientToken", "DryRun"}


def install() -> None:
    """Make the operations of EC2 that tenants' stacks use idempotent."""
    for operation in _OPERATIONS:
        around(EC2Response, operation)(_once)


def _once(original: Callable[..., Any], response: Any) -> Any:
    token = parameter(response, "ClientToken")
    if not token:
        return original(response)
    answered: dict[str, tuple[str, object]] = response.ec2_backend.__dict__.setdefault("sandbox_answered", {})
    asked = digest({"operation": original.__name__, "params": _plain(response.params)})
    if token not in answered:
        result = original(response)
        answered[token] = (asked, result.result)
        return result
    known, result = answered[token]
    if known != asked:
        raise Refusal("IdempotentParameterMismatch", f"The client token {token} was used with other parameters.")
    return ActionResult(result)


def _plain(params: Any) -> Any:
    if isinstance(params, dict):
        return {str(k): _plain(v) for k, v in params.items() if k not in _NO_MATTER}
    return [_plain(v) for v in params] if isinstance(params, list | tuple) else str(params)
