"""No secret in any output, log, ledger, workflow table, state or process list: the real values are searched for."""

import json
from pathlib import Path

import pytest

from tests.installation import Answer, Installation

pytestmark = [pytest.mark.sandbox, pytest.mark.faults]

# Where a secret may lie: the cloud's own memory, the databases' own files, and the machine's password file (0600).
OWN_PLACES = ("sandbox/state.bin", "sandbox/databases/", "sandbox/machines/")


def values(installation: Installation) -> dict[str, str]:
    """Every real secret: passwords of masters and products, and the passphrase."""
    manager = installation.client("secretsmanager")
    found = (
        {"passphrase": (installation.home / "passphrase").read_text()}
        if (installation.home / "passphrase").exists()
        else {}
    )
    filled = (s for s in manager.list_secrets()["SecretList"] if s.get("SecretVersionsToStages"))
    for secret in filled:  # a tenant that failed before its bootstrap has an empty one
        value = json.loads(manager.get_secret_value(SecretId=secret["ARN"])["SecretString"])
        found[secret["Name"]] = value["password"]
    return found


def test_no_secret_is_anywhere_but_where_it_belongs(installation: Installation) -> None:
    answers: list[Answer] = []
    seen: set[str] = set()
    process = installation.start("new-tenant", "quiet", "--tier", "standard")
    while process.poll() is None:
        seen |= command_lines()
    answers.append(Answer(process.returncode, *process.communicate()))
    assert answers[0].code == 0, answers[0].stderr
    installation.ok("sandbox", "fault", "add", "no-capacity", "--service", "ec2", "--operation", "RunInstances")
    answers.append(installation.run("new-tenant", "loud", "--tier", "trial"))
    installation.ok("sandbox", "fault", "clear")
    operation = installation.ok("operations", "list", "-o", "json").json[0]["id"]
    for words in (
        ("show", "quiet", "-o", "json"),
        ("list", "-o", "yaml"),
        ("plan", "quiet", "--refresh", "-o", "json"),
        ("operations", "show", operation, "-o", "json"),
        ("operations", "journal", "-o", "json"),
        ("sandbox", "status", "-o", "json"),
        ("sandbox", "logs", "-n", "5000"),
        ("doctor",),
    ):
        answers.append(installation.run(*words))
        seen |= command_lines()

    secrets = values(installation)
    assert any(name.startswith("rds!") for name in secrets), "the master's password is among them"
    assert len(secrets) >= 2
    printed = "\n".join(a.stdout + a.stderr for a in answers)
    processes = "\n".join(seen)
    assert "postgres" in processes, "the process list was really read"
    for name, value in secrets.items():
        assert value not in printed, f"{name} was printed"
        assert value not in processes, f"{name} is in a process's arguments"
        assert files_with(installation.home, value, name) == [], name


def command_lines() -> set[str]:
    """Arguments of all processes, as any user can read them."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found


def files_with(home: Path, value: str, name: str) -> list[str]:
    """Files outside their own places that hold the value."""
    hits = []
    for path in home.rglob("*"):
        relative = str(path.relative_to(home))
        if not path.is_file() or path.is_symlink() or relative.startswith(OWN_PLACES):
            continue
        if relative == "passphrase" and name == "passphrase":
            continue
        if value.encode() in path.read_bytes():
            hits.append(relative)
    return hits


def test_what_may_hold_secrets_is_private(installation: Installation) -> None:
    for path in installation.home.rglob("*"):
        relative = str(path.relative_to(installation.home))
        if path.is_file() and relative.startswith(OWN_PLACES) and path.name in ("pgpass", "credentials", "state.bin"):
            assert path.stat().st_mode & 0o077 == 0, relative
