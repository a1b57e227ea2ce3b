"""How the sandbox puts behaviour of its own round moto's methods."""

import functools
from collections.abc import Callable
from typing import Any

from moto.core.exceptions import ServiceException

from provisioner.sandbox.errors import NOT_SUPPORTED


class Refusal(ServiceException):
    """An error of AWS, by code and message. Moto tells a service's errors by the module of their class, and so needs a
    class that is not its own."""


def not_supported(what: str) -> Refusal:
    """The error for what the sandbox can't do."""
    return Refusal(NOT_SUPPORTED, f"{what} is not supported by the sandbox")


def parameter(response: Any, name: str) -> Any:
    """A parameter of the request that moto's response object answers; None where it has none."""
    return response._get_param(name)  # noqa: SLF001 - moto's own way, in all its responses


def around(owner: type, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Replace the method `name` of `owner` by the decorated function, which gets the original as first argument.

    Raises AttributeError when moto has no such method any more: the daemon must not start without its hooks.
    """
    original = getattr(owner, name)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        # A plain function, not a partial: moto finds its operations with inspect.isfunction.
        @functools.wraps(original)
        def replacement(self: Any, *args: Any, **kwargs: Any) -> Any:
            return function(original, self, *args, **kwargs)

        setattr(owner, name, replacement)
        return function

    return decorate
