"""Scripts that run on a tenant's machine, rendered from templates. They hold names and ARNs, never a secret."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Login:
    """How a script on a machine logs into a database: the secret's ARN, and where the database listens."""

    secret: str
    host: str
    port: int

    @staticmethod
    def product(outputs: StackOutputs) -> "Login":
        """As the product, in the database that serves."""
        return Login(outputs.product_secret_arn, outputs.database_address, outputs.database_port)

    @staticmethod
    def master(outputs: StackOutputs, suffix: str | None = None) -> "Login":
        """As the master, in the database that serves or in the one with this suffix."""
        if suffix is None:
            return Login(outputs.master_secret_arn, outputs.database_address, outputs.database_port)
        found = outputs.databases[suffix]
        return Login(found["master_secret_arn"], found["address"], int(found["port"]))


def login_script(name: str, login: Login, **words: str | int | bool) -> str:
    """One of the scripts that work in a database: sentinel, verify, fence, export."""
    values: dict[str, Any] = {**asdict(login), **words}
    return _environment().get_template(f"{name}.sh.j2").render(values)


def probe_script(seconds: int) -> str:
    """The script that asks the product on its own machine how it is, until it is well or the time is over."""
    return _environment().get_template("probe.sh.j2").render(seconds=seconds)


def gate_script(warm_up: int, samples: int, seconds: int) -> str:
    """The script that asks the product on its own machine `samples` times over `seconds`, when it has been well once or
    `warm_up` seconds are over."""
    return _environment().get_template("gate.sh.j2").render(warm_up=warm_up, samples=samples, seconds=seconds)


def export_readme(manifest: Mapping[str, Any]) -> str:
    """What an export says about itself to the customer."""
    return _environment().get_template("export-readme.md.j2").render(manifest)
