"""The gRPC service: decodes requests, keeps a configuration for each connection, maps errors."""

import functools
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2, status_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderServicer

from provisioner.model.errors import ProvisionError
from provisioner.sandbox.provider import lifecycle
from provisioner.sandbox.provider.aws import Aws, Call
from provisioner.sandbox.provider.check import auto_named, check
from provisioner.sandbox.provider.compare import changes
from provisioner.sandbox.provider.convert import Props, decode, encode, has_unknown
from provisioner.sandbox.provider.errors import InitFailedError, ProviderError, UnsupportedTypeError
from provisioner.sandbox.provider.invokes import INVOKES
from provisioner.sandbox.provider.lifecycle import Tagging
from provisioner.sandbox.provider.resource import Resource
from provisioner.sandbox.provider.types import RESOURCES

VERSION = "7.51.1+sandbox"
KNOWN_IDS = "provision-known-ids"
_DEFAULT_SECONDS = 20 * 60.0
_MOST_CONNECTIONS = 10_000
_NESTED = ("defaultTags", "ignoreTags", "allowedAccountIds", "forbiddenAccountIds")

log = logging.getLogger(__name__)
Handler = Callable[["Provider", Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration of one connection."""

    region: str
    tagging: Tagging


def _boundary(handler: Handler) -> Handler:
    """Expected errors become gRPC errors with their message, everything else is logged and said to be a bug."""

    @functools.wraps(handler)
    def wrapped(self: "Provider", request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return handler(self, request, context)
        except InitFailedError as error:
            context.set_trailing_metadata((("grpc-status-details-bin", _init_failed(error)),))
            context.abort(grpc.StatusCode.UNKNOWN, _text(error))
        except UnsupportedTypeError as error:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, _text(error))
        except ProvisionError as error:
            context.abort(grpc.StatusCode.UNKNOWN, _text(error))
        except Exception as error:
            log.exception("%s failed", handler.__name__)
            context.abort(grpc.StatusCode.INTERNAL, f"bug in the sandbox's provider: {type(error).__name__}: {error}")

    return wrapped


class Provider(ResourceProviderServicer):
    """The `aws` provider on the sandbox. One instance serves every stack; a connection's configuration is its own."""

    def __init__(self, aws: Aws, account: str) -> None:
        self._aws = aws
        self._account = account
        self._settings: OrderedDict[str, Settings] = OrderedDict()
        self._lock = Lock()
        self.stopped = Event()

    def Attach(self, _request: Any, _context: Any) -> Empty:  # noqa: N802 - names of the protocol, here and below
        return Empty()

    def Cancel(self, _request: Any, _context: Any) -> Empty:  # noqa: N802
        """Ignored: the engine of one stack sends it at the end of its update, others are still at work."""
        return Empty()

    def GetPluginInfo(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version=VERSION)

    @_boundary
    def CheckConfig(self, request: Any, _context: Any) -> Any:  # noqa: N802
        problems = []
        if not decode(request.news).get("region"):
            problems = [provider_pb2.CheckFailure(property="region", reason="the provider needs a region")]
        return provider_pb2.CheckResponse(inputs=request.news, failures=problems)

    @_boundary
    def DiffConfig(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """A change of the region replaces every resource; changes of tags are seen by each resource's own diff."""
        olds, news = decode(request.old_inputs) or decode(request.olds), decode(request.news)
        differing = sorted(k for k in olds.keys() | news.keys() if olds.get(k) != news.get(k) and k != "version")
        kind = provider_pb2.PropertyDiff.UPDATE_REPLACE
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if differing else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=differing,
            replaces=[k for k in differing if k == "region"],
            detailedDiff={
                k: provider_pb2.PropertyDiff(
                    kind=kind if k == "region" else provider_pb2.PropertyDiff.UPDATE, inputDiff=True
                )
                for k in differing
            },
            hasDetailedDiff=True,
        )

    @_boundary
    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        config = decode(request.args)
        prefix = "aws:config:"
        config.update({k.removeprefix(prefix): v for k, v in request.variables.items() if k.startswith(prefix)})
        for key in _NESTED:
            if isinstance(config.get(key), str):
                config[key] = json.loads(config[key])
        allowed, forbidden = config.get("allowedAccountIds"), config.get("forbiddenAccountIds") or ()
        if (allowed and self._account not in allowed) or self._account in forbidden:
            raise ProviderError(
                f"this sandbox is account {self._account}; the provider's configuration doesn't allow it",
                hint="correct `account` of the target in the registry",
            )
        if not config.get("region"):
            raise ProviderError("the provider has no region", hint="set `region` on the aws provider")
        ignored = config.get("ignoreTags") or {}
        tagging = Tagging(
            defaults=(config.get("defaultTags") or {}).get("tags") or {},
            ignored_keys=frozenset(ignored.get("keys") or ()),
            ignored_prefixes=tuple(ignored.get("keyPrefixes") or ()),
        )
        with self._lock:
            self._settings[context.peer()] = Settings(str(config["region"]), tagging)
            while len(self._settings) > _MOST_CONNECTIONS:
                self._settings.popitem(last=False)
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    @_boundary
    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        spec = _spec(request)
        inputs, problems = check(
            spec,
            decode(request.news),
            decode(request.olds) if request.HasField("olds") else None,
            name=_name(request),
            seed=request.randomSeed,
            default_tags=self._configuration(context).tagging.defaults,
        )
        return provider_pb2.CheckResponse(
            inputs=encode(inputs),
            failures=[provider_pb2.CheckFailure(property=key, reason=reason) for key, reason in problems],
        )

    @_boundary
    def Diff(self, request: Any, _context: Any) -> Any:  # noqa: N802
        spec = _spec(request)
        olds, news = decode(request.olds), decode(request.news)
        old_inputs = decode(request.old_inputs) if request.HasField("old_inputs") else olds
        ignored = set(request.ignoreChanges)
        found = [
            c
            for c in changes(spec.shapes, spec.force_new | spec.replace_if(news), old_inputs, olds, news)
            if c.root not in ignored and not any(c.path == i or c.path.startswith((f"{i}.", f"{i}[")) for i in ignored)
        ]
        replaces = sorted({c.root for c in found if c.replaces})
        detailed = {
            c.path: provider_pb2.PropertyDiff(
                kind=provider_pb2.PropertyDiff.Kind.Value(c.kind + ("_REPLACE" if c.replaces else "")),
                inputDiff=c.inputs,
            )
            for c in found
        }
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if found else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=sorted({c.root for c in found}),
            replaces=replaces,
            deleteBeforeReplace=bool(replaces) and _delete_first(spec, old_inputs, news),
            detailedDiff=detailed,
            hasDetailedDiff=True,
        )

    @_boundary
    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        spec, wanted = _spec(request), decode(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=encode(wanted))
        with self._call(spec, wanted, request, context) as call:
            tagging = self._configuration(context).tagging
            resource_id, state = lifecycle.create(spec, call, wanted, _known_ids(context), tagging)
        return provider_pb2.CreateResponse(id=resource_id, properties=encode(state))

    @_boundary
    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        spec, inputs, state = _spec(request), decode(request.inputs), decode(request.properties)
        with self._call(spec, inputs or state, request, context) as call:
            found = lifecycle.read(spec, call, request.id, inputs, state, self._configuration(context).tagging)
        if found is None:
            return provider_pb2.ReadResponse()
        resource_id, state, inputs = found
        return provider_pb2.ReadResponse(id=resource_id, properties=encode(state), inputs=encode(inputs))

    @_boundary
    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        spec, wanted, olds = _spec(request), decode(request.news), decode(request.olds)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=encode({**olds, **wanted}))
        old_inputs = decode(request.old_inputs) if request.HasField("old_inputs") else olds
        with self._call(spec, wanted, request, context) as call:
            tagging = self._configuration(context).tagging
            state = lifecycle.update(spec, call, request.id, old_inputs, wanted, tagging)
        return provider_pb2.UpdateResponse(properties=encode(state))

    @_boundary
    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        spec, state = _spec(request), decode(request.properties)
        with self._call(spec, state, request, context) as call:
            lifecycle.delete(spec, call, request.id, state)
        return Empty()

    @_boundary
    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        function = INVOKES.get(request.tok)
        if function is None:
            raise UnsupportedTypeError(f"{request.tok} is not supported by the sandbox")
        settings, args = self._configuration(context), decode(request.args)
        call = Call(self._aws, self._account, settings.region, time.monotonic() + 60, context.is_active, self.stopped)
        answer = provider_pb2.InvokeResponse()
        # `return` is a keyword of Python, so the field can't be named in the constructor.
        getattr(answer, "return").CopyFrom(encode(function(call, args)))
        return answer

    def _configuration(self, context: Any) -> Settings:
        peer = context.peer()
        with self._lock:
            settings = self._settings.get(peer)
            if settings is None:
                raise ProviderError("this connection was not configured", hint="run the same command again")
            self._settings.move_to_end(peer)
        return settings

    @contextmanager
    def _call(self, spec: Resource, props: Props, request: Any, context: Any) -> Iterator[Call]:
        """The request's way to the cloud. Messages of errors get the resource's type and name in front."""
        settings = self._configuration(context)
        if has_unknown(props):
            raise ProviderError(f"{_where(spec, request)}: an input is unknown; nothing was done")
        region = str(props.get("region") or settings.region) if spec.regional else settings.region
        deadline = time.monotonic() + (getattr(request, "timeout", 0) or _DEFAULT_SECONDS)
        try:
            yield Call(self._aws, self._account, region, deadline, context.is_active, self.stopped)
        except ProvisionError as error:
            error.message = f"{_where(spec, request)}: {error.message}"
            raise


