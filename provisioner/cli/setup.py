"""`provision setup`."""

import typer

from provisioner.cli.framework import Session, command


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    command(app, "setup")(setup)


def setup(session: Session) -> object:
    """Find or install what targets on AWS need: the Pulumi CLI and its aws plugin. The sandbox needs neither."""
    from provisioner.cli.results import Table
    from provisioner.ops.setup import prepare

    done = prepare(session.app.tools)
    rows = [
        {
            "tool": p.tool.name,
            "version": p.tool.version,
            "is": "there already" if p.found else "installed",
            "path": p.tool.path,
        }
        for p in done
    ]
    return Table(["tool", "version", "is", "path"], rows)
