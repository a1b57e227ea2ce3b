"""Scripts that run on a tenant's machine, rendered from templates. They hold names and ARNs, never a secret."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from provisioner.model.stack import StackOutputs

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"


@cache
def _environment() -> Environment:
    # Shell scripts, not HTML: what is inserted are ARNs and names that were checked, and each is quoted in its place.
    return Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True)  # noqa: S701


def bootstrap_script(outputs: StackOutputs) -> str:
    """The script that makes the product's own role and schema."""
    sql = (
        _environment()
        .get_template("bootstrap.sql.j2")
        .render(user=outputs.database_user, database=outputs.database_name)
    )
    return (
        _environment()
        .get_template("bootstrap.sh.j2")
        .render(master_secret_arn=outputs.master_secret_arn, user=outputs.database_user, sql=sql)
    )


def migrate_script() -> str:
    """The script that runs the release's migration."""
    return _environment().get_template("migrate.sh.j2").render()
