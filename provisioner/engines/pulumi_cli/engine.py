"""The `Engine` port over the Pulumi CLI."""

import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from provisioner.engines.embedded.state import STACK_TYPE
from provisioner.engines.embedded.values import public
from provisioner.engines.pulumi_cli import child, failures, pending
from provisioner.engines.pulumi_cli.asking import Asker
from provisioner.engines.pulumi_cli.cli import Cli
from provisioner.engines.pulumi_cli.folder import Folder
from provisioner.engines.pulumi_cli.limit import Limit, Reason
from provisioner.engines.pulumi_cli.run import Job, Outcome, Verb
from provisioner.engines.pulumi_cli.workers import Workers
from provisioner.model.change import Event, EventKind, Plan, RunResult
from provisioner.model.errors import EngineError
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


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of the port: what it is about, and until when it may go on. `where`: it, in messages; `environ`: on top
    of the backend's."""

    verb: Verb
    stack: Stack
    options: RunOptions
    folder: Folder
    limit: Limit
    where: str
    environ: Mapping[str, str] | None = None

    def say(self, words: str) -> None:
        """Tell the caller about the state."""
        if self.options.progress is not None:
            self.options.progress(Event(EventKind.MESSAGE, self.stack.name, "state", message=words))


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
        self._asker = Asker(lambda: self._command, self._environ, backend.secrets)

    def preview(self, stack: Stack, options: RunOptions = _DEFAULTS) -> Plan:
        """See the port. A stack that isn't there is previewed in a state of its own, which is thrown away. Where a
        protected resource would go, the CLI looks no further: the plan is what it had seen, that one flagged."""
        call = self._call("preview", stack, options)
        if self._asker.export(call.folder, call.limit) is not None:
            outcome = self._once(call)
            return Plan(outcome.steps, outcome.drift)
        # A folder beside: settings that this preview makes are not the stack's.
        with tempfile.TemporaryDirectory(prefix="preview-", dir=self._root) as scratch:
            state = Path(scratch, "state")
            state.mkdir()
            nowhere = {"PULUMI_BACKEND_URL": f"file://{state}", "PULUMI_CONFIG_PASSPHRASE": "nothing is kept"}
            nowhere["PULUMI_CONFIG_PASSPHRASE_FILE"] = ""
            plain = replace(options, refresh=False)
            beside = replace(call, folder=Folder.of(Path(scratch), stack), options=plain, environ=nowhere)
            self._asker.init(beside.folder, beside.limit, nowhere)
            return Plan(self._once(beside).steps)

    def up(self, stack: Stack, options: RunOptions = _DEFAULTS) -> RunResult:
        """See the port."""
        with self._held(self._call("up", stack, options)) as call:
            outcome = self._run(call)
            return RunResult(outcome.steps, outcome.outputs)

    def refresh(self, stack: Stack, options: RunOptions = _DEFAULTS) -> RunResult:
        """See the port."""
        with self._held(self._call("refresh", stack, options)) as call:
            outcome = self._run(call)
            return RunResult(outcome.steps, _outputs(self._asker.export(call.folder, call.limit)))

    def destroy(self, stack: Stack, options: RunOptions = _DEFAULTS) -> RunResult:
        """See the port."""
        call = self._call("destroy", stack, options)
        if self._asker.export(call.folder, call.limit) is None:
            return RunResult(())
        with self._held(call) as ready:
            return RunResult(self._run(ready).steps)

    def outputs(self, stack: Stack) -> dict[str, Json]:
        """See the port."""
        return _outputs(self.export(stack))

    def export(self, stack: Stack) -> JsonDict | None:
        """See the port. Secrets stay encrypted: they don't even leave the CLI."""
        return self._asker.export(Folder.of(self._root, stack), Limit(_where("export", stack)))

    def import_(self, stack: Stack, deployment: Mapping[str, Json]) -> None:
        """See the port. Operations that were under way are not taken over: settle them first."""
        where = _where("import", stack)
        folder, limit = Folder.of(self._root, stack), Limit(where)
        inner = deployment.get("deployment")
        if isinstance(inner, Mapping) and inner.get("pending_operations"):
            raise EngineError(f"{where}: the deployment has unfinished operations", hint=failures.AGAIN)
        with folder.lock(where):
            if self._asker.export(folder, limit) is None:
                self._asker.init(folder, limit)
            self._asker.import_(folder, limit, deployment)

    def reach(self) -> None:
        """Open the state's place, as a run would. Raises what a run would."""
        self._asker.reach(Folder.of(self._root, Stack("tenant", "reach", lambda: None)))

    @cached_property
    def _cli(self) -> Cli:
        return self._find_cli()

    @cached_property
    def _command(self) -> "Command":
        from provisioner.engines.pulumi_cli.command import Command

        return Command(self._cli)

    def _call(self, verb: Verb, stack: Stack, options: RunOptions) -> "_Call":
        where = _where(verb, stack)
        limit = Limit(where, options.deadline, options.cancel)
        return _Call(verb, stack, options, Folder.of(self._root, stack), limit, where)

    @contextmanager
    def _held(self, call: "_Call") -> Iterator["_Call"]:
        """The stack, ready for a run that changes it: nobody else's, made, without leftovers of a killed run."""
        folder, limit = call.folder, call.limit
        with folder.lock(call.where):
            for note in folder.notes():
                if not child.end_leftover(note, self._grace, limit.check):
                    raise child.stuck(child.recorded(note) or note)
            deployment = self._asker.export(folder, limit)
            if deployment is None:
                self._asker.init(folder, limit)
            elif pending.operations(deployment):
                self._settle(call, deployment)
                # What was taken over has an id, and nothing more.
                call = replace(call, options=replace(call.options, refresh=True))
            yield call

    def _settle(self, call: "_Call", deployment: JsonDict) -> None:
        """Make sure of what a killed run left, before anything is made again."""
        until = time.monotonic() + self._backend.patience * _fresh(deployment)

        def find(resource: dict[str, Any], region: str, known: Collection[str]) -> str | None:
            inputs = pending.without_secrets(resource.get("inputs") or {})
            while True:
                call.limit.check()
                found = self._find(call.stack, region, resource["type"], inputs, known)
                if found is not None or time.monotonic() > until:
                    return found
                time.sleep(0.5)

        settled, notes = pending.settled(deployment, find)
        for note in notes:
            call.say(note)
        self._past_lock(call, lambda: self._asker.import_(call.folder, call.limit, settled))

    def _run(self, call: "_Call") -> Outcome:
        """One run that changes something. Raises what it came to."""
        return self._past_lock(call, lambda: self._once(call))

    def _once(self, call: "_Call") -> Outcome:
        from provisioner.engines.pulumi_cli.command import RECORD

        call.limit.check()
        looks = call.verb == "preview"
        note = call.folder.new_note("preview" if looks else "child")
        job = Job(
            verb=call.verb,
            project=call.stack.project,
            stack=call.stack.name,
            folder=str(call.folder.path),
            cli=self._cli,
            environ={**self._environ(), **(call.environ or {}), RECORD: note.name},
            secrets=self._backend.secrets,
            parallel=call.options.parallel,
            refresh=call.options.refresh,
            continue_on_error=call.options.continue_on_error,
            program=call.stack.program if call.verb in ("preview", "up") else None,
        )
        try:
            outcome, stopped = self._await(job, note, call)
        finally:
            if looks:
                note.unlink(missing_ok=True)
        return _judged(call, outcome, stopped)

    def _await(self, job: Job, note: Path, call: "_Call") -> tuple[Outcome, Reason | None]:
        """How it ended, and whether that was our doing."""
        future = self._workers.submit(job, call.options.progress)
        stopped: Reason | None = None
        try:
            while not self._workers.wait(future, 0.1) and stopped is None:
                stopped = call.limit.reached()
        finally:
            # Also after ^C here: the run must not go on alone.
            if not future.done():
                self._stop(note, future, child.SOON if call.verb == "preview" else self._grace)
        return future.result(), stopped

    def _stop(self, note: Path, future: "Future[Outcome]", grace: float) -> None:
        """SIGINT, the grace period, SIGKILL; what is half-done stays in the state as a pending operation."""
        while not future.done():
            running = child.recorded(note)
            if running is not None and not child.end(running, grace):
                raise child.stuck(running)
            self._workers.wait(future, 0.2)

    def _past_lock(self, call: "_Call", action: Callable[[], Answer]) -> Answer:
        """Do it; once more after the locks that were in the way are broken, which happens for those of our own dead
        processes, and under the tenant's lease, alone."""
        try:
            answer = action()
        except failures.StateLockedError as error:
            dead = [found for note in call.folder.notes() if child.over(note) and (found := child.recorded(note))]
            if call.options.guard is None or not error.left_by(dead):
                raise
            call.options.guard()
            call.say(f"the lock of a dead process is broken ({'; '.join(map(str, error.holders))})")
            self._asker.break_locks(call.folder, call.limit)
            answer = action()
        # It had the state's lock: nobody who was noted has left one.
        for note in call.folder.notes():
            note.unlink()
        return answer

    def _environ(self) -> dict[str, str]:
        return {
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_BACKEND_URL": self._backend.state,
            # The work folder may be another machine's; the state knows its own keeper of secrets.
            "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
            **self._backend.environ(),
        }


