"""A resource provider seen through gRPC: a connection for each provider resource, since a connection is configured."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from provisioner.engines.embedded import values
from provisioner.engines.embedded.diffs import Diff
from provisioner.engines.embedded.state import name_of, type_of
from provisioner.engines.embedded.values import Props
from provisioner.model.errors import EngineError, UnsupportedError

_OPTIONS: Final = [
    # Without its own pool, two channels to one address share a connection, and with it the provider's configuration.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", 400 * 1024 * 1024),
    ("grpc.max_send_message_length", 400 * 1024 * 1024),
]
_QUICK: Final = 120.0
_SLOW: Final = 3600.0
_UNCERTAIN: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
_INTERNAL: Final = "__internal"

Remaining = Callable[[], float | None]


class ProviderError(EngineError):
    """A call failed. `uncertain`: nobody knows whether the provider has acted (the reply was lost or late)."""

    def __init__(self, message: str, *, uncertain: bool = False, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.uncertain = uncertain


class InitError(EngineError):
    """The object is there but isn't well: `reasons`; the state keeps it with its id and outputs."""

    def __init__(self, detail: provider_pb2.ErrorResourceInitFailed) -> None:
        self.reasons = list(detail.reasons)
        self.id: str = detail.id
        self.outputs = values.decode(detail.properties)
        self.inputs = values.decode(detail.inputs) if detail.HasField("inputs") else None
        super().__init__("; ".join(self.reasons) or "the resource failed to initialize")


@dataclass(frozen=True, slots=True)
class Read:
    """What the cloud has. `outputs` is None for an object that is gone, `inputs` where the provider doesn't say."""

    id: str
    inputs: Props | None
    outputs: Props | None
    reasons: tuple[str, ...] = ()


