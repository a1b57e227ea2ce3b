"""A small cloud and its real gRPC provider, and the resources to program it with.

What a property means is in its name: a change of `fixed...` replaces, of `slot...` replaces with the deletion first;
`password` comes back as the output `echo`; what is `fixedWithin` an object's id goes when that goes. Objects know the
URN that made them, as tags would.
"""
# ruff: noqa: N802 - the stub's names

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pulumi
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from provisioner.engines.embedded import values

Props = dict[str, Any]


@dataclass(slots=True)
class Object:
    """One thing in the cloud."""

    id: str
    urn: str
    props: Props


@dataclass
class Cloud:
    """All objects, every call in order, and what shall go wrong. Rules are keyed by (method, name of the resource)."""

    version: str = "1.0.0+sandbox"
    accept_secrets: bool = True
    supports_preview: bool = True
    objects: dict[str, Object] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    failing: dict[tuple[str, str], grpc.StatusCode] = field(default_factory=dict)
    unhealthy: set[str] = field(default_factory=set)
    before: dict[tuple[str, str], Callable[[], None]] = field(default_factory=dict)
    after: dict[tuple[str, str], Callable[[], None]] = field(default_factory=dict)
    latency: float = 0.0
    adopts: bool = True
    seen_props: list[Props] = field(default_factory=list)
    known_ids: list[str | None] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    address: str = ""

    def named(self, name: str) -> list[Object]:
        """Objects that the resource of this name made."""
        return [o for o in self.objects.values() if o.urn.endswith(f"::{name}")]

    def remove(self, identifier: str) -> None:
        """Take an object away, and what lies within it."""
        self.objects.pop(identifier, None)
        for inner in [o.id for o in self.objects.values() if o.props.get("fixedWithin") == identifier]:
            self.remove(inner)

    def names(self) -> list[str]:
        """Resource names of all objects, sorted, with repetitions."""
        return sorted(o.urn.rsplit("::", 1)[-1] for o in self.objects.values())

    def took(self, *methods: str) -> list[tuple[str, str]]:
        """The calls of some methods, in order."""
        return [call for call in self.calls if call[0] in methods]

    def forget(self) -> None:
        """Start a new list of calls."""
        self.calls.clear()
        self.seen_props.clear()


