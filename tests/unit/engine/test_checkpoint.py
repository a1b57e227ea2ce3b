"""The file: what it holds when, what is refused, and moving a stack in and out."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from provisioner.engines.embedded import secrets
from provisioner.model.errors import EngineError, UnsupportedError
from provisioner.model.ports import Stack

from .conftest import Harness, ops
from .toy import Box, Thing, Toy


def program() -> None:
    """A component with two things, one with a secret."""
    box = Box("box", pulumi.ResourceOptions(providers=[Toy()]))
    hidden = pulumi.ResourceOptions(parent=box, additional_secret_outputs=["echo"])
    a = Thing("a", hidden, text="x", password=pulumi.Output.secret("hunter22"))
    Thing("b", pulumi.ResourceOptions(parent=box, deleted_with=a), text=a.arn)
    pulumi.export("arn", a.arn)


def test_an_operation_is_on_disk_before_the_call_and_its_outcome_before_the_next(here: Harness) -> None:
    seen: dict[str, Any] = {}
    here.cloud.before["Create", "a"] = lambda: seen.update(first=here.pending())
    here.cloud.before["Create", "b"] = lambda: seen.update(second=here.pending(), a=here.resources()["a"]["id"])
    here.up(program)
    assert seen == {"first": [("creating", "a")], "second": [("creating", "b")], "a": "a-1"}


def test_the_layout_is_that_of_the_diy_backend(here: Harness) -> None:
    here.up(program)
    data = json.loads(here.file.read_text())
    assert here.file.relative_to(here.root) == Path(".pulumi/stacks/tenant/acme.json")
    assert (data["version"], data["checkpoint"]["stack"]) == (3, "organization/tenant/acme")
    assert set(here.deployment()) == {"manifest", "secrets_providers", "resources", "metadata"}
    types = [r["type"] for r in here.deployment()["resources"]]
    assert types[0] == "pulumi:pulumi:Stack"
    assert types[-1] == "toy:index:Thing"
    state = here.resources()
    assert state["a"]["propertyDependencies"] == {"password": [], "text": []}
    assert state["b"]["propertyDependencies"] == {"text": [state["a"]["urn"]]}
    assert {"created", "modified"} <= set(state["a"])


def test_a_draft_left_by_a_crash_does_no_harm(here: Harness) -> None:
    here.up(program)
    here.file.with_suffix(".json.new").write_text("half a che")
    assert ops(here.up(program)) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version":3}', '{"version":99,"checkpoint":{}}', '"x"'])
def test_a_damaged_file_is_named(here: Harness, text: str) -> None:
    here.up(program)
    here.file.write_text(text)
    with pytest.raises(EngineError, match=r"acme\.json"):
        here.up(program)
    assert here.cloud.calls == []


def by_name(deployment: dict[str, Any], name: str) -> dict[str, Any]:
    """A resource of a deployment."""
    found: dict[str, Any] = next(r for r in deployment["resources"] if r["urn"].endswith(f"::{name}"))
    return found


def reverse(deployment: dict[str, Any]) -> None:
    deployment["resources"].reverse()


def duplicate(deployment: dict[str, Any]) -> None:
    deployment["resources"].append(copy.deepcopy(by_name(deployment, "a")))


UNSOUND: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("magic", lambda d: d["manifest"].update(magic="0" * 64), "magic"),
    ("order", reverse, "comes after it|unknown provider"),
    ("duplicate", duplicate, "twice"),
    ("no stack", lambda d: d["resources"].pop(0), "missing"),
    ("dependency", lambda d: by_name(d, "b")["dependencies"].append("urn:pulumi:acme::tenant::t::gone"), "missing"),
    ("property dependency", lambda d: by_name(d, "b")["propertyDependencies"].update(text=["x::x::x::x"]), "missing"),
    ("deleted with", lambda d: by_name(d, "a").update(deletedWith=by_name(d, "b")["urn"]), "comes after it"),
    ("provider", lambda d: by_name(d, "a").update(provider="urn:pulumi:acme::tenant::p::q::id"), "unknown provider"),
    ("no provider", lambda d: by_name(d, "a").pop("provider"), "no provider"),
    ("component with id", lambda d: by_name(d, "box").update(id="x"), "component"),
    ("custom without id", lambda d: by_name(d, "a").pop("id"), "without an id"),
    ("no urn", lambda d: by_name(d, "a").pop("urn"), "urn"),
    ("no type", lambda d: by_name(d, "a").pop("type"), "type"),
    ("timeouts", lambda d: by_name(d, "a").update(customTimeouts={"create": "5m"}), "customTimeouts"),
    ("shape", lambda d: by_name(d, "a").update(dependencies="x"), "dependencies is str"),
    ("salt", lambda d: d.pop("secrets_providers"), "no salt"),
    ("other keeper", lambda d: d["secrets_providers"].update(type="awskms"), "kept by awskms"),
    ("ciphertext", lambda d: by_name(d, "a")["inputs"]["password"].update(ciphertext="v1:AAAA:AAAA"), "decrypted"),
    ("resources", lambda d: d.update(resources=[1]), "not sound"),
    ("pending", lambda d: d.update(pending_operations=[{"type": "x", "resource": by_name(d, "a")}]), "unknown types"),
    ("stack", lambda d: by_name(d, "b").update(urn="urn:pulumi:other::tenant::toy:index:Thing::b"), "another stack"),
]


@pytest.mark.parametrize(("mutate", "message"), [c[1:] for c in UNSOUND], ids=[c[0] for c in UNSOUND])
def test_an_unsound_deployment_is_refused(here: Harness, mutate: Callable[[Any], Any], message: str) -> None:
    here.up(program)
    before = here.file.read_bytes()
    exported: Any = copy.deepcopy(here.engine.export(here.stack()))
    mutate(exported["deployment"])
    with pytest.raises(EngineError, match=message):
        here.engine.import_(here.stack(), exported)
    assert here.file.read_bytes() == before


@pytest.mark.parametrize(
    "data", [{}, {"version": 3}, {"version": 2, "deployment": {}}, {"version": 3, "deployment": []}]
)
def test_what_is_no_deployment_is_refused(here: Harness, data: Any) -> None:
    with pytest.raises(EngineError, match="no deployment of version 3"):
        here.engine.import_(here.stack(), data)


def test_what_would_be_lost_is_refused_by_name(here: Harness) -> None:
    here.up(program)
    exported: Any = here.engine.export(here.stack())
    by_name(exported["deployment"], "a")["viewOf"] = "x"
    with pytest.raises(UnsupportedError, match="viewOf"):
        here.engine.import_(here.stack(), exported)


def test_a_stack_moves_to_another_home_with_its_secrets(here: Harness, tmp_path: Path) -> None:
    here.up(program)
    exported: Any = here.engine.export(here.stack())
    there = Harness(tmp_path / "there", here.cloud)
    there.up(lambda: pulumi.export("s", pulumi.Output.secret("its own salt")))
    there.engine.import_(there.stack(), exported)
    assert ops(there.up(program)) == []
    salts = {h.deployment()["secrets_providers"]["state"]["salt"] for h in (here, there)}
    assert len(salts) == 2
    assert there.engine.outputs(there.stack()) == {"arn": "arn:a-1"}


def test_plaintext_secrets_of_pulumis_export_are_taken_and_encrypted(here: Harness) -> None:
    here.up(program)
    exported: Any = here.engine.export(here.stack())
    for where in ("inputs", "outputs"):
        password = by_name(exported["deployment"], "a")[where]["password"]
        password["plaintext"] = '"hunter22"'
        del password["ciphertext"]
    here.engine.import_(here.stack(), exported)
    assert "hunter22" not in here.file.read_text()
    assert ops(here.up(program)) == []


def test_pending_operations_move_too(here: Harness) -> None:
    here.up(program)
    exported: Any = here.engine.export(here.stack())
    wanted = {
        **copy.deepcopy(by_name(exported["deployment"], "b")),
        "urn": "urn:pulumi:acme::tenant::toy:index:Thing::c",
    }
    del wanted["id"]
    exported["deployment"]["pending_operations"] = [{"type": "creating", "resource": wanted}]
    here.engine.import_(here.stack(), exported)
    assert here.pending() == [("creating", "c")]
    here.up(program)
    assert (here.pending(), here.cloud.names()) == ([], ["a", "b"])


def test_a_stack_that_another_process_works_on(here: Harness) -> None:
    lock = here.root / "locks" / "tenant" / "acme.lock"
    secrets.private_folder(lock.parent)
    code = (
        f"import fcntl; f = open({str(lock)!r}, 'w'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        commands: list[Callable[[], Any]] = [lambda: here.up(program), here.destroy, here.refresh]
        for act in commands:
            with pytest.raises(EngineError, match="another run holds the lock of stack tenant/acme"):
                act()
        here.preview(program)
        here.engine.up(Stack("tenant", "other", lambda: None))
        os.kill(holder.pid, 9)
    here.up(program)


def test_importing_the_package_costs_nothing() -> None:
    code = (
        "import sys, provisioner.engines, provisioner.engines.embedded;"
        "print([m for m in ('grpc', 'pulumi', 'google.protobuf', 'cryptography') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"
