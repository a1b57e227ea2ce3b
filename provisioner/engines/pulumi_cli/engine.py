"""The `Engine` port over the Pulumi CLI."""

import json
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from provisioner.engines.embedded.state import STACK_TYPE
from provisioner.engines.embedded.values import public
from provisioner.engines.pulumi_cli import child, failures, pending
from provisioner.engines.pulumi_cli.cli import Cli
from provisioner.engines.pulumi_cli.folder import CHILD, Folder
from provisioner.engines.pulumi_cli.run import Job, Outcome, Verb
from provisioner.engines.pulumi_cli.workers import Workers
from provisioner.model.change import Event, EventKind, Plan, RunResult
from provisioner.model.errors import CancelledError, EngineError, ProvisionError, TimedOutError
from provisioner.model.json import Json, JsonDict
from provisioner.model.ports import RunOptions, Stack

if TYPE_CHECKING:
    from provisioner.engines.pulumi_cli.command import Command

Finder = Callable[[Stack, str, str, JsonDict, Collection[str]], str | None]
"""`(stack, region, type, inputs, known) -> id`, as `Cloud.find`."""

Answer = TypeVar("Answer")
GRACE = 60.0
_DEFAULTS = RunOptions()


@dataclass(frozen=True, slots=True)
class Backend:
    """Where a target's stacks are kept. `state`: file://, s3:// or postgres://; `secrets`: "passphrase" or awskms://;
    `environ`: what the CLI and its providers need (never in its arguments), asked for at each run; `patience`:
    seconds until what was just made can be found in the cloud."""

    state: str
    secrets: str
    environ: Callable[[], Mapping[str, str]]
    patience: float = 0.0


