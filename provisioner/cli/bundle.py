"""`provision export-bundle`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provisioner.cli.framework import Session, command
from provisioner.model.errors import UsageError

if TYPE_CHECKING:
    from provisioner.cli.results import Table
    from provisioner.ops.bundle import Bundle


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    command(app, "export-bundle")(export_bundle)


def export_bundle(
    session: Session,
    tenant_id: Annotated[
        str | None, typer.Argument(metavar="[TENANT]", help="Id of the tenant, whose data goes along.")
    ] = None,
    release: Annotated[
        str | None, typer.Option("--release", help="A release alone, without data.", show_default=False)
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            help="Where: a tar if it ends in .tar.gz or .tgz, else a folder.",
            show_default="./NAME-RELEASE-bundle.tar.gz",
        ),
    ] = None,
    wheels: Annotated[
        Path | None,
        typer.Option("--wheels", help="Folder of Python wheels that go along.", show_default=False, file_okay=False),
    ] = None,
) -> object:
    """Make what installs itself on a Linux machine with PostgreSQL: a tenant with its data, or a release alone."""
    from provisioner.cli.progress import progress
    from provisioner.ops.bundle import assigned_release, bundle_of_release, bundle_of_tenant, product_of

    if (tenant_id is None) == (release is None):
        raise UsageError(
            "a bundle is of one tenant, or of one release",
            hint="provision export-bundle TENANT, or provision export-bundle --release RELEASE",
        )
    if tenant_id is None:
        version = str(release)
        name = product_of(session.app, version)
        return _row(bundle_of_release(session.app, version, to or _default(name, version), wheels=wheels))
    version = assigned_release(session.app, tenant_id)
    with progress() as sink:
        return _row(bundle_of_tenant(session.app, tenant_id, to or _default(tenant_id, version), sink, wheels=wheels))


def _row(made: "Bundle") -> "Table":
    from provisioner.cli.results import Table

    return Table(
        ["bundle", "tenant", "product", "release", "schema", "files", "bytes", "sha256"],
        [
            {
                "bundle": str(made.path),
                "tenant": made.tenant,
                "product": made.product,
                "release": made.release,
                "schema": made.schema_version,
                "files": made.files,
                "bytes": made.size,
                "sha256": made.sha256,
            }
        ],
    )


def _default(name: str, version: str) -> Path:
    return Path(f"{name}-{version}-bundle.tar.gz")
