"""What an engine does with a provider, by gRPC: a connection of its own, requests as the real engine sends them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2, status_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub

from provisioner.sandbox.provider.convert import Props, decode, encode

NONE = provider_pb2.DiffResponse.DIFF_NONE
SOME = provider_pb2.DiffResponse.DIFF_SOME


@dataclass
class Made:
    """A resource as an engine's state holds it."""

    token: str
    name: str
    id: str
    inputs: Props
    state: Props


@dataclass
class Engine:
    """One configured connection. `stack` and the logical name go into every resource's tags, as the program does it."""

    port: int
    region: str = "eu-west-1"
    stack: str = "acme"
    config: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = 120

    def __post_init__(self) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}", [("grpc.use_local_subchannel_pool", 1)])
        self.stub = ResourceProviderStub(self.channel)
        args = {"region": self.region, **self.config}
        self.stub.Configure(provider_pb2.ConfigureRequest(args=encode(args)), timeout=self.timeout)

    def urn(self, token: str, name: str) -> str:
        return f"urn:pulumi:{self.stack}::tenant::{token}::{name}"

    def tags(self, name: str) -> dict[str, str]:
        return {"provision:tenant": self.stack, "provision:stack": self.stack, "provision:resource": name}

    def check(self, token: str, name: str, inputs: Props, olds: Props | None = None, seed: bytes = b"seed") -> Any:
        return self.stub.Check(
            provider_pb2.CheckRequest(
                urn=self.urn(token, name),
                news=encode(inputs),
                olds=encode(olds) if olds is not None else None,
                randomSeed=seed,
                name=name,
                type=token,
            ),
            timeout=self.timeout,
        )

    def checked(self, token: str, name: str, inputs: Props, olds: Props | None = None) -> Props:
        answer = self.check(token, name, inputs, olds)
        assert not answer.failures, [f.reason for f in answer.failures]
        return decode(answer.inputs)

    def create(
        self, token: str, name: str, inputs: Props, *, known: list[str] | None = None, timeout: float = 60
    ) -> Made:
        wanted = self.checked(token, name, inputs)
        return self.create_checked(token, name, wanted, known=known, timeout=timeout)

    def create_checked(
        self, token: str, name: str, wanted: Props, *, known: list[str] | None = None, timeout: float = 60
    ) -> Made:
        request = provider_pb2.CreateRequest(
            urn=self.urn(token, name), properties=encode(wanted), name=name, type=token, timeout=timeout
        )
        metadata = (("provision-known-ids", ",".join(known)),) if known is not None else None
        answer = self.stub.Create(request, metadata=metadata, timeout=self.timeout)
        return Made(token, name, answer.id, wanted, decode(answer.properties))

    def preview(self, token: str, name: str, inputs: Props) -> Props:
        request = provider_pb2.CreateRequest(
            urn=self.urn(token, name), properties=encode(self.checked(token, name, inputs)), preview=True, type=token
        )
        answer = self.stub.Create(request, timeout=self.timeout)
        assert answer.id == ""
        return decode(answer.properties)

    def diff(self, made: Made, news: Props, ignore: tuple[str, ...] = ()) -> Any:
        request = provider_pb2.DiffRequest(
            id=made.id,
            urn=self.urn(made.token, made.name),
            olds=encode(made.state),
            old_inputs=encode(made.inputs),
            news=encode(news),
            ignoreChanges=ignore,
            name=made.name,
            type=made.token,
        )
        return self.stub.Diff(request, timeout=self.timeout)

    def update(self, made: Made, news: Props) -> Made:
        request = provider_pb2.UpdateRequest(
            id=made.id,
            urn=self.urn(made.token, made.name),
            olds=encode(made.state),
            old_inputs=encode(made.inputs),
            news=encode(news),
            name=made.name,
            type=made.token,
            timeout=60,
        )
        answer = self.stub.Update(request, timeout=self.timeout)
        return Made(made.token, made.name, made.id, news, decode(answer.properties))

    def refresh(self, made: Made) -> Made | None:
        """As a refresh reads: with inputs and state."""
        return self._read(made.token, made.name, made.id, made.inputs, made.state)

    def import_(self, token: str, name: str, resource_id: str) -> Made | None:
        """As an import reads: by id alone."""
        return self._read(token, name, resource_id, {}, {})

    def _read(self, token: str, name: str, resource_id: str, inputs: Props, state: Props) -> Made | None:
        request = provider_pb2.ReadRequest(
            id=resource_id,
            urn=self.urn(token, name),
            inputs=encode(inputs),
            properties=encode(state),
            name=name,
            type=token,
        )
        answer = self.stub.Read(request, timeout=self.timeout)
        return Made(token, name, answer.id, decode(answer.inputs), decode(answer.properties)) if answer.id else None

    def delete(self, made: Made) -> None:
        request = provider_pb2.DeleteRequest(
            id=made.id,
            urn=self.urn(made.token, made.name),
            properties=encode(made.state),
            old_inputs=encode(made.inputs),
            name=made.name,
            type=made.token,
            timeout=60,
        )
        self.stub.Delete(request, timeout=self.timeout)

    def invoke(self, token: str, args: Props) -> Props:
        answer = self.stub.Invoke(provider_pb2.InvokeRequest(tok=token, args=encode(args)), timeout=self.timeout)
        return decode(getattr(answer, "return"))

    def close(self) -> None:
        self.channel.close()


def init_failed(error: Any) -> Any:
    """The details of a resource that exists and isn't finished; fails where the error has none."""
    for key, value in error.trailing_metadata():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            details = provider_pb2.ErrorResourceInitFailed()
            assert status.details[0].Unpack(details)
            return details
    raise AssertionError(f"no details in {error}")
