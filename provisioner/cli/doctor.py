"""`provision doctor`."""

import typer

from provisioner.cli.framework import Session, command


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    command(app, "doctor")(doctor)


def doctor(session: Session) -> object:
    """Can the target be used from here? Python, disk, registry, ledger, CLI, plugin, credentials, state, clock,
    permissions and quotas, each with its remedy. Exit 0 only where it can, 5 where only credentials are missing."""
    from provisioner.cli.results import Table
    from provisioner.ops.doctor import examine, verdict

    findings = examine(session.app, session.settings.home, session.settings.target)
    signs = {True: "ok", False: "bad", None: "unknown"}
    rows = [{"check": f.what, "is": signs[f.ok], "detail": f.detail, "remedy": f.remedy} for f in findings]
    return Table(["check", "is", "detail", "remedy"], rows, exit_code=int(verdict(findings)))
