"""What the official SDK takes for its connections to the engine: plain objects with the methods of the two stubs."""

import threading
from collections.abc import Callable
from typing import Any, Final, NoReturn

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, resource_pb2

from provisioner.engines.embedded import values
from provisioner.engines.embedded.executor import Executor
from provisioner.engines.embedded.goals import Goals
from provisioner.engines.embedded.plan import Goal
from provisioner.engines.embedded.planner import Planner
from provisioner.engines.embedded.run import Run, StepFailed, Stopped
from provisioner.engines.embedded.state import STACK_TYPE, Resource, make_urn, package_of, qualified_type
from provisioner.engines.embedded.values import Props

_FEATURES: Final = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
)


class MonitorError(grpc.RpcError):
    """What the SDK takes for a broken call. UNAVAILABLE ends a program quietly: the run knows the reason already."""

    def __init__(self, details: str) -> None:
        super().__init__(details)
        self._details = details

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return self._details


def _guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    """Record what goes wrong in a call, end the run, and let the SDK see a monitor that shuts down."""

    def call(self: "Monitor", request: Any) -> Any:
        try:
            self.run.check()
            reply = method(self, request)
            self.run.check()
        except (Stopped, StepFailed) as error:
            raise MonitorError("the run is ending") from error
        except Exception as error:
            subject = f"{request.type} {request.name}" if hasattr(request, "name") else ""
            self.run.fail(subject or getattr(request, "tok", ""), error)
            raise MonitorError("the run is ending") from error
        return reply

    return call