class Provider:
    """One connection to a provider, closed by `close`. `remaining`: seconds left for the whole run, None for no limit.

    Calls raise ProviderError, and Create, Update and Read InitError."""

    def __init__(self, package: str, address: str, remaining: Remaining) -> None:
        self.package = package
        self.configured = False
        """False while an input is unknown, in a preview: then nothing that needs a configuration is called."""
        self._remaining = remaining
        self._accept_secrets = self._accept_references = self._supports_preview = False
        self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        self._stub = provider_pb2_grpc.ResourceProviderStub(self._channel)
        self._refuse_the_real_cloud()

    def close(self) -> None:
        """Give the connection back."""
        self._channel.close()

    def _refuse_the_real_cloud(self) -> None:
        try:
            version = self._call("GetPluginInfo", empty_pb2.Empty()).version
            if version.endswith("+sandbox"):
                return
        except BaseException:
            self.close()
            raise
        self.close()
        raise UnsupportedError(
            f"the embedded engine serves the sandbox only, and this provider is {self.package} {version or '?'}",
            hint="run the same command with --engine pulumi",
        )

    def _call(self, method: str, request: Any, timeout: float = _QUICK, metadata: Any = None) -> Any:
        remaining = self._remaining()
        # A little later than the run's own end, so that a call which is cut off is told from one that failed.
        limit = timeout if remaining is None else min(timeout, max(0.0, remaining) + 0.1)
        try:
            return getattr(self._stub, method)(request, timeout=limit, metadata=metadata)
        except grpc.RpcError as error:
            raise _translate(error, self.package) from None

    def _encode(self, props: Props) -> Any:
        return values.encode(props, secrets=self._accept_secrets, references=self._accept_references)

    def _decode(self, struct: Any, *inputs: Props) -> Props:
        """A reply, with the marks of `inputs` put back where the provider doesn't keep them."""
        props = values.decode(struct)
        if not self._accept_secrets:
            for given in inputs:
                values.annotate(props, given)
        return props

    def check_config(self, urn: str, olds: Props, news: Props) -> tuple[Props, list[str]]:
        """Checked inputs of a provider resource, and what is wrong with them."""
        request = provider_pb2.CheckRequest(**_names(urn), **_bare(olds=olds, news=news))
        try:
            reply = self._call("CheckConfig", request)
        except UnimplementedError:
            return dict(news), []
        inputs = values.decode(reply.inputs)
        values.annotate(inputs, news)
        return inputs, _failures(reply)

    def diff_config(self, urn: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Diff:
        """What a new configuration means for what the old one manages."""
        props = _bare(old_inputs=old_inputs, olds=old_outputs, news=new_inputs)
        try:
            return _diff(self._call("DiffConfig", provider_pb2.DiffRequest(**_names(urn), **props)))
        except UnimplementedError:
            return Diff(False, unknown=True)

    def configure(self, urn: str, identifier: str, inputs: Props) -> None:
        """Make the connection usable, unless something is unknown yet."""
        if values.has_unknown(inputs):
            return
        bare = {key: values.plain(value) for key, value in inputs.items() if key != "version"}
        variables = {
            f"{self.package}:config:{key}": value if isinstance(value, str) else json.dumps(value)
            for key, value in bare.items()
        }
        reply = self._call(
            "Configure",
            provider_pb2.ConfigureRequest(
                **_names(urn),
                id=identifier,
                variables=variables,
                args=values.encode(inputs),
                acceptSecrets=True,
                acceptResources=True,
                sends_old_inputs=True,
                sends_old_inputs_to_delete=True,
            ),
        )
        self._accept_secrets = reply.acceptSecrets
        self._accept_references = reply.acceptResources
        self._supports_preview = reply.supportsPreview
        self.configured = True

    def check(self, urn: str, olds: Props, news: Props, seed: bytes) -> tuple[Props, list[str]]:
        """Inputs with defaults filled in, and what is wrong with them."""
        if not self.configured:
            return dict(news), []
        props = {"olds": self._encode(olds), "news": self._encode(news)}
        reply = self._call("Check", provider_pb2.CheckRequest(**_names(urn), **props, randomSeed=seed))
        return self._decode(reply.inputs, news), _failures(reply)

    def diff(self, urn: str, identifier: str, old: tuple[Props, Props], news: Props, ignored: list[str]) -> Diff:
        """What `news` changes. `old`: inputs and outputs."""
        if not self.configured:
            return Diff(True)
        request = provider_pb2.DiffRequest(
            **_names(urn),
            id=identifier,
            old_inputs=self._encode(old[0]),
            olds=self._encode(old[1]),
            news=self._encode(news),
            ignoreChanges=ignored,
        )
        return _diff(self._call("Diff", request))

    def create(
        self, urn: str, inputs: Props, *, known_ids: list[str], timeout: float = 0, preview: bool = False
    ) -> tuple[str, Props]:
        """Id and outputs. `known_ids`: what our state holds for the URN; anything else with our tags may be adopted."""
        if preview and not self.configured:
            return "", {}
        if preview and not self._supports_preview:
            return "", dict(inputs)
        request = provider_pb2.CreateRequest(
            **_names(urn), properties=self._encode(inputs), timeout=timeout, preview=preview
        )
        try:
            reply = self._call("Create", request, _limit(timeout), (("provision-known-ids", ",".join(known_ids)),))
        except InitError as error:
            self._annotate(error, inputs)
            raise
        if not reply.id and not preview:
            raise ProviderError("the provider did not return an id from Create")
        return reply.id, self._decode(reply.properties, inputs)

    def update(
        self,
        urn: str,
        identifier: str,
        old: tuple[Props, Props],
        news: Props,
        *,
        ignored: list[str],
        timeout: float = 0,
        preview: bool = False,
    ) -> Props:
        """Outputs. `old`: inputs and outputs."""
        if preview and not self.configured:
            return {}
        if preview and not self._supports_preview:
            return dict(news)
        request = provider_pb2.UpdateRequest(
            **_names(urn),
            id=identifier,
            old_inputs=self._encode(old[0]),
            olds=self._encode(old[1]),
            news=self._encode(news),
            ignoreChanges=ignored,
            timeout=timeout,
            preview=preview,
        )
        try:
            return self._decode(self._call("Update", request, _limit(timeout)).properties, news)
        except InitError as error:
            self._annotate(error, news)
            raise

    def read(self, urn: str, identifier: str, inputs: Props | None, state: Props, timeout: float = 0) -> Read:
        """What the cloud has under an id. An unhealthy object is no error here: see `Read.reasons`."""
        if not self.configured:
            return Read(identifier, {}, {})
        request = provider_pb2.ReadRequest(
            **_names(urn), id=identifier, properties=self._encode(state), timeout=timeout
        )
        if inputs is not None:
            request.inputs.CopyFrom(self._encode(inputs))
        try:
            reply = self._call("Read", request, _limit(timeout))
        except InitError as error:
            self._annotate(error, inputs or state)
            return Read(error.id, error.inputs, error.outputs, tuple(error.reasons))
        return Read(
            reply.id,
            self._decode(reply.inputs, inputs or {}) if reply.HasField("inputs") else None,
            self._decode(reply.properties, state) if reply.HasField("properties") else None,
        )

    def delete(self, urn: str, identifier: str, old: tuple[Props, Props], timeout: float = 0) -> None:
        """Delete; what is gone already is success."""
        request = provider_pb2.DeleteRequest(
            **_names(urn),
            id=identifier,
            old_inputs=self._encode(old[0]),
            properties=self._encode(old[1]),
            timeout=timeout,
        )
        self._call("Delete", request, _limit(timeout))

    def invoke(self, token: str, args: Props, *, preview: bool) -> Any:
        """The reply (`return`, `failures`) of a function."""
        if not self.configured:
            return provider_pb2.InvokeResponse()
        return self._call("Invoke", provider_pb2.InvokeRequest(tok=token, args=self._encode(args), preview=preview))

    def _annotate(self, error: InitError, inputs: Props) -> None:
        if not self._accept_secrets:
            values.annotate(error.outputs, inputs)


class UnimplementedError(ProviderError):
    """The provider doesn't have this method, which for some is no failure."""


def _translate(error: grpc.RpcError, package: str) -> EngineError:
    code, message = error.code(), error.details() or str(error.code().name)
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return UnimplementedError(message)
    detail = _init_failure(error)
    if detail is not None:
        return InitError(detail)
    if code is grpc.StatusCode.UNAVAILABLE:
        hint = "provision sandbox status"
        return ProviderError(f"the provider {package} can't be reached: {message}", uncertain=True, hint=hint)
    return ProviderError(message, uncertain=code in _UNCERTAIN)


def _init_failure(error: grpc.RpcError) -> provider_pb2.ErrorResourceInitFailed | None:
    metadata: Any = error.trailing_metadata() or ()
    for key, value in metadata:
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                found = provider_pb2.ErrorResourceInitFailed()
                if detail.Unpack(found):
                    return found
    return None


def _names(urn: str) -> dict[str, Any]:
    return {"urn": urn, "name": name_of(urn), "type": type_of(urn)}


def _bare(**props: Props) -> dict[str, Any]:
    """Configurations travel without marks and without the engine's own key."""
    return {name: values.encode(configuration(value), secrets=False) for name, value in props.items()}


def configuration(inputs: Props) -> Props:
    """Inputs of a provider resource without what is the engine's own."""
    return {key: value for key, value in inputs.items() if key != _INTERNAL}


def _failures(reply: Any) -> list[str]:
    return [f"{f.property}: {f.reason}" if f.property else str(f.reason) for f in reply.failures]


def _limit(timeout: float) -> float:
    """The provider ends by itself after `timeout` seconds; a call that takes longer has lost it."""
    return timeout + _QUICK if timeout else _SLOW


def _diff(reply: Any) -> Diff:
    return Diff(
        some=reply.changes == provider_pb2.DiffResponse.DIFF_SOME,
        unknown=reply.changes == provider_pb2.DiffResponse.DIFF_UNKNOWN,
        replaces=tuple(reply.replaces),
        changed=tuple(reply.diffs),
        kinds={path: change.kind for path, change in reply.detailedDiff.items()} if reply.hasDetailedDiff else None,
        delete_before_replace=reply.deleteBeforeReplace,
    )
