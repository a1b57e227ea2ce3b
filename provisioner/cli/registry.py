"""Commands on the registry file. None of them calls a cloud."""

from pathlib import Path
from typing import Annotated

import typer

from provisioner.cli.framework import Session, command


def register(app: typer.Typer) -> None:
    """Add the group to the root."""
    group = typer.Typer(help="Check, describe and format the registry file.", no_args_is_help=True)
    app.add_typer(group, name="registry")
    command(group, "validate")(validate)
    command(group, "schema")(schema)
    command(group, "format")(format_)
    command(group, "policies")(policies)


def validate(session: Session) -> object:
    """Check the file; all problems at once, each with its line, column and path."""
    from provisioner.cli.results import Text

    loaded = session.app.registry().load()
    warnings = [str(w) for w in loaded.warnings]
    count = len(loaded.tenant_ids())
    words = "\n".join([*warnings, f"{loaded.path} is valid: {count} tenant(s), {len(warnings)} warning(s)"])
    return Text(words, {"path": str(loaded.path), "valid": True, "tenants": count, "warnings": warnings})


def schema(
    session: Session,
    write: Annotated[Path | None, typer.Option("--write", help="Write it to this file.", show_default=False)] = None,
) -> object:
    """Print the JSON schema for editors."""
    import json

    from provisioner import registry
    from provisioner.cli.results import Text
    from provisioner.ops.places import written

    del session
    text = registry.schema_text()
    if write is not None:
        with written(write):
            write.write_text(text)
        return Text(f"{write} is written", {"path": str(write)})
    return Text(text, json.loads(text))


def format_(
    session: Session,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if it would change.")] = False,
) -> object:
    """Bring the file into canonical order and indentation; comments stay."""
    from provisioner import registry
    from provisioner.cli.results import Text

    path = session.settings.registry
    changed = registry.format_file(path, check=check)
    words = f"{path} {('would be changed' if check else 'is formatted') if changed else 'is as it should be'}"
    return Text(words, {"path": str(path), "changed": changed}, exit_code=int(changed and check))


def policies(session: Session) -> object:
    """List the fields and what a change of each means: live, restart, replace or forbidden."""
    from dataclasses import asdict

    from provisioner import registry
    from provisioner.cli.results import Table

    del session
    return Table(["field", "policy", "reason", "action"], [asdict(p) for p in registry.update_policies()])
