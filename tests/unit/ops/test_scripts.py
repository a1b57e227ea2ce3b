"""Scripts of a machine, run here: `aws`, `psql` and `pg_amcheck` are small programs that say what tests want."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from provisioner.ops.checks import Expected, database_checks
from provisioner.ops.converge import stack_outputs
from provisioner.ops.scripts import Login, bootstrap_script, login_script
from tests.unit.ops.fakes import OUTPUTS

DENIED = "An error occurred (AccessDeniedException) when calling the GetSecretValue operation: not authorized"
SSM_LIMIT = 24_000


class Machine:
    """A machine whose programs are scripts in `bin`, and whose time passes only by `sleep`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "bin").mkdir()
        (root / "slept").touch()
        self.program("date", f"echo $((1000 + $(wc -c < {root}/slept)))")
        self.program("sleep", f"head -c $1 /dev/zero >> {root}/slept")
        self.program("psql", "cat > /dev/null")
        self.secret("")

    def program(self, name: str, text: str) -> None:
        """Install one."""
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def secret(self, error: str, until: int = 0) -> None:
        """`aws` fails with `error` until that moment, and then gives the secret."""
        self.program(
            "aws",
            f"""echo asked >> {self.root}/asked
if [ "$(date)" -lt {until} ]; then echo "{error}" >&2; exit 254; fi
echo '{{"username": "provision", "password": "hidden-word"}}'""",
        )

    @property
    def slept(self) -> int:
        """For how many seconds."""
        return (self.root / "slept").stat().st_size

    @property
    def asked(self) -> int:
        """How often the secret was asked for."""
        return len((self.root / "asked").read_text().split())

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script as the SSM agent does."""
        told = {"TENANT": "acme", "AWS_REGION": "eu-west-1", "DATABASE_SECRET": "arn:product"}
        told |= {"DATABASE_HOST": "h", "DATABASE_PORT": "5432", "DATABASE_NAME": "product"}
        told |= {"PATH": f"{self.root / 'bin'}:{os.environ['PATH']}", "TMPDIR": str(self.root)}
        return subprocess.run(
            ["/bin/sh", "-c", script], env=told, capture_output=True, text=True, timeout=60, check=False
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def scripts() -> list[str]:
    login = Login("arn:secret", "h", 5432)
    return [login_script("fence", login, user="product", closed=True), bootstrap_script(stack_outputs(OUTPUTS))]


@pytest.mark.parametrize("script", scripts(), ids=["login", "bootstrap"])
def test_a_permission_that_does_not_hold_yet_is_waited_for(machine: Machine, script: str) -> None:
    machine.secret(DENIED, until=1030)
    done = machine.run(script)
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.asked > 2
    assert "hidden-word" not in done.stdout


@pytest.mark.parametrize("script", scripts(), ids=["login", "bootstrap"])
def test_one_that_never_holds_ends_after_a_minute(machine: Machine, script: str) -> None:
    machine.secret(DENIED, until=9999)
    done = machine.run(script)
    assert done.returncode != 0
    assert DENIED in done.stderr
    assert 60 <= machine.slept < 70


@pytest.mark.parametrize("script", scripts(), ids=["login", "bootstrap"])
def test_nothing_else_is_waited_for(machine: Machine, script: str) -> None:
    machine.secret("An error occurred (ResourceNotFoundException)", until=9999)
    done = machine.run(script)
    assert done.returncode != 0
    assert "ResourceNotFoundException" in done.stderr
    assert machine.slept == 0


def verified(machine: Machine, *, tables: int, amcheck: str = "true") -> Any:
    """What `verify` says about a database with so many tables."""
    machine.program("pg_amcheck", amcheck)
    (machine.root / "rows").write_text("".join(f'["table_of_some_length_{n}", {n}]\n' for n in range(tables)))
    machine.program(
        "psql",
        f"""asked=$(cat)
case "$asked" in
*sentinel*) echo '{json.dumps({"tenant": "acme", "schema_version": 1, "written_at": "2026-11-22T12:00:00+00:00"})}' ;;
*gexec*) cat {machine.root}/rows ;;
*) echo '{json.dumps({"tls": "TLSv1.3", "server_version": "17.10"})}' ;;
esac""",
    )
    done = machine.run(login_script("verify", Login("arn:secret", "h", 5432), schema="product"))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) < SSM_LIMIT
    return json.loads(done.stdout)


def test_a_product_with_few_tables_is_told_whole(machine: Machine) -> None:
    seen = verified(machine, tables=3)
    assert seen["rows"]["value"] == {f"table_of_some_length_{n}": n for n in (2, 1, 0)}
    assert all(c.ok for c in database_checks(seen, Expected("acme", 1, "17")))


def test_the_answer_about_thousands_of_tables_fits(machine: Machine) -> None:
    noise = "yes 'heap table \"x\", block 0: \u00e4\u00e4' | head -5000; exit 2"
    seen = verified(machine, tables=5000, amcheck=noise)
    listed, others = seen["rows"]["value"], seen["rows"]["unlisted"]
    assert list(listed.values()) == list(range(4999, 4999 - len(listed), -1)), "the largest"
    assert len(listed) + others["tables"] == 5000
    assert sum(listed.values()) + others["rows"] == sum(range(5000))
    rows = {c.name: c for c in database_checks(seen, Expected("acme", 1, "17"))}["rows"]
    assert rows.detail.startswith(f"{sum(range(5000))} rows in 5000 tables, of which the {len(listed)} largest")
