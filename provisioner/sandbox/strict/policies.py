"""AWS's own IAM policies, each from the moment on that somebody names it.

All 1,300 of them, as moto would load them, are 4 MB of state that would be written with every change.
"""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, IAMBackend

from provisioner.sandbox.hooking import around

_OF_AWS = ":iam::aws:policy/"
_BY_ARN = ("attach_role_policy", "attach_user_policy", "attach_group_policy", "get_policy", "get_policy_version")


def install() -> None:
    """Have the operations that take a policy's ARN know AWS's."""
    for name in _BY_ARN:

        @around(IAMBackend, name)
        def by_arn(original: Callable[..., Any], backend: Any, policy_arn: str, *args: Any, **kwargs: Any) -> Any:
            _load(backend, policy_arn)
            return original(backend, policy_arn, *args, **kwargs)


def _load(backend: Any, arn: str) -> None:
    name = arn.rpartition("/")[2]
    if _OF_AWS not in arn or arn in backend.managed_policies or name not in _all():
        return
    policy = AWSManagedPolicy.from_data(name, backend.account_id, backend.region_name, _all()[name])
    if policy.arn == arn:  # the path is part of it
        backend.managed_policies[arn] = policy


@cache
def _all() -> dict[str, Any]:
    return dict(json.loads(aws_managed_policies_data))