def _judged(call: _Call, outcome: Outcome, stopped: Reason | None) -> Outcome:
    """The outcome of a run that came to a good end. Raises what any other came to."""
    listing = "".join(f"\n  {line}" for line in outcome.failures)
    if stopped == "timed out" or (stopped == "cancelled" and outcome.code != 0):
        raise call.limit.error(stopped, listing)
    if outcome.code != 0 and not (call.verb == "preview" and failures.protections(outcome.failures)):
        raise failures.failed(call.where, outcome.code, outcome.words, outcome.failures)
    if outcome.doubt is not None:
        raise failures.unreadable(call.where, outcome.doubt)
    return outcome


def _outputs(deployment: JsonDict | None) -> dict[str, Json]:
    resources: Any = deployment["deployment"].get("resources") or () if deployment else ()  # type: ignore[union-attr]
    return next((public(r.get("outputs") or {}) for r in resources if r["type"] == STACK_TYPE), {})


def _where(verb: str, stack: Stack) -> str:
    return f"{verb} of stack {stack.project}/{stack.name}"


def _fresh(deployment: JsonDict) -> bool:
    """Whether the state was written in the last minutes: what was made then may not be visible everywhere yet."""
    manifest: Any = deployment["deployment"]["manifest"]  # type: ignore[index,call-overload]
    written = datetime.fromisoformat(manifest["time"])
    return (datetime.now(UTC) - written).total_seconds() < 600
