"""Commands on the sandbox."""

from typing import Annotated

import typer

from provisioner.cli.framework import Session, command


def register(app: typer.Typer) -> None:
    """Add the group to the root."""
    group = typer.Typer(help="The embedded cloud: start, stop, look, break.", no_args_is_help=True)
    app.add_typer(group, name="sandbox")
    command(group, "start")(start)
    command(group, "stop")(stop)
    command(group, "status")(status)
    command(group, "reset")(reset)
    command(group, "logs")(logs)
    command(group, "env")(env)
    faults = typer.Typer(help="Faults at the wire, by rule.", no_args_is_help=True)
    group.add_typer(faults, name="fault")
    command(faults, "add")(fault_add)
    command(faults, "list")(fault_list)
    command(faults, "clear")(fault_clear)


def start(session: Session) -> object:
    """Start the daemon, if it isn't running."""
    from provisioner.cli.results import Text

    info = session.app.sandbox.ensure_running()
    return Text(f"the sandbox runs (process {info.pid}): {info.endpoint_url}", {"endpoint_url": info.endpoint_url})


def stop(session: Session) -> object:
    """Stop the daemon with all machines and databases; their data stays."""
    from provisioner.cli.results import Text

    session.app.sandbox.stop()
    return Text("the sandbox is stopped; its data stays", {"running": False})


def status(session: Session) -> object:
    """Show the daemon, what it runs, and what it does not enforce."""
    from provisioner.cli.sandbox_view import SandboxStatus

    return SandboxStatus.of(session.app.sandbox)


def reset(session: Session) -> object:
    """Stop the sandbox and delete all that is in it, data too."""
    from provisioner.cli.ask import confirm
    from provisioner.cli.results import Text

    confirm("Delete every machine, database and file of the sandbox?", yes=session.yes)
    session.app.sandbox.reset()
    return Text("the sandbox is empty", {"running": False})


def logs(
    session: Session,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many lines from the end.")] = 50,
) -> object:
    """Show the end of the daemon's log."""
    from provisioner.cli.results import Text

    words = session.app.sandbox.logs(lines)
    return Text(words, {"log": words.splitlines()})


def env(session: Session) -> object:
    """Print the environment for any AWS client, as in: eval "$(provision sandbox env)"."""
    from provisioner.cli.sandbox_view import environment

    return environment(session.app.sandbox.ensure_running())


def fault_add(
    session: Session,
    kind: Annotated[str, typer.Argument(help="throttle, error, no-capacity, lost-reply, reset, hang or latency.")],
    service: Annotated[str | None, typer.Option("--service", help="As in ec2, rds, ssm.", show_default="any")] = None,
    operation: Annotated[
        str | None, typer.Option("--operation", help="Regular expression, as in RunInstances.", show_default="any")
    ] = None,
    body: Annotated[str | None, typer.Option("--match", help="Text in the request.", show_default="any")] = None,
    first: Annotated[int, typer.Option("--from", min=1, help="First match that is hit.")] = 1,
    last: Annotated[int | None, typer.Option("--to", min=1, help="Last match.", show_default="all")] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", min=0, help="Of a hang or latency.")] = None,
) -> object:
    """Add a rule; requests that match it fail in the given way."""
    from provisioner.cli.results import Text
    from provisioner.cli.sandbox_view import rule

    number = session.app.sandbox.add_fault(rule(kind, service, operation, body, first, last, seconds))
    return Text(f"rule {number} is on", {"id": number})


def fault_list(session: Session) -> object:
    """List the rules and how often each was hit."""
    from provisioner.cli.sandbox_view import fault_table

    return fault_table(session.app.sandbox.faults())


def fault_clear(session: Session) -> object:
    """Remove all rules."""
    from provisioner.cli.results import Text

    session.app.sandbox.clear_faults()
    return Text("no rules are left", {"rules": 0})