def _spec(request: Any) -> Resource:
    token = request.type or request.urn.split("::")[2].rpartition("$")[2]
    spec = RESOURCES.get(token)
    if spec is None:
        raise UnsupportedTypeError(f"{token} is not supported by the sandbox")
    return spec


def _name(request: Any) -> str:
    return str(request.name or request.urn.rpartition("::")[2])


def _where(spec: Resource, request: Any) -> str:
    return f"{spec.token} {_name(request)!r}"


def _delete_first(spec: Resource, old_inputs: Props, news: Props) -> bool:
    """Where both can't exist at once: the type says so, or the program gave a physical name that stays the same."""
    if spec.delete_before_replace:
        return True
    if spec.name is None or auto_named(spec, news):
        return False
    return bool(old_inputs.get(spec.name.property) == news.get(spec.name.property))


def _known_ids(context: Any) -> frozenset[str] | None:
    """Ids that the engine's state holds for the resource; None where the engine doesn't say."""
    for key, value in context.invocation_metadata():
        if key == KNOWN_IDS:
            return frozenset(part for part in str(value).split(",") if part)
    return None


def _text(error: ProvisionError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message


def _init_failed(error: InitFailedError) -> bytes:
    details = provider_pb2.ErrorResourceInitFailed(
        id=error.resource_id,
        properties=encode(error.properties),
        inputs=encode(error.inputs),
        reasons=[error.message],
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=_text(error))
    status.details.add().Pack(details)
    return bytes(status.SerializeToString())
