"""The sample product does what the contract (docs/product-contract.md) asks of any product."""

import http.client
import json
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.unit.notes.conftest import RELEASES, Cluster, Machine, wait_for

VERSIONS = ("1.0.0", "1.1.0")


@pytest.mark.parametrize(("release", "schema"), [("1.0.0", 1), ("1.1.0", 2)])
def test_migrate_twice_changes_nothing_the_second_time(machine: Machine, release: str, schema: int) -> None:
    runs = [machine.migrate(release) for _ in range(2)]
    assert [(r.returncode, r.stdout, r.stderr) for r in runs] == [(0, f"schema_version={schema}\n", "")] * 2


def test_migrations_that_run_together_take_turns(machine: Machine) -> None:
    with ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(machine.migrate, ["1.1.0"] * 4))
    assert [(r.returncode, r.stderr) for r in runs] == [(0, "")] * 4


def test_an_older_release_leaves_a_newer_schema_alone(machine: Machine) -> None:
    machine.migrate("1.1.0")
    assert machine.migrate("1.0.0").stdout == "schema_version=2\n"


def test_a_failed_migration_says_why_and_changes_nothing(machine: Machine, cluster: Cluster) -> None:
    machine.migrate("1.0.0")
    served = machine.serve("1.0.0")
    served.post(body="kept")
    cluster.execute(f"ALTER DATABASE {machine.database} SET default_transaction_read_only = on")
    failed = machine.migrate("1.1.0")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "read-only transaction" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert served.health()[1]["schema_version"] == 1


def test_notes_by_json_and_by_form_are_on_the_page(machine: Machine) -> None:
    machine.migrate("1.0.0")
    served = machine.serve("1.0.0")
    status, note = served.post(body="from a program")
    assert (status, note["body"]) == (201, "from a program")
    assert served.submit("/", body="from a browser") == 303
    assert [n["body"] for n in served.notes()] == ["from a browser", "from a program"]
    status, page = served.ask("/")
    assert status == 200
    assert page.index("from a browser") < page.index("from a program")
    assert "Notes of acme" in page
    assert "Release 1.0.0" in page


def test_the_page_escapes_what_people_write(machine: Machine) -> None:
    machine.migrate("1.1.0")
    served = machine.serve("1.1.0")
    served.post(body="""<script>alert("1 & 2")</script>'""")
    page = served.ask("/")[1]
    assert "<script" not in page
    assert "&lt;script&gt;alert(&quot;1 &amp; 2&quot;)&lt;/script&gt;&#x27;" in page


def test_healthz_has_the_words_of_the_contract(machine: Machine) -> None:
    machine.migrate("1.1.0")
    assert machine.serve("1.1.0").health() == (
        200,
        {
            "status": "ok",
            "tenant": "acme",
            "purpose": "production",
            "release": "1.1.0",
            "schema_version": 2,
            "detail": None,
        },
    )


@pytest.mark.parametrize("release", ["1.0.0", "1.1.0"])
def test_in_a_drill_it_says_so(machine: Machine, release: str) -> None:
    machine.environment["PURPOSE"] = "drill"
    machine.migrate(release)
    assert machine.serve(release).health()[1]["purpose"] == "drill"


def test_a_schema_older_than_the_release_is_unhealthy_until_it_is_migrated(machine: Machine) -> None:
    served = machine.serve("1.1.0")
    status, health = served.health()
    assert (status, health["status"], health["schema_version"]) == (503, "unhealthy", 0)
    assert health["detail"] == "the database has schema 0, this release needs 2"
    assert served.post(body="too early") == (503, {"error": "the database can't be used now, please try again"})
    machine.migrate("1.0.0")
    assert served.health()[1]["detail"] == "the database has schema 1, this release needs 2"
    machine.migrate("1.1.0")
    assert served.health()[0] == 200


def test_a_database_that_goes_away_is_reported_and_found_again(machine: Machine, cluster: Cluster) -> None:
    machine.migrate("1.0.0")
    served = machine.serve("1.0.0")
    served.post(body="before")
    cluster.stop()
    try:
        status, health = served.health()
        assert (status, health["status"], health["schema_version"]) == (503, "unhealthy", None)
        assert "Connection refused" in health["detail"]
        status, page = served.ask("/")
        assert status == 503
        assert "please try again" in page
    finally:
        cluster.start()
    assert served.health()[0] == 200
    assert served.post(body="after")[0] == 201
    assert [n["body"] for n in served.notes()] == ["after", "before"]


