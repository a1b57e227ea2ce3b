"""How a command is made: it takes a `Session` and its own words, and returns a result. The options that all commands
share are added here, so that they are taken before or after the command."""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provisioner.cli.boundary import boundary, complain
from provisioner.model.errors import UsageError
from provisioner.settings import Settings

if TYPE_CHECKING:
    from provisioner.app import App


class Output(StrEnum):
    """How results are printed on stdout."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    MARKDOWN = "markdown"


class EngineName(StrEnum):
    """Engines that can be asked for."""

    EMBEDDED = "embedded"
    PULUMI = "pulumi"


OutputOption = Annotated[
    Output | None,
    typer.Option("--output", "-o", help="How results are printed (markdown: rollout plan).", show_default="table"),
]
YesOption = Annotated[bool | None, typer.Option("--yes", "-y", help="Don't ask before changing anything.")]
RegistryOption = Annotated[
    Path | None, typer.Option("--registry", help="The registry file.", show_default="tenants.yaml", dir_okay=False)
]
TargetOption = Annotated[
    str | None,
    typer.Option(
        "--target", help="Target to use in place of the registry's default; only its tenants.", show_default=False
    ),
]
EngineOption = Annotated[
    EngineName | None,
    typer.Option("--engine", help="What runs the Pulumi program.", show_default="what fits the target"),
]
_NAMING = ("tenant_id", "ids", "tenant", "into")
SHARED_NAMES = ("output", "yes", "registry", "target", "engine")
_SHARED: dict[str, Any] = {
    "output": OutputOption,
    "yes": YesOption,
    "registry": RegistryOption,
    "target": TargetOption,
    "engine": EngineOption,
}


_SELECTING: dict[str, Any] = {
    "tenant": Annotated[list[str] | None, typer.Option("--tenant", help="Select by id.", show_default=False)],
    "ring": Annotated[list[int] | None, typer.Option("--ring", help="Select by ring, 0 to 3.", show_default=False)],
    "tier": Annotated[list[str] | None, typer.Option("--tier", help="Select by tier.", show_default=False)],
    "region": Annotated[list[str] | None, typer.Option("--region", help="Select by region.", show_default=False)],
    "organization": Annotated[
        list[str] | None, typer.Option("--organization", help="Select by organization.", show_default=False)
    ],
    "label": Annotated[
        list[str] | None, typer.Option("--label", help="Select by label: key or key=value.", show_default=False)
    ],
    "every": Annotated[bool, typer.Option("--all", help="Select all tenants.")],
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Words that select tenants, the same for every command. None where one was not given."""

    tenant: list[str] | None = None
    ring: list[int] | None = None
    tier: list[str] | None = None
    region: list[str] | None = None
    organization: list[str] | None = None
    label: list[str] | None = None
    every: bool = False


@dataclass(slots=True)
class Shared:
    """Values of the shared options; None where one was not given."""

    output: Output | None = None
    yes: bool | None = None
    registry: Path | None = None
    target: str | None = None
    engine: EngineName | None = None

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
        self.settings = Settings.read(registry=shared.registry, target=shared.target, engine=shared.engine)
        self._app: App | None = None

    @property
    def app(self) -> "App":
        """The house of this command."""
        if self._app is None:
            from provisioner.app import App

            self._app = App(self.settings)
        return self._app

    def check_named(self, tenant_ids: Collection[str]) -> None:
        """Whatever names a tenant works with the ledger that the tenant is in; see `App.check_named`."""
        if tenant_ids:
            self.app.check_named(tenant_ids)

    def log_folder(self) -> Path:
        """Where tracebacks go."""
        return self.settings.folder("log")


def command(
    group: typer.Typer, name: str, *, selecting: bool = False, markdown: bool = False, **extra: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function `(session, ...) -> result` as a command of `group`.

    With `selecting` it takes the words that select tenants too, and gets them as its argument `selection`. Without
    `markdown` it has no such form, and refuses it before it does anything.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        parameters = [
            inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
            *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own if p.name != "selection"),
            *(_added(n, a, False if n == "every" else None) for n, a in _SELECTING.items() if selecting),
            *(_added(n, a, None) for n, a in _SHARED.items()),
        ]

        @wraps(function)
        def run(ctx: typer.Context, **words: Any) -> None:
            after = Shared(**{n: words.pop(n) for n in _SHARED})
            before = ctx.find_root().obj
            if selecting:
                words["selection"] = Selection(**{n: words.pop(n) for n in _SELECTING})
            session = Session(after.over(before if isinstance(before, Shared) else Shared()))
            with boundary(session.log_folder):
                if session.output is Output.MARKDOWN and not markdown:
                    said = f"{ctx.command_path} has no Markdown form; nothing was done"
                    raise UsageError(said, hint="--output table, json or yaml")
                session.check_named(_named(words))
                _finish(session, function(session, **words))

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        group.command(name, **extra)(run)
        return function

    return register


def _named(words: Mapping[str, Any]) -> list[str]:
    """The tenants that a command's words name."""
    selection = words.get("selection")
    values = [words.get(name) for name in _NAMING] + [selection.tenant if selection else None]
    return [one for value in values for one in ([value] if isinstance(value, str) else value or ())]


def _added(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _finish(session: Session, result: Any) -> None:
    if result is None:
        return
    from provisioner.cli.render import render

    render(result, session.output)
    failure = getattr(result, "failure", None)
    if failure is not None:
        complain(failure)
    code = int(getattr(result, "exit_code", 0))
    if code:
        raise typer.Exit(code)