class PulumiCliEngine:
    """`root`: work folders; `cli`: asked for once, on first use; `find`: looks up what a killed run may have made;
    `warm`: see `EmbeddedEngine`; `grace`: seconds that an interrupted run has to end by itself."""

    def __init__(
        self,
        root: Path,
        cli: Callable[[], Cli],
        backend: Backend,
        find: Finder,
        warm: Callable[[], None] | None = None,
        *,
        grace: float = GRACE,
    ) -> None:
        self._root = root
        self._find_cli = cli
        self._backend = backend
        self._find = find
        self._workers = Workers(warm)
        self._grace = grace

    def preview(self, stack: Stack, options: RunOptions = _DEFAULTS) -> Plan:
        """See the port. A stack that isn't there is previewed in a state of its own, which is thrown away. Where a
        protected resource would go, the CLI looks no further: the plan is what it had seen, that one flagged."""
        folder = Folder.of(self._root, stack)
        if self.export(stack) is not None:
            return Plan(self._run("preview", stack, folder, options).steps)
        # A folder beside: settings that this preview makes are not the stack's.
        with tempfile.TemporaryDirectory(prefix="preview-", dir=self._root) as scratch:
            beside = Folder.of(Path(scratch), stack)
            state = Path(scratch, "state")
            state.mkdir()
            nowhere = {"PULUMI_BACKEND_URL": f"file://{state}", "PULUMI_CONFIG_PASSPHRASE": "nothing is kept"}
            nowhere["PULUMI_CONFIG_PASSPHRASE_FILE"] = ""
            self._ask(beside, "stack", "init", stack.name, "--no-select", environ=nowhere)
            plain = replace(options, refresh=False)
            return Plan(self._run("preview", stack, beside, plain, environ=nowhere).steps)

    def up(self, stack: Stack, options: RunOptions = _DEFAULTS) -> RunResult:
        """See the port."""
        with self._held("up", stack, options) as (folder, ready):
            outcome = self._run("up", stack, folder, ready)
            return RunResult(outcome.steps, outcome.outputs)

    def refresh(self, stack: Stack, options: RunOptions = _DEFAULTS) -> RunResult:
        """See the port."""
        with self._held("refresh", stack, options) as (folder, ready):
            outcome = self._run("refresh", stack, folder, ready)
            return RunResult(outcome.steps, self.outputs(stack))

    def destroy(self, stack: Stack, options: RunOptions = _DEFAULTS) -> RunResult:
        """See the port."""
        if self.export(stack) is None:
            return RunResult(())
        with self._held("destroy", stack, options) as (folder, ready):
            return RunResult(self._run("destroy", stack, folder, ready).steps)

    def outputs(self, stack: Stack) -> dict[str, Json]:
        """See the port."""
        found = self.export(stack)
        resources: Any = found["deployment"].get("resources") or () if found else ()  # type: ignore[union-attr]
        return next((public(r.get("outputs") or {}) for r in resources if r["type"] == STACK_TYPE), {})

    def export(self, stack: Stack) -> JsonDict | None:
        """See the port. Secrets stay encrypted: they don't even leave the CLI."""
        return self._export(stack, Folder.of(self._root, stack))

    def import_(self, stack: Stack, deployment: Mapping[str, Json]) -> None:
        """See the port. Operations that were under way are not taken over: settle them first."""
        where = f"import of stack {stack.project}/{stack.name}"
        folder = Folder.of(self._root, stack)
        inner = deployment.get("deployment")
        if isinstance(inner, Mapping) and inner.get("pending_operations"):
            raise EngineError(f"{where}: the deployment has unfinished operations", hint=failures.AGAIN)
        with folder.lock(where):
            if self._export(stack, folder) is None:
                self._init(stack, folder)
            self._import(stack, folder, deployment)

    def reach(self) -> None:
        """Open the state's place, as a run would. Raises what a run would."""
        self._ask(Folder.of(self._root, Stack("tenant", "reach", lambda: None)), "whoami", "--json")

    @cached_property
    def _cli(self) -> Cli:
        return self._find_cli()

    @cached_property
    def _command(self) -> "Command":
        from provisioner.engines.pulumi_cli.command import Command

        return Command(self._cli)

    @contextmanager
    def _held(self, verb: Verb, stack: Stack, options: RunOptions) -> Iterator[tuple[Folder, RunOptions]]:
        """The stack, ready for a run that changes it: nobody else's, made, without leftovers of a killed run."""
        folder = Folder.of(self._root, stack)
        where = _where(verb, stack)
        with folder.lock(where):
            leftover = child.recorded(folder.child)
            if leftover is not None:
                child.end(leftover, self._grace)
                folder.child.unlink()
            deployment = self._export(stack, folder)
            if deployment is None:
                self._init(stack, folder)
            elif pending.operations(deployment):
                self._settle(stack, folder, deployment, options)
                options = replace(options, refresh=True)  # what was taken over has an id, and nothing more
            yield folder, options

    def _settle(self, stack: Stack, folder: Folder, deployment: JsonDict, options: RunOptions) -> None:
        """Make sure of what a killed run left, before anything is made again."""
        until = time.monotonic() + self._backend.patience * _fresh(deployment)

        def find(resource: dict[str, Any], region: str, known: Collection[str]) -> str | None:
            inputs = pending.without_secrets(resource.get("inputs") or {})
            while True:
                found = self._find(stack, region, resource["type"], inputs, known)
                if found is not None or time.monotonic() > until:
                    return found
                time.sleep(0.5)

        settled, notes = pending.settled(deployment, find)
        for note in notes:
            _say(options, stack, note)
        self._past_lock(stack, folder, options, lambda: self._import(stack, folder, settled))

    def _run(
        self, verb: Verb, stack: Stack, folder: Folder, options: RunOptions, environ: Mapping[str, str] | None = None
    ) -> Outcome:
        """One run. Raises what it came to."""

        def action() -> Outcome:
            outcome = self._once(verb, stack, folder, options, environ)
            if outcome.code != 0 and not (verb == "preview" and failures.protections(outcome.failures)):
                raise failures.failed(_where(verb, stack), outcome.code, outcome.words, outcome.failures)
            return outcome

        return self._past_lock(stack, folder, options, action)

    def _once(
        self, verb: Verb, stack: Stack, folder: Folder, options: RunOptions, environ: Mapping[str, str] | None
    ) -> Outcome:
        from provisioner.engines.pulumi_cli.command import RECORD

        note = CHILD if verb != "preview" else f"preview-{threading.get_native_id()}.json"
        job = Job(
            verb=verb,
            project=stack.project,
            stack=stack.name,
            folder=str(folder.path),
            cli=self._cli,
            environ={**self._environ(), **(environ or {}), RECORD: note},
            secrets=self._backend.secrets,
            parallel=options.parallel,
            refresh=options.refresh,
            continue_on_error=options.continue_on_error,
            program=stack.program if verb in ("preview", "up") else None,
        )
        future = self._workers.submit(job, options.progress)
        began = time.monotonic()
        stopped: Literal["cancelled", "timed out"] | None = None
        try:
            while not self._workers.wait(future, 0.1) and stopped is None:
                if options.cancel is not None and options.cancel.is_set():
                    stopped = "cancelled"
                elif options.deadline is not None and time.monotonic() - began > options.deadline:
                    stopped = "timed out"
        finally:
            # Also after ^C here: the run must not go on alone.
            if not future.done():
                self._stop(folder.path / note, future)
        outcome: Outcome = future.result()
        listing = "".join(f"\n  {line}" for line in outcome.failures)
        if stopped == "timed out":
            limit = f"ran out of time ({options.deadline:g} s)"
            raise TimedOutError(f"{_where(verb, stack)} {limit}{listing}", hint=failures.AGAIN)
        if stopped == "cancelled" and outcome.code != 0:
            raise CancelledError(f"{_where(verb, stack)} was cancelled{listing}", hint=failures.AGAIN)
        return outcome

    def _stop(self, note: Path, future: Any) -> None:
        """SIGINT, the grace period, SIGKILL; what is half-done stays in the state as a pending operation."""
        while not future.done():
            running = child.recorded(note)
            if running is not None:
                child.end(running, self._grace)
            self._workers.wait(future, 0.2)

    def _past_lock(self, stack: Stack, folder: Folder, options: RunOptions, action: Callable[[], Answer]) -> Answer:
        """Do it; once more after the lock that was in the way is broken, which happens for dead processes' locks, and
        under the tenant's lease, alone."""
        try:
            return action()
        except failures.StateLockedError as error:
            if options.guard is None or not error.stale:
                raise
            options.guard()
            _say(options, stack, f"the lock of a dead process is broken ({'; '.join(map(str, error.holders))})")
        self._ask(folder, "cancel", "--yes", "--stack", stack.name)
        return action()

    def _init(self, stack: Stack, folder: Folder) -> None:
        self._ask(folder, "stack", "init", stack.name, "--no-select", "--secrets-provider", self._backend.secrets)

    def _import(self, stack: Stack, folder: Folder, deployment: Mapping[str, Json]) -> None:
        path = folder.write("import.json", json.dumps(deployment))
        try:
            self._ask(folder, "stack", "import", "--stack", stack.name, "--file", str(path))
        finally:
            path.unlink()

    def _export(self, stack: Stack, folder: Folder) -> JsonDict | None:
        try:
            text = self._ask(folder, "stack", "export", "--stack", stack.name)
        except _NoStackError:
            return None
        found: JsonDict = json.loads(text)
        return found

    def _ask(self, folder: Folder, *words: str, environ: Mapping[str, str] | None = None) -> str:
        """One of the CLI's short commands; its stdout."""
        from provisioner.engines.pulumi_cli.command import EndedBadlyError

        try:
            answer = self._command.run(list(words), str(folder.path), {**self._environ(), **(environ or {})})
        except EndedBadlyError as error:
            if error.code == failures.STACK_NOT_FOUND:
                raise _NoStackError("there is no such stack") from error
            raise failures.failed(f"pulumi {words[0]}", error.code, error.words, ()) from error
        return answer.stdout

    def _environ(self) -> dict[str, str]:
        return {
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_BACKEND_URL": self._backend.state,
            # The work folder may be another machine's; the state knows its own keeper of secrets.
            "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
            **self._backend.environ(),
        }


def _say(options: RunOptions, stack: Stack, words: str) -> None:
    if options.progress is not None:
        options.progress(Event(EventKind.MESSAGE, stack.name, "state", message=words))


class _NoStackError(ProvisionError):
    """Exit code 6 of the CLI."""


def _where(verb: str, stack: Stack) -> str:
    return f"{verb} of stack {stack.project}/{stack.name}"


def _fresh(deployment: JsonDict) -> bool:
    """Whether the state was written in the last minutes: what was made then may not be visible everywhere yet."""
    manifest: Any = deployment["deployment"]["manifest"]  # type: ignore[index,call-overload]
    written = datetime.fromisoformat(manifest["time"])
    return (datetime.now(UTC) - written).total_seconds() < 600
