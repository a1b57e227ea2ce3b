"""From the CLI's exit code, its events and (here only) its words to the house's errors."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from provisioner.engines.pulumi_cli.child import Child
from provisioner.model import processes
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
# pkg/backend/diy/lock.go; a line for each lock.
_LOCKED = re.compile(r"the stack is currently locked by (?:(\d+) lock)?")
_LOCK = re.compile(r": created by (?P<user>.*)@(?P<host>[^@\s]+) \(pid (?P<pid>\d+)\) at (?P<at>\S+)$", re.MULTILINE)
_NO_PLUGIN = re.compile(
    r"no resource plugin '([^']+)' found|[Cc]ould not find (?:latest version for )?(?:resource )?plugin (\S+)"
)
_NO_CREDENTIALS = re.compile(
    r"NoCredentialProviders|no EC2 IMDS role found|failed to refresh cached credentials|ExpiredToken|"
    r"InvalidClientTokenId|no valid credential sources|get credentials: |UnrecognizedClientException"
)
_PROTECTED = re.compile(r"because it is protected|currently marked for protection")
_OTHER_KEY = "incorrect passphrase"


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock of a DIY backend, as the CLI reports it."""

    user: str
    host: str
    pid: int
    at: str

    def left_by(self, children: Collection[Child]) -> bool:
        """Whether one of these, which are over, made it. Nobody else's lock is judged, nor one that a living process of
        that number may have made."""
        made = any((c.host, c.pid) == (self.host, self.pid) for c in children)
        return made and not processes.acts(self.pid)

    def __str__(self) -> str:
        return f"{self.user}@{self.host}, process {self.pid}, since {self.at}"


class StateLockedError(LeaseHeldError):
    """Another run holds the stack's state. `holders`: those that could be read of `number`."""

    def __init__(self, where: str, holders: Sequence[Lock], number: int) -> None:
        self.holders = tuple(holders)
        self.number = number
        named = [str(lock) for lock in holders]
        if len(named) < number or not named:
            named.append("somebody who can't be read")
        super().__init__(
            f"{where}: the state is locked by {'; '.join(named)}",
            hint="wait until that run has ended, then run the same command again; docs/aws.md has stale locks",
        )

    def left_by(self, children: Collection[Child]) -> bool:
        """Whether all locks were left by these, which are over: breaking breaks all. What can't be read proves
        nothing."""
        return len(self.holders) == self.number > 0 and all(lock.left_by(children) for lock in self.holders)


def _locked(where: str, text: str) -> StateLockedError | None:
    found = _LOCKED.search(text)
    if found is None:
        return None
    holders = [Lock(m["user"], m["host"], int(m["pid"]), m["at"]) for m in _LOCK.finditer(text)]
    return StateLockedError(where, holders, int(found[1] or 0))


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


def unreadable(where: str, why: str) -> EngineError:
    """A run that ended well, and of which nobody can say what it did or would do."""
    return EngineError(
        f"{where}: what the Pulumi CLI told can't be trusted: {why}",
        hint="provision doctor   (a CLI of another version may tell it in other words)",
    )


def _known(where: str, code: int, text: str, words: str) -> ProvisionError | None:
    plugin = _NO_PLUGIN.search(words)
    error: ProvisionError | None = _locked(where, text)
    if error is not None:
        pass
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
