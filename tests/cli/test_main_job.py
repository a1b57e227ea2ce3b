"""The main job, with the real command on a real sandbox: from an id to a URL, and back."""

import json
import time
from pathlib import Path

import psycopg
import pytest

from tests.installation import Installation, get, post

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def installation(whole: Installation) -> Installation:
    """Its commands are whole processes, as a user's are."""
    return whole


@pytest.fixture(scope="module")
def acme(installation: Installation) -> Installation:
    installation.ok("new-tenant", "acme", "--tier", "trial", "--label", "industry=health")
    return installation


def master(installation: Installation, tenant: str) -> psycopg.Connection[tuple[object, ...]]:
    """A connection of the database's master, with TLS as a client would have it."""
    database = installation.show(tenant)["database"]
    described = installation.client("rds").describe_db_instances(DBInstanceIdentifier=database["id"])["DBInstances"][0]
    secret = installation.client("secretsmanager").get_secret_value(SecretId=described["MasterUserSecret"]["SecretArn"])
    keys = json.loads(secret["SecretString"])
    return psycopg.connect(
        host=database["address"],
        port=database["port"],
        dbname="product",
        user=keys["username"],
        password=keys["password"],
        sslmode="verify-full",
        sslrootcert=installation.control.ensure_running().ca_file,
    )


def notes(installation: Installation, tenant: str) -> list[object]:
    """The notes in a tenant's own PostgreSQL, read beside the product."""
    with master(installation, tenant) as connection:
        return [row[0] for row in connection.execute("SELECT body FROM product.notes ORDER BY id")]


def test_new_tenant_ends_with_a_url_that_serves_the_right_release(acme: Installation) -> None:
    shown = acme.show("acme")
    assert shown["state"] == "active"
    assert shown["health"]["status"] == "healthy"
    assert shown["release"]["desired"] == shown["release"]["assigned"] == shown["release"]["observed"]
    assert shown["tier"] == "trial"
    assert shown["machine"]["id"].startswith("i-")
    assert shown["stack"]["name"] == "acme"
    assert shown["stack"]["resources"] > 40
    health = get(shown["url"] + "/healthz")
    assert (health["status"], health["tenant"]) == ("ok", "acme")


def test_there_is_exactly_one_of_everything(acme: Installation) -> None:
    census = acme.census("acme")
    assert census == {**census, "machines": 1, "databases": 1, "vpcs": 1, "subnets": 4, "buckets": 1, "keys": 1}
    assert census["addresses"] == 1


def test_a_complete_tenant_is_exit_2_with_what_to_run_instead(acme: Installation) -> None:
    answer = acme.run("new-tenant", "acme")
    assert answer.code == 2
    assert "tenant acme exists already (active)" in answer.stderr
    assert "provision show acme" in answer.stderr
    assert answer.stdout == ""


def test_the_products_role_is_no_superuser_and_owns_its_schema(acme: Installation) -> None:
    with master(acme, "acme") as connection:
        row = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles"
            " WHERE rolname = 'product'"
        ).fetchone()
        owner = connection.execute(
            "SELECT tableowner FROM pg_tables WHERE schemaname = 'product' AND tablename = 'notes'"
        ).fetchone()
    assert row == (False,) * 5
    assert owner == ("product",)


def test_notes_are_the_tenants_own_and_survive_a_restart_of_the_sandbox(acme: Installation) -> None:
    acme.ok("new-tenant", "beta", "--tier", "trial")
    url = acme.show("acme")["url"]
    post(url + "/notes", {"body": "only acme's"})
    assert notes(acme, "acme") == ["only acme's"]
    assert notes(acme, "beta") == []

    acme.ok("sandbox", "stop")
    assert acme.show("acme")["health"]["status"] == "unreachable"
    acme.ok("sandbox", "start")

    assert acme.show("acme")["url"] == url, "the address stays"
    wait_healthy(acme, "acme")
    assert notes(acme, "acme") == ["only acme's"]
    assert "only acme's" in json.dumps(get(url + "/notes"))


def wait_healthy(installation: Installation, tenant: str) -> None:
    """The product comes back by itself."""
    deadline = time.monotonic() + 60
    while (health := installation.show(tenant)["health"])["status"] != "healthy":
        assert time.monotonic() < deadline, health
        time.sleep(0.3)


def test_offboard_asks_for_the_id_and_leaves_nothing_but_the_last_point(acme: Installation) -> None:
    acme.ok("new-tenant", "gone", "--tier", "trial")
    before = acme.registry.read_text()
    folder = str(acme.home.parent / "gone-export")
    wrong = acme.run("offboard", "gone", "--now", "--export", folder, stdin="acme\n")
    assert wrong.code == 2
    assert acme.registry.read_text() == before
    assert acme.show("gone")["state"] == "active"

    acme.ok("offboard", "gone", "--now", "--export", folder, stdin="gone\n")
    census = acme.census("gone")
    assert census == {**dict.fromkeys(census, 0), "keys": 1}, "the key of the last recovery point"
    assert [p["kind"] for p in acme.ok("backup", "list", "gone", "-o", "json").json] == ["final"]
    assert acme.ok("certificate", "gone", "-o", "json").json["left"] == 0
    assert "gone:" not in acme.registry.read_text()
    assert acme.census("acme")["machines"] == 1, "its neighbours are untouched"


def test_detached_it_goes_on_by_itself(acme: Installation) -> None:
    made = acme.ok("new-tenant", "later", "--tier", "trial", "--detach", "-o", "json").json
    assert made["state"] == "running"
    operation = ["operations", "show", made["operation"], "-o", "json"]
    deadline = time.monotonic() + 120
    while (status := acme.ok(*operation).json["status"]) in ("queued", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert status == "succeeded", (acme.home / "log" / f"{made['operation']}.log").read_text()
    assert acme.show("later")["state"] == "active"


def test_output_in_a_pipe_is_data_only(acme: Installation) -> None:
    listed = acme.ok("list", "--output", "json")
    assert {t["id"] for t in listed.json} >= {"acme", "beta"}
    assert listed.stderr == ""
    assert acme.ok("--output", "json", "list").stdout == listed.stdout, "options before the command are the same"
    table = acme.ok("list").stdout.splitlines()
    assert table[0].split()[:3] == ["ID", "STATE", "TIER"]


def test_selectors_narrow_the_list(acme: Installation) -> None:
    assert [t["id"] for t in acme.ok("list", "--label", "industry=health", "-o", "json").json] == ["acme"]
    unknown = acme.run("list", "--tenant", "acne")
    assert unknown.code == 2
    assert "acme" in unknown.stderr, "a near miss is suggested"


def test_files_with_secrets_are_private(acme: Installation) -> None:
    for name in ("passphrase", "ledger.db", "sandbox/daemon.json"):
        path: Path = acme.home / name
        if path.exists():
            assert path.stat().st_mode & 0o077 == 0, name
