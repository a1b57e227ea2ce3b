"""From the CLI's exit code, its events and (here only) its words to the house's errors."""

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from provisioner.engines.pulumi_cli.child import process_began
from provisioner.model.errors import (
    AuthenticationError,
    CancelledError,
    EngineError,
    LeaseHeldError,
    ProvisionError,
    UnsupportedError,
)

# Exit codes of the CLI (pulumi/pulumi sdk/go/common/util/cmdutil/exit.go).
AUTHENTICATION, STACK_NOT_FOUND, CANCELLED = 3, 6, 8
AGAIN = "run the same command again; it goes on from what exists"
_LOGIN = "aws sso login   (or export AWS_PROFILE=...), then provision doctor"
_LOCKED = "the stack is currently locked by"
_LOCK = re.compile(r": created by (?P<user>\S*)@(?P<host>\S+) \(pid (?P<pid>\d+)\) at (?P<at>\S+)")
_NO_PLUGIN = re.compile(
    r"no resource plugin '([^']+)' found|[Cc]ould not find (?:latest version for )?(?:resource )?plugin (\S+)"
)
_NO_CREDENTIALS = re.compile(
    r"NoCredentialProviders|no EC2 IMDS role found|failed to refresh cached credentials|ExpiredToken|"
    r"InvalidClientTokenId|no valid credential sources|get credentials: |UnrecognizedClientException"
)
_PROTECTED = re.compile(r"because it is protected|currently marked for protection")
_OTHER_KEY = "incorrect passphrase"
# A process begins before it writes its lock; clocks of /proc are coarse.
_SLACK = 2.0


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock of a DIY backend, as the CLI reports it."""

    user: str
    host: str
    pid: int
    at: datetime

    def dead(self, here: str) -> bool:
        """Whether its process ran on this host and is gone. One of another host can't be judged from here."""
        if self.host != here:
            return False
        began = process_began(self.pid)
        return began is None or began > self.at.timestamp() + _SLACK

    def __str__(self) -> str:
        return f"{self.user}@{self.host}, process {self.pid}, since {self.at:%Y-%m-%d %H:%M:%S %Z}"


class StateLockedError(LeaseHeldError):
    """Another run holds the stack's state. `holders` is empty where they can't be read."""

    def __init__(self, where: str, holders: Sequence[Lock]) -> None:
        self.holders = tuple(holders)
        super().__init__(
            f"{where}: the state is locked by {'; '.join(map(str, holders)) or 'somebody who is not named'}",
            hint="wait until that run has ended, then run the same command again; docs/aws.md has stale locks",
        )

    @property
    def stale(self) -> bool:
        """Whether every holder is proven dead. An unreadable list proves nothing."""
        here = socket.gethostname()
        return bool(self.holders) and all(lock.dead(here) for lock in self.holders)


def _locks(text: str) -> list[Lock]:
    found = _LOCK.finditer(text)
    return [Lock(m["user"], m["host"], int(m["pid"]), datetime.fromisoformat(m["at"])) for m in found]


def protections(lines: Sequence[str]) -> bool:
    """Whether nothing but `protect` was in the way of what a preview would do."""
    return bool(lines) and all(_PROTECTED.search(line) for line in lines)


def failed(where: str, code: int, text: str, failures: Sequence[str]) -> ProvisionError:
    """What a run came to. `text`: the CLI's own words on stderr; `failures`: a line for each resource."""
    known = _known(where, code, text, " ".join([text, *failures]))
    if known is not None:
        return known
    listing = "".join(f"\n  {line}" for line in failures)
    if code < 0:
        return EngineError(f"{where}: the Pulumi CLI was killed by signal {-code}{listing}", hint=AGAIN)
    if failures:
        return EngineError(f"{where} failed:{listing}", failures=tuple(failures))
    return EngineError(f"{where}: the Pulumi CLI ended with exit code {code}: {_tail(text)}", hint="provision doctor")


def _known(where: str, code: int, text: str, words: str) -> ProvisionError | None:
    plugin = _NO_PLUGIN.search(words)
    error: ProvisionError | None = None
    if _LOCKED in text:
        error = StateLockedError(where, _locks(text))
    elif code == AUTHENTICATION or _NO_CREDENTIALS.search(words):
        error = AuthenticationError(f"{where}: the credentials can't be used: {_tail(text or words)}", hint=_LOGIN)
    elif plugin is not None:
        missing = f"the Pulumi plugin {plugin[1] or plugin[2]} is missing"
        error = UnsupportedError(f"{where}: {missing}", hint="provision setup")
    elif _OTHER_KEY in words:
        error = EngineError(
            f"{where}: the state's secrets were encrypted with another passphrase",
            hint="put the `passphrase` file back that was in PROVISION_HOME when the stack was made",
        )
    elif code == CANCELLED:
        error = CancelledError(f"{where} was cancelled", hint=AGAIN)
    return error


def _tail(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-4:]) or "it said nothing"
