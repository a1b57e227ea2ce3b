"""`provision`: the root command."""

import os
import sys
from typing import Annotated

import typer

from provisioner import __version__
from provisioner.cli import (
    backup,
    bundle,
    deployer,
    doctor,
    drift,
    drill,
    fleet,
    forecasting,
    life,
    metrics,
    operations,
    patch,
    registry,
    resize,
    rollout,
    sandbox,
    setup,
    tenants,
    worker,
)
from provisioner.cli.framework import EngineOption, OutputOption, RegistryOption, Shared, TargetOption, YesOption

app = typer.Typer(
    name="provision",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"provision {__version__}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    output: OutputOption = None,
    yes: YesOption = None,
    registry_file: RegistryOption = None,
    target: TargetOption = None,
    engine: EngineOption = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """One VM, one PostgreSQL database and one network for each customer: made, changed and ended by command."""
    del version
    ctx.obj = Shared(output, yes, registry_file, target, engine)


tenants.register(app)
drift.register(app)
fleet.register(app)
life.register(app)
metrics.register(app)
resize.register(app)
backup.register(app)
drill.register(app)
forecasting.register(app)
bundle.register(app)
rollout.register(app)
patch.register(app)
worker.register(app)
operations.register(app)
registry.register(app)
sandbox.register(app)
doctor.register(app)
setup.register(app)
deployer.register(app)


def main() -> None:
    """Run the command line and end the process with its exit code.

    The process ends at once: what is worth keeping is durable by now, and waiting for DBOS's idle threads would cost
    every command a second.
    """
    code: int | str | None = 0
    try:
        app()
    except SystemExit as exit_:
        code = exit_.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    main()
