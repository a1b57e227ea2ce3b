"""`provision doctor`."""

import typer

from provisioner.cli.framework import Session, command


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    command(app, "doctor")(doctor)


def doctor(session: Session) -> object:
    """Check Python, disk, ledger, registry and the target, each with its remedy. Exit 1 where something is wrong."""
    from provisioner.cli.results import Table
    from provisioner.ops.doctor import examine

    findings = examine(session.app, session.settings.home, session.settings.target)
    signs = {True: "ok", False: "bad", None: "unknown"}
    rows = [{"check": f.what, "is": signs[f.ok], "detail": f.detail, "remedy": f.remedy} for f in findings]
    return Table(["check", "is", "detail", "remedy"], rows, exit_code=int(any(f.ok is False for f in findings)))
