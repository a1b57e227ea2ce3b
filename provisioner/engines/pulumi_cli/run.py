"""One run of the CLI through the Automation API. It may happen in a thread here or in a worker process, so what goes
in and comes out are plain values."""

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from provisioner.engines.pulumi_cli.cli import Cli
from provisioner.model.change import Difference, Event, Step
from provisioner.model.json import Json

_NOWHERE = logging.NullHandler()
Verb = Literal["preview", "up", "refresh", "destroy"]


@dataclass(frozen=True, slots=True)
class Job:
    """What to run. `folder`: the stack's work folder; `environ`: on top of our own."""

    verb: Verb
    project: str
    stack: str
    folder: str
    cli: Cli
    environ: Mapping[str, str]
    secrets: str
    parallel: int
    refresh: bool
    continue_on_error: bool
    program: Callable[[], None] | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended. `code`: the CLI's exit code, negative for a signal; `words`: what it said on stderr; `doubt`: why
    the rest can't be trusted, None where it can."""

    steps: tuple[Step, ...] = ()
    drift: tuple[Difference, ...] = ()
    outputs: dict[str, Json] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    code: int = 0
    words: str = ""
    doubt: str | None = None


def run(job: Job, progress: Callable[[Event], None] | None) -> Outcome:
    """Run it to its end. Never raises for what the CLI or the program does: the outcome says it."""
    from pulumi.automation import LocalWorkspace, Stack
    from pulumi.automation._stack import StackInitMode

    from provisioner.engines.pulumi_cli.command import Command, EndedBadlyError
    from provisioner.engines.pulumi_cli.events import Recorder

    class Workspace(LocalWorkspace):
        def select_stack(self, stack_name: str) -> None:
            """Every command names its stack; a selection would be one more start of the CLI."""

    class Quick(Stack):
        # After each run the SDK asks for outputs and history, with secrets in the clear: three more starts of the CLI,
        # and a history that grows with every run. The events have said it all.
        def outputs(self) -> Any:
            return {}

        def info(self, show_secrets: bool = True) -> Any:  # noqa: ARG002 - the SDK's signature
            return "the SDK only asserts that there is one"

    # The SDK's server of the program, told by gRPC's logger: it complains in tracebacks when the CLI goes first.
    quiet = logging.getLogger("grpc._server")
    quiet.propagate = False
    quiet.addHandler(_NOWHERE)
    # What the SDK can't read it prints, secret inputs and all. The recorder misses it, and says so.
    warnings.filterwarnings("ignore", message="Failed to parse engine event")
    recorder = Recorder(job.verb, job.stack, progress)
    workspace = Workspace(
        work_dir=job.folder,
        env_vars=job.environ,
        program=job.program,
        secrets_provider=job.secrets,
        pulumi_command=Command(job.cli),
    )
    stack = Quick(job.stack, workspace, StackInitMode.SELECT)
    words: dict[str, Any] = {
        "parallel": job.parallel,
        "color": "never",
        "suppress_progress": True,
        "on_event": recorder,
    }
    if job.verb != "refresh":
        words["refresh"] = job.refresh
    if job.verb in ("up", "destroy"):
        words["continue_on_error"] = job.continue_on_error
    code, said = 0, ""
    try:
        getattr(stack, job.verb)(**words)
    except EndedBadlyError as error:
        code, said = error.code, error.words
    except RuntimeError as error:  # a preview whose summary was lost
        recorder.distrust(str(error))
    recorder.finish()
    failures = tuple(str(f) for f in recorder.failures.values()) if code else ()
    return Outcome(tuple(recorder.steps), tuple(recorder.drift), recorder.outputs, failures, code, said, recorder.doubt)
