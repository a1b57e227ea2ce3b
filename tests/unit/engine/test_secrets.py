"""Secrets: marked from end to end, encrypted at rest, never in a message."""

import base64
import hashlib
import json
import threading
from pathlib import Path

import pulumi
import pytest

from provisioner.engines.embedded import secrets
from provisioner.engines.embedded.engine import EmbeddedEngine
from provisioner.model.errors import EngineError

from .conftest import Harness, ops
from .toy import Cloud, Thing, Toy, options

PASSWORD = "hunter22-very-secret"


def program() -> None:
    """A thing with a password, which comes back under another name."""
    secret = pulumi.Output.secret(PASSWORD)
    a = Thing("a", options(Toy(), additional_secret_outputs=["echo"]), password=secret, nested={"deep": [secret]})
    b = Thing("b", options(Toy("toy2")), text=a.echo)  # type: ignore[attr-defined]  # made by the toy
    pulumi.export("password", a.password)  # type: ignore[attr-defined]
    pulumi.export("open", b.arn)


@pytest.fixture(params=[True, False], ids=["provider-takes-marks", "provider-takes-none"])
def marked(here: Harness, request: pytest.FixtureRequest) -> Harness:
    here.cloud.accept_secrets = request.param
    return here


def test_a_secret_is_nowhere_in_the_clear(marked: Harness) -> None:
    result = marked.up(program)
    assert result.outputs == {"open": "arn:b-1"}
    assert marked.engine.outputs(marked.stack()) == {"open": "arn:b-1"}
    everything = "".join(p.read_text() for p in marked.root.rglob("*") if p.is_file())
    assert PASSWORD not in everything
    assert PASSWORD not in json.dumps(marked.engine.export(marked.stack()))
    state = marked.resources()
    for where in (state["a"]["inputs"]["password"], state["a"]["outputs"]["password"], state["a"]["outputs"]["echo"]):
        assert set(where) == {"4dabf18193072939515e22adb298388d", "ciphertext"}
    assert "ciphertext" in json.dumps(state["a"]["outputs"]["nested"])
    assert "ciphertext" in json.dumps(state["b"]["inputs"]["text"])


def test_the_provider_gets_the_real_value(marked: Harness) -> None:
    marked.up(program)
    given = marked.cloud.seen_props[0]["password"]
    assert given == PASSWORD or given["value"] == PASSWORD
    assert isinstance(given, dict) == marked.cloud.accept_secrets


def test_nothing_changes_and_nothing_is_encrypted_anew(marked: Harness) -> None:
    marked.up(program)
    before = marked.file.read_bytes()
    assert ops(marked.up(program)) == []
    assert marked.file.read_bytes() == before
    ciphertext = marked.resources()["a"]["inputs"]["password"]["ciphertext"]

    def more() -> None:
        program()
        Thing("c", options(Toy("toy3")))

    marked.up(more)
    assert marked.resources()["a"]["inputs"]["password"]["ciphertext"] == ciphertext


def test_a_message_of_the_provider_does_not_give_a_secret_away(here: Harness) -> None:
    here.up(program)

    def tell() -> None:
        raise ValueError(f"bad password {PASSWORD}")

    here.cloud.after["Update", "a"] = tell

    def changed() -> None:
        Thing("a", options(Toy()), password=pulumi.Output.secret(PASSWORD), text="x")

    with pytest.raises(EngineError, match=r"bad password \[secret\]") as caught:
        here.up(changed)
    assert PASSWORD not in str(caught.value.failures)
    assert PASSWORD not in str(here.events)


def test_files_are_for_the_owner_alone(here: Harness) -> None:
    here.up(program)
    modes = {p.name: p.stat().st_mode & 0o777 for p in here.root.rglob("*") if p.is_file()}
    assert modes == {"acme.json": 0o600, "acme.lock": 0o600, "salt": 0o600}
    assert {p.stat().st_mode & 0o777 for p in here.root.rglob("*") if p.is_dir()} == {0o700}


def test_the_key_is_derived_only_for_secrets_and_once(tmp_path: Path, cloud: Cloud) -> None:
    asked: list[str] = []

    def passphrase() -> str:
        asked.append("")
        return "correct horse"

    here = Harness(tmp_path, cloud)
    here.engine = EmbeddedEngine(tmp_path, passphrase, lambda _package: cloud.address)
    here.up(lambda: Thing("a", options(Toy()), text="x"))
    here.preview(lambda: None)
    here.engine.outputs(here.stack())
    assert asked == []
    assert "secrets_providers" not in here.deployment()
    known = len(secrets._keys)
    here.up(program)
    here.up(program)
    assert asked
    assert len(secrets._keys) == known + 1


def test_a_wrong_passphrase_is_told(here: Harness) -> None:
    here.up(program)
    here.engine = EmbeddedEngine(here.root, lambda: "wrong", lambda _package: here.cloud.address)
    with pytest.raises(EngineError, match="can't be decrypted with this passphrase") as caught:
        here.up(program)
    assert "passphrase" in str(caught.value.hint)
    assert here.cloud.names() == ["a", "b"]


def test_many_threads_make_one_salt(tmp_path: Path) -> None:
    found: set[str] = set()

    def make() -> None:
        found.add(secrets.Vault(tmp_path / "home" / "salt", lambda: "p").ensure()[0])

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1
    assert [p.name for p in (tmp_path / "home").iterdir()] == ["salt"]


def test_the_format_is_pulumis_own(here: Harness) -> None:
    """Opened here with nothing but what Pulumi's documentation of the format says."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    here.up(program)
    salt = here.deployment()["secrets_providers"]["state"]["salt"].split(":")[1]
    key = hashlib.pbkdf2_hmac("sha256", b"correct horse", base64.b64decode(salt), 1000, 32)
    version, nonce, sealed = here.resources()["a"]["inputs"]["password"]["ciphertext"].split(":")
    opened = AESGCM(key).decrypt(base64.b64decode(nonce), base64.b64decode(sealed), None)
    assert (version, opened) == ("v1", json.dumps(PASSWORD).encode())