def outputs(thing: Object) -> Props:
    """What the provider answers for an object."""
    shown = {**thing.props, "arn": f"arn:{thing.id}", "size": len(thing.props)}
    if "password" in thing.props:
        shown["echo"] = values.plain(thing.props["password"])
    return shown


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """The provider."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.regions: dict[str, str] = {}

    def _enter(self, method: str, request: Any, context: grpc.ServicerContext) -> None:
        cloud = self.cloud
        with cloud.lock:
            cloud.calls.append((method, request.name))
        time.sleep(cloud.latency)
        if hook := cloud.before.get((method, request.name)):
            hook()
        if code := cloud.failing.get((method, request.name)):
            context.abort(code, f"{method} of {request.name} failed as asked")

    def _leave(self, method: str, request: Any, thing: Object, context: grpc.ServicerContext) -> None:
        if hook := self.cloud.after.get((method, request.name)):
            hook()
        if request.name in self.cloud.unhealthy:
            detail = provider_pb2.ErrorResourceInitFailed(
                id=thing.id, properties=values.encode(outputs(thing)), reasons=["it does not feel well"]
            )
            packed = any_pb2.Any()
            packed.Pack(detail)
            status = status_pb2.Status(code=2, message="unhealthy", details=[packed])
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            context.abort(grpc.StatusCode.UNKNOWN, "unhealthy")

    def _note(self, props: Props) -> Props:
        with self.cloud.lock:
            self.cloud.seen_props.append(props)
        return props

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=self.cloud.version)

    def Attach(self, request: Any, context: Any) -> Any:
        """The CLI attaches itself to a provider that runs already."""
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: Any) -> Any:
        """Ignored: every engine says it at its end, and others are still at work."""
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        before, after = values.decode(request.old_inputs), values.decode(request.news)
        replaces = ["region"] if before.get("region") != after.get("region") else []
        some = before != after
        changes = provider_pb2.DiffResponse.DIFF_SOME if some else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=changes, replaces=replaces, diffs=replaces)

    def Configure(self, request: Any, context: Any) -> Any:
        self.regions[context.peer()] = request.variables.get("toy:config:region", "")
        return provider_pb2.ConfigureResponse(
            acceptSecrets=self.cloud.accept_secrets, supportsPreview=self.cloud.supports_preview
        )

    def Check(self, request: Any, context: Any) -> Any:
        self._enter("Check", request, context)
        news, olds = values.decode(request.news), values.decode(request.olds)
        if news.get("invalid") is True:
            return provider_pb2.CheckResponse(
                inputs=request.news, failures=[provider_pb2.CheckFailure(property="invalid", reason="must not be true")]
            )
        if news.get("autoname"):
            news.setdefault("fixedName", olds.get("fixedName") or f"{request.name}-{request.randomSeed.hex()[:7]}")
        return provider_pb2.CheckResponse(inputs=values.encode(news))

    def Diff(self, request: Any, context: Any) -> Any:
        self._enter("Diff", request, context)
        before, after = values.plain(values.decode(request.old_inputs)), values.plain(values.decode(request.news))
        detailed: dict[str, Any] = {}
        for key in sorted({*before, *after}):
            if before.get(key) != after.get(key):
                replaces = key.startswith(("fixed", "slot"))
                kind = provider_pb2.PropertyDiff.UPDATE_REPLACE if replaces else provider_pb2.PropertyDiff.UPDATE
                detailed[key] = provider_pb2.PropertyDiff(kind=kind)
        replaces = [key for key in detailed if key.startswith(("fixed", "slot"))]
        some = provider_pb2.DiffResponse.DIFF_SOME if detailed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=some,
            replaces=replaces,
            diffs=list(detailed),
            detailedDiff=detailed,
            hasDetailedDiff=True,
            deleteBeforeReplace=any(key.startswith("slot") for key in replaces),
        )

    def Create(self, request: Any, context: Any) -> Any:
        if request.preview:
            props = {**values.decode(request.properties), "arn": values.UNKNOWN, "size": values.UNKNOWN}
            return provider_pb2.CreateResponse(properties=values.encode(props))
        self._enter("Create", request, context)
        props = self._note(values.decode(request.properties))
        known = dict(context.invocation_metadata()).get("provision-known-ids")
        with self.cloud.lock:
            self.cloud.known_ids.append(known)
            thing = self._adopt(request.urn, known) or self._make(request.urn, request.name)
            thing.props = props
        self._leave("Create", request, thing, context)
        return provider_pb2.CreateResponse(id=thing.id, properties=values.encode(outputs(thing)))

    def _adopt(self, urn: str, known: str | None) -> Object | None:
        ours = (o for o in self.cloud.objects.values() if o.urn == urn)
        return (
            None
            if known is None or not self.cloud.adopts
            else next((o for o in ours if o.id not in known.split(",")), None)
        )

    def _make(self, urn: str, name: str) -> Object:
        self.cloud.numbers[name] += 1
        thing = Object(f"{name}-{self.cloud.numbers[name]}", urn, {})
        self.cloud.objects[thing.id] = thing
        return thing

    def Update(self, request: Any, context: Any) -> Any:
        props = values.decode(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=values.encode({**props, "arn": f"arn:{request.id}"}))
        self._enter("Update", request, context)
        thing = self.cloud.objects.get(request.id)
        if thing is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"{request.id} is gone")
            raise AssertionError
        thing.props = self._note(props)
        self._leave("Update", request, thing, context)
        return provider_pb2.UpdateResponse(properties=values.encode(outputs(thing)))

    def Read(self, request: Any, context: Any) -> Any:
        self._enter("Read", request, context)
        thing = self.cloud.objects.get(request.id)
        if thing is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=thing.id, inputs=values.encode(thing.props), properties=values.encode(outputs(thing))
        )

    def Delete(self, request: Any, context: Any) -> Any:
        self._enter("Delete", request, context)
        with self.cloud.lock:
            self.cloud.remove(request.id)
        if hook := self.cloud.after.get(("Delete", request.name)):
            hook()
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        args = values.decode(request.args)
        if args.get("bad"):
            failure = provider_pb2.CheckFailure(property="bad", reason="is bad")
            return provider_pb2.InvokeResponse(failures=[failure])
        reply: Props = {"region": self.regions.get(context.peer(), "?"), "asked": args.get("ask")}
        packed: Props = {"return": values.encode(reply)}
        return provider_pb2.InvokeResponse(**packed)


@contextmanager
def served(cloud: Cloud) -> Iterator[Cloud]:
    """The cloud behind a server on loopback."""
    server = grpc.server(ThreadPoolExecutor(32))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(cloud), server)
    cloud.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield cloud
    finally:
        server.stop(None).wait()


class Toy(pulumi.ProviderResource):
    """The toy provider's configuration."""

    def __init__(self, name: str = "toy", region: Any = "here", opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("toy", name, {"region": region}, opts)


class Thing(pulumi.CustomResource):
    """Something in the toy cloud."""

    arn: pulumi.Output[str]
    size: pulumi.Output[int]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None, **props: Any) -> None:
        super().__init__("toy:index:Thing", name, {"arn": None, "size": None, "echo": None, **props}, opts)

    @staticmethod
    def look(name: str, identifier: str, opts: pulumi.ResourceOptions | None = None) -> "Thing":
        """Look at somebody else's."""
        return Thing(name, pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(id=identifier)))


class Box(pulumi.ComponentResource):
    """A component."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("toy:index:Box", name, {}, opts)


def options(provider: pulumi.ProviderResource, **kwargs: Any) -> pulumi.ResourceOptions:
    """Options of a resource that this provider serves."""
    return pulumi.ResourceOptions(provider=provider, **kwargs)


def invoke(provider: pulumi.ProviderResource, args: Mapping[str, Any]) -> Any:
    """Call the toy's function."""
    return pulumi.runtime.invoke("toy:index:lookup", dict(args), pulumi.InvokeOptions(provider=provider)).value