def test_the_old_release_works_on_the_new_schema(machine: Machine) -> None:
    machine.migrate("1.0.0")
    old = machine.serve("1.0.0")
    old.post(body="under schema 1")
    machine.migrate("1.1.0")
    assert old.health()[1] == {
        "status": "ok",
        "tenant": "acme",
        "purpose": "production",
        "release": "1.0.0",
        "schema_version": 2,
        "detail": None,
    }
    assert old.post(body="under schema 2")[0] == 201
    new = machine.serve("1.1.0")
    assert [(n["body"], n["pinned"]) for n in new.notes()] == [("under schema 2", False), ("under schema 1", False)]


def test_pinned_notes_come_first(machine: Machine) -> None:
    machine.migrate("1.1.0")
    served = machine.serve("1.1.0")
    first = served.post(body="first", pinned=True)[1]
    served.post(body="second")
    assert [n["body"] for n in served.notes()] == ["first", "second"]
    assert '<li class="pinned"><p>first</p>' in served.ask("/")[1]
    assert served.submit("/pin", id=str(first["id"])) == 303
    assert [n["body"] for n in served.notes()] == ["second", "first"]
    assert served.submit("/pin", id="1; DROP TABLE notes") == 400


REFUSED = [
    ("/notes", b"not JSON", 400),
    ("/notes", b"[]", 400),
    ("/notes", b"{}", 400),
    ("/notes", b'{"body": "  "}', 400),
    ("/notes", b'{"body": 1}', 400),
    ("/notes", b'{"body": "a\\u0000b"}', 400),
    ("/notes", b'{"body": "\\ud800"}', 400),
    ("/notes", b'{"body": "x", "pinned": "yes"}', 400),
    ("/notes", json.dumps({"body": "x" * 10_001}).encode(), 400),
    ("/notes", b"x" * 70_000, 413),
    ("/nowhere", b"{}", 404),
    ("/nowhere", None, 404),
]


def test_what_cannot_be_served_is_refused_and_harms_nothing(machine: Machine) -> None:
    machine.migrate("1.1.0")
    served = machine.serve("1.1.0")
    answers = [served.ask(path, body, Content_Type="application/json")[0] for path, body, _ in REFUSED]
    assert answers == [status for _, _, status in REFUSED]
    assert served.notes() == []
    assert "Traceback" not in served.log.read_text()


def test_sigterm_lets_a_request_finish_and_ends_with_0(machine: Machine) -> None:
    machine.migrate("1.0.0")
    served = machine.serve("1.0.0")
    served.health()
    wait_for(lambda: _threads(served.process.pid) == 1, "nothing else is being served")
    body = json.dumps({"body": "sent slowly"}).encode()
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.putrequest("POST", "/notes")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:5])
    wait_for(lambda: _threads(served.process.pid) > 1, "the request is being served")
    served.process.send_signal(signal.SIGTERM)
    wait_for(lambda: not served.answers(), "nobody listens any more")
    connection.send(body[5:])
    assert connection.getresponse().status == 201
    assert served.process.wait(20) == 0


def test_it_is_small(machine: Machine) -> None:
    machine.migrate("1.1.0")
    served = machine.serve("1.1.0")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: served.post(body=f"note {n}"), range(40)))
    status = Path(f"/proc/{served.process.pid}/status").read_text()
    # Its own pages: those of Python and of the libraries are shared by all machines of a sandbox.
    assert int(re.findall(r"RssAnon:\s+(\d+) kB", status)[0]) < 30_000


def test_what_releases_share_is_the_same_text() -> None:
    """Each release is complete, as an image is; what isn't the reason for the new one must not drift."""
    own = {"release.json", "lib/notes/schema.py", "lib/notes/store.py", "lib/notes/pages.py", "lib/notes/web.py"}
    first, second = ({str(p.relative_to(r)): p for p in _files(r)} for r in (RELEASES / v for v in VERSIONS))
    assert first.keys() == second.keys()
    assert {name for name in first if first[name].read_bytes() != second[name].read_bytes()} == own


@pytest.mark.parametrize("release", VERSIONS)
def test_release_json_agrees_with_the_migrations(release: str) -> None:
    image = json.loads((RELEASES / release / "release.json").read_text())
    listing = "import notes.schema as s; print(len(s.MIGRATIONS))"
    steps = subprocess.run(
        ["python3", "-c", listing], cwd=RELEASES / release / "lib", capture_output=True, text=True, check=True
    )
    assert (image["product"], image["version"], image["schema_version"]) == ("notes", release, int(steps.stdout))


def _threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def _files(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
