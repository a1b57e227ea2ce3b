"""How a command is made: it takes a `Session` and its own words, and returns a result. The options that all commands
share are added here, so that they are taken before or after the command."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provisioner.cli.boundary import boundary
from provisioner.settings import Settings

if TYPE_CHECKING:
    from provisioner.app import App


class Output(StrEnum):
    """How results are printed on stdout."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


OutputOption = Annotated[
    Output | None, typer.Option("--output", "-o", help="How results are printed.", show_default="table")
]
YesOption = Annotated[bool | None, typer.Option("--yes", "-y", help="Don't ask before changing anything.")]
RegistryOption = Annotated[
    Path | None, typer.Option("--registry", help="The registry file.", show_default="tenants.yaml", dir_okay=False)
]
TargetOption = Annotated[
    str | None, typer.Option("--target", help="Target to use in place of the registry's default.", show_default=False)
]
SHARED_NAMES = ("output", "yes", "registry", "target")
_SHARED: dict[str, Any] = {
    "output": OutputOption,
    "yes": YesOption,
    "registry": RegistryOption,
    "target": TargetOption,
}


@dataclass(slots=True)
class Shared:
    """Values of the shared options; None where one was not given."""

    output: Output | None = None
    yes: bool | None = None
    registry: Path | None = None
    target: str | None = None

    def over(self, other: "Shared") -> "Shared":
        """These values, and the other's where these are missing."""
        return Shared(
            **{
                f.name: getattr(self, f.name) if getattr(self, f.name) is not None else getattr(other, f.name)
                for f in fields(self)
            }
        )


class Session:
    """One run of one command: its shared options and, made on first use, the house."""

    def __init__(self, shared: Shared) -> None:
        self.output = shared.output or Output.TABLE
        self.yes = bool(shared.yes)
        self.settings = Settings.read(registry=shared.registry, target=shared.target)
        self._app: App | None = None

    @property
    def app(self) -> "App":
        """The house of this command."""
        if self._app is None:
            from provisioner.app import App

            self._app = App(self.settings)
        return self._app

    def log_folder(self) -> Path:
        """Where tracebacks go."""
        return self.settings.folder("log")


def command(group: typer.Typer, name: str, **extra: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function `(session, ...) -> result` as a command of `group`."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        shared = [
            inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=a) for n, a in _SHARED.items()
        ]
        context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]

        @wraps(function)
        def run(ctx: typer.Context, **words: Any) -> None:
            after = Shared(**{n: words.pop(n) for n in _SHARED})
            before = ctx.find_root().obj
            session = Session(after.over(before if isinstance(before, Shared) else Shared()))
            with boundary(session.log_folder):
                _finish(session, function(session, **words))

        run.__signature__ = inspect.Signature([context, *keyword, *shared])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in [context, *keyword, *shared]}
        group.command(name, **extra)(run)
        return function

    return register


def _finish(session: Session, result: Any) -> None:
    if result is None:
        return
    from provisioner.cli.render import render

    render(result, session.output)
    code = int(getattr(result, "exit_code", 0))
    if code:
        raise typer.Exit(code)
