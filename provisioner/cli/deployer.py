"""`provision deployer`: the IAM documents of a target on AWS."""

from enum import StrEnum
from typing import Annotated

import typer

from provisioner.cli.framework import Session, command


class Part(StrEnum):
    """Parts of the deployer's policy; a managed policy has a limit of 6,144 characters."""

    NETWORK = "network"
    DATA = "data"
    DATABASES = "databases"
    IDENTITY = "identity"
    FRONT = "front"
    WATCH = "watch"


def register(app: typer.Typer) -> None:
    """Add the group to the root."""
    group = typer.Typer(
        name="deployer", no_args_is_help=True, help="IAM documents for an account: who deploys, and within what bounds."
    )
    app.add_typer(group)
    command(group, "policy")(policy)
    command(group, "boundary")(boundary)
    command(group, "trust")(trust)
    command(group, "caller")(caller)


def policy(
    session: Session,
    part: Annotated[
        Part | None,
        typer.Option(
            "--part", help=f"Only this document: {', '.join(Part)}.", metavar="PART", show_default="all, by name"
        ),
    ] = None,
) -> object:
    """What the deployer's role may do: least privilege, inside one tenant at a time."""
    from provisioner.cli.results import Document
    from provisioner.model.deployer import policies

    found = policies(session.app.target())
    return Document(found[part] if part else found)


def boundary(session: Session) -> object:
    """The most that any role of a tenant may ever do; name it provision-boundary."""
    from provisioner.cli.results import Document
    from provisioner.model.deployer import boundary as document

    return Document(document(session.app.target()))


def trust(
    session: Session,
    principal: Annotated[str, typer.Argument(help="ARN of the user or role that runs provision.", metavar="PRINCIPAL")],
) -> object:
    """Who may become the deployer's role, for one tenant at a time."""
    from provisioner.cli.results import Document
    from provisioner.model.deployer import trust as document

    return Document(document(session.app.target(), principal))


def caller(session: Session) -> object:
    """What whoever runs provision needs: to become the deployer, and the stacks' state with its key."""
    from provisioner.cli.results import Document
    from provisioner.model.deployer import caller as document

    return Document(document(session.app.target()))
