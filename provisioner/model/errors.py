"""The one root of expected errors. A message says what happened and where; the hint says what to run next."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command line (design, section 5)."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PAUSED = 3
    LEASE_HELD = 4
    AUTHENTICATION = 5
    REFUSED = 6
    CHANGES_PENDING = 7
    CANCELLED = 8
    TIMED_OUT = 9
    INTERRUPTED = 130


class ProvisionError(Exception):
    """An expected failure. `exit_code` is the process's; `hint` is the next command or edit, without a full stop."""

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(ProvisionError):
    """The command's words, or what they name, are wrong. Nothing was changed."""

    exit_code = ExitCode.USAGE


class RegistryError(UsageError):
    """The registry file can't be used. `problems` are rendered one a line, in file order."""

    def __init__(self, message: str, *, problems: tuple[object, ...] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.problems = problems


class PausedError(ProvisionError):
    """A rollout waits for a person."""

    exit_code = ExitCode.PAUSED


class LeaseHeldError(ProvisionError):
    """Somebody else is changing this tenant."""

    exit_code = ExitCode.LEASE_HELD


class LeaseLostError(ProvisionError):
    """Our lease was taken over: a step must not act any more."""

    exit_code = ExitCode.LEASE_HELD


class AuthenticationError(ProvisionError):
    """Credentials are missing, expired, or belong to another account or region than the registry says."""

    exit_code = ExitCode.AUTHENTICATION


class RefusedError(ProvisionError):
    """A policy or a gate said no. Nothing was changed."""

    exit_code = ExitCode.REFUSED


class CancelledError(ProvisionError):
    """An operation was stopped on request; it can be resumed."""

    exit_code = ExitCode.CANCELLED


class TimedOutError(ProvisionError):
    """A deadline passed; the outcome of what was under way is unknown until it is looked up."""

    exit_code = ExitCode.TIMED_OUT


class UnsupportedError(ProvisionError):
    """This target or engine can't do that, and says so instead of pretending."""


class SandboxError(ProvisionError):
    """The sandbox daemon couldn't be started, reached or used."""


class UndoneError(ProvisionError):
    """An operation came to nothing, and took back what it had done: it is over, and there is nothing to go on with."""


class StuckError(ProvisionError):
    """An operation failed and what it did can't be taken back: it is over, and something else has to mend that."""


class EngineError(ProvisionError):
    """A run of a Pulumi program failed. `failures` has a line for each resource that failed."""

    def __init__(self, message: str, *, failures: tuple[str, ...] = (), hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.failures = failures