class Monitor:
    """The resource monitor of one run. The SDK calls it from its own threads, which carry out the steps."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.planner = Planner(run)
        self.executor = Executor(run, self.planner)
        self._goals = Goals(self._default_provider)
        self._registered: dict[str, tuple[Resource, Props]] = {}
        self._stack_outputs: tuple[str, Props] | None = None
        self._defaults = threading.Lock()
        self._default_providers: dict[tuple[str, str], str] = {}

    def __getattr__(self, name: str) -> Callable[[Any], NoReturn]:
        """Every other method of the stub is refused by its name."""

        def refused(_request: Any) -> NoReturn:
            error = values.refuse(f"the call {name} of the resource monitor")
            self.run.fail("", error)
            raise MonitorError(error.message)

        if name.startswith("_"):
            raise AttributeError(name)
        return refused

    def GetDeploymentInfo(self, _request: empty_pb2.Empty) -> resource_pb2.DeploymentInfo:  # noqa: N802 - the stub's
        return resource_pb2.DeploymentInfo(
            project=self.run.stack.project,
            stack=self.run.stack.name,
            organization="organization",
            dryRun=self.run.preview,
            parallel=self.run.options.parallel,
            supportedFeatures=_FEATURES,
        )

    def SignalAndWaitForShutdown(self, _request: empty_pb2.Empty) -> empty_pb2.Empty:  # noqa: N802 - the stub's
        return empty_pb2.Empty()

    @_guarded
    def RegisterResource(self, request: Any) -> resource_pb2.RegisterResourceResponse:  # noqa: N802 - the stub's
        goal, providers = self._goals.read(request)
        try:
            resource = self._register(goal)
        except StepFailed:
            if not self.run.options.continue_on_error:
                raise
            resource = None
        urn = make_urn(self.run.stack.name, self.run.stack.project, goal.parent, goal.type, goal.name)
        self._goals.remember(urn, goal, providers)
        if resource is None:
            return resource_pb2.RegisterResourceResponse(urn=urn, result=resource_pb2.FAIL)
        # A component's outputs may refer to children that are not registered yet, so it gets none back.
        outputs = resource.outputs if goal.custom else {}
        return resource_pb2.RegisterResourceResponse(urn=urn, id=resource.id, object=values.encode(outputs))

    def _register(self, goal: Goal) -> Resource | None:
        """Plan and carry out; None for what must wait because something that it needs has failed."""
        with self.run.planning:
            registration = self.planner.start(goal)
            if self.planner.skip(registration):
                self.run.message("skipped, since something that it needs has failed", goal.name)
                return None
            steps = self.planner.steps(registration)
        self.executor.chain(steps)
        if registration.importing:
            found = steps[0].resource
            with self.run.planning:
                steps = self.planner.imported(registration, found)
            self.executor.chain(steps)
            if not steps:
                registration.new = found
        old = registration.old
        self._registered[registration.urn] = (registration.new, old.outputs if old is not None else {})
        return registration.new

    @_guarded
    def ReadResource(self, request: Any) -> resource_pb2.ReadResourceResponse:  # noqa: N802 - the stub's
        if request.packageRef:
            raise values.refuse(f"parameterized packages ({request.type} {request.name})")
        package = package_of(request.type)
        goal = Goal(
            type=request.type,
            name=request.name,
            custom=True,
            inputs=values.decode(request.properties),
            parent=request.parent,
            provider=request.provider or self._goals.provider_for(package, request.parent, request.version),
            dependencies=list(dict.fromkeys(request.dependencies)),
            additional_secret_outputs=list(request.additionalSecretOutputs),
        )
        with self.run.planning:
            steps = self.planner.read(goal, request.id)
        self.executor.chain(steps)
        resource = steps[0].resource
        return resource_pb2.ReadResourceResponse(
            urn=resource.urn, id=resource.id, properties=values.encode(resource.outputs)
        )

    @_guarded
    def Invoke(self, request: Any) -> resource_pb2.ResourceInvokeResponse:  # noqa: N802 - the stub's
        package = request.tok.split(":", 1)[0]
        if request.packageRef or package == "pulumi":
            raise values.refuse(f"the function {request.tok}")
        reference = request.provider or self._goals.provider_for(package, request.parent, request.version)
        provider = self.run.registry.ensure(reference, self.run.journal.base)
        reply = provider.invoke(request.tok, values.decode(request.args), preview=self.run.preview)
        return resource_pb2.ResourceInvokeResponse(**{"return": getattr(reply, "return"), "failures": reply.failures})

    @_guarded
    def RegisterResourceOutputs(self, request: Any) -> empty_pb2.Empty:  # noqa: N802 - the stub's
        outputs = values.decode(request.outputs)
        if qualified_type(request.urn) == STACK_TYPE:
            # They are settled at the end, when it is known whether the run has succeeded.
            self._stack_outputs = (request.urn, outputs)
        elif request.urn in self._registered:
            self._set_outputs(request.urn, outputs)
        return empty_pb2.Empty()

    def settle_stack_outputs(self, *, failed: bool) -> None:
        """Put the stack's outputs into the state. After a failure the missing ones keep their old values."""
        if self._stack_outputs is None:
            return
        urn, outputs = self._stack_outputs
        if urn not in self._registered:
            return
        if not self.run.preview:
            outputs = {key: value for key, value in outputs.items() if not values.has_unknown(value)}
        self._set_outputs(urn, {**self._registered[urn][1], **outputs} if failed else outputs)

    def _set_outputs(self, urn: str, outputs: Props) -> None:
        resource = self._registered[urn][0]
        if resource.outputs != outputs:
            resource.outputs = outputs
            self.run.journal.touched(resource)

    def _default_provider(self, package: str, version: str) -> str:
        """The provider for resources that name none: registered on first use, without a configuration."""
        with self._defaults:
            if (package, version) not in self._default_providers:
                name = f"default_{version}" if version else "default"
                inputs = {"version": version, "__internal": {}} if version else {}
                kind = f"pulumi:providers:{package}"
                goal = Goal(kind, "".join(c if c.isalnum() else "_" for c in name), custom=True, inputs=inputs)
                resource = self._register(goal)
                if resource is None:
                    raise StepFailed
                self._default_providers[package, version] = f"{resource.urn}::{resource.id}"
            return self._default_providers[package, version]


class Log:
    """The engine's side that programs log to."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def Log(self, request: Any) -> empty_pb2.Empty:  # noqa: N802 - the stub's
        if request.severity != engine_pb2.DEBUG and not request.ephemeral:
            self._run.message(request.message, request.urn.rsplit("::", 1)[-1])
        return empty_pb2.Empty()

    def RequirePulumiVersion(self, request: Any) -> empty_pb2.Empty:  # noqa: N802 - the stub's
        raise MonitorError(f"the embedded engine has no Pulumi version to compare with {request.pulumi_version_range}")
