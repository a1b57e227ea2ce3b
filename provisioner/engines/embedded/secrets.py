"""Secrets at rest: Pulumi's passphrase format (AES-256-GCM under PBKDF2-SHA256 with a million rounds, version 1).

Deriving the key costs half a second of CPU, so it happens only when a secret must be read or written, once in a
process for a passphrase and salt. All stacks of a home share one salt.
"""

import base64
import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from provisioner.engines.embedded import values
from provisioner.model.errors import EngineError

_ROUNDS: Final = 1_000_000
_VERIFIER: Final = "pulumi"
_SHORTEST_REDACTED: Final = 4

_keys: dict[tuple[str, bytes], bytes] = {}
_keys_lock = threading.Lock()


def private_folder(path: Path) -> None:
    """Make a folder, and those above it, for the owner alone (`mkdir` gives its mode to the last one only)."""
    for folder in reversed([path, *path.parents]):
        folder.mkdir(mode=0o700, exist_ok=True)


def _key(passphrase: str, salt: bytes) -> bytes:
    with _keys_lock:
        if (passphrase, salt) not in _keys:
            _keys[passphrase, salt] = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, _ROUNDS, 32)
        return _keys[passphrase, salt]


def _encrypt(key: bytes, text: str) -> str:
    # The sandbox's extra brings `cryptography`; a production target has no use for this engine.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(12)
    sealed = AESGCM(key).encrypt(nonce, text.encode(), None)
    return f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"


def _decrypt(key: bytes, text: str) -> str:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        version, nonce, sealed = text.split(":")
        if version != "v1":
            raise ValueError(version)
        return AESGCM(key).decrypt(base64.b64decode(nonce), base64.b64decode(sealed), None).decode()
    except (ValueError, InvalidTag):
        raise EngineError(
            "a secret of the checkpoint can't be decrypted with this passphrase",
            hint="restore the file `passphrase` of PROVISION_HOME that belongs to this state",
        ) from None


class Vault:
    """The secrets of one home: a salt file, 0600, that every stack's checkpoint carries too."""

    def __init__(self, path: Path, passphrase: Callable[[], str]) -> None:
        self._path = path
        self._passphrase = passphrase
        self._lock = threading.Lock()

    def state(self) -> str | None:
        """`v1:<salt>:<verifier>`, or None where no secret was ever kept. Derives nothing."""
        with contextlib.suppress(FileNotFoundError):
            return self._path.read_text().strip() or None
        return None

    def key(self, state: str) -> bytes:
        """The key for a salt, verified. Raises EngineError for a wrong passphrase."""
        version, salt, verifier = state.split(":", 2)
        if version != "v1":
            raise EngineError(f"the checkpoint's secrets are of the unknown version {version}")
        key = _key(self._passphrase(), base64.b64decode(salt))
        _decrypt(key, verifier)
        return key

    def ensure(self) -> tuple[str, bytes]:
        """The home's own salt and key, made on first use."""
        with self._lock:
            state = self.state()
            if state is None:
                salt = os.urandom(8)
                verifier = _encrypt(_key(self._passphrase(), salt), _VERIFIER)
                self._publish(f"v1:{base64.b64encode(salt).decode()}:{verifier}")
                state = self._path.read_text().strip()
            return state, self.key(state)

    def _publish(self, state: str) -> None:
        """Write the file if nobody else has: a link fails where the name exists, so one salt wins in all processes."""
        private_folder(self._path.parent)
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.{threading.get_ident()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(state)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(draft, self._path)
        finally:
            draft.unlink()


class Cipher:
    """The secrets of one checkpoint during one run. A secret that didn't change keeps its ciphertext."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._sealed: dict[str, str] = {}
        self._state: str | None = None

    @property
    def state(self) -> str | None:
        """The salt that belongs to what `seal` returns; None where there is no secret."""
        return self._state or self._vault.state()

    def open(self, value: Any, state: str | None) -> Any:
        """A value from a checkpoint, whose salt is `state`, with its secrets in the clear."""
        if isinstance(value, list):
            return [self.open(item, state) for item in value]
        if not isinstance(value, dict):
            return value
        if not values.is_secret(value):
            return {key: self.open(item, state) for key, item in value.items()}
        if "plaintext" in value:
            return values.secret(json.loads(value["plaintext"]))
        if state is None or not isinstance(value.get("ciphertext"), str):
            raise EngineError("the checkpoint has an encrypted secret but no salt for it")
        text = _decrypt(self._vault.key(state), value["ciphertext"])
        if state == self._vault.state():
            self._sealed[text] = value["ciphertext"]
            self._state = state
        return values.secret(json.loads(text))

    def seal(self, value: Any) -> Any:
        """The checkpoint's form of a value. Inside a secret nothing is encrypted twice."""
        if isinstance(value, list):
            return [self.seal(item) for item in value]
        if not isinstance(value, dict):
            return value
        if not values.is_secret(value):
            return {key: self.seal(item) for key, item in value.items()}
        text = json.dumps(values.plain(value), separators=(",", ":"), ensure_ascii=False)
        if text not in self._sealed:
            self._state, key = self._vault.ensure()
            self._sealed[text] = _encrypt(key, text)
        return {values.SIGNATURE: values.SECRET, "ciphertext": self._sealed[text]}

    def redact(self, message: str) -> str:
        """A message without any secret that this run has read or written."""
        known = {item for text in list(self._sealed) for item in values.strings(text)}
        for item in sorted(known, key=len, reverse=True):
            if len(item) >= _SHORTEST_REDACTED:
                message = message.replace(item, "[secret]")
        return message
