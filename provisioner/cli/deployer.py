"""`provision deployer`: the IAM documents of a target on AWS."""

from enum import StrEnum
from typing import Annotated

import typer

from provisioner.cli.framework import Session, command
from provisioner.model.tenant import Target


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


Own = Annotated[
    str | None,
    typer.Option("--tenant", help="Of the account and role that this tenant has of its own.", metavar="ID"),
]


def policy(
    session: Session,
    part: Annotated[
        Part | None,
        typer.Option(
            "--part", help=f"Only this document: {', '.join(Part)}.", metavar="PART", show_default="all, by name"
        ),
    ] = None,
    own: Own = None,
) -> object:
    """What the deployer's role may do: least privilege, inside one tenant at a time."""
    from provisioner.cli.results import Document
    from provisioner.model.deployer import policies

    found = policies(_target(session, own))
    return Document(found[part] if part else found)


def boundary(session: Session, own: Own = None) -> object:
    """The most that any role of a tenant may ever do; name it provision-boundary."""
    from provisioner.cli.results import Document
    from provisioner.model.deployer import boundary as document

    return Document(document(_target(session, own)))


def trust(
    session: Session,
    principal: Annotated[str, typer.Argument(help="ARN of the user or role that runs provision.", metavar="PRINCIPAL")],
    own: Own = None,
) -> object:
    """Who may become the deployer's role, for one tenant at a time."""
    from provisioner.cli.results import Document
    from provisioner.model.deployer import trust as document

    return Document(document(_target(session, own), principal))


def caller(session: Session, own: Own = None) -> object:
    """What whoever runs provision needs: to become the deployer, and the stacks' state with its key.

    Roles that tenants of the target have of their own are in it. With `--tenant` it is that one's role alone.
    """
    from provisioner.cli.results import Document
    from provisioner.model.deployer import become
    from provisioner.model.deployer import caller as document

    if own is not None:
        return Document(become(_target(session, own)))
    target = session.app.target()
    views = (t.target for t in session.app.registry().load().tenants())
    roles = {v.role for v in views if v.name == target.name and v.role} - {target.role}
    return Document(document(target, sorted(roles)))


def _target(session: Session, tenant_id: str | None) -> Target:
    """The target, or a tenant's own view of it."""
    return session.app.registry().load().tenant(tenant_id).target if tenant_id else session.app.target()
