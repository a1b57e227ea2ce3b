"""Runs the real program against Pulumi's mocks and keeps what it registered: inputs as the cloud would get them."""

import asyncio
import contextvars
import json
import logging
from dataclasses import dataclass, field
from typing import Any

from pulumi.runtime import rpc, settings
from pulumi.runtime.mocks import MockCallArgs, MockEngine, MockMonitor, MockResourceArgs, Mocks, MockSettings
from pulumi.runtime.stack import run_in_stack

from provisioner.model.stack import StackArgs
from stacks.tenant import program

ACCOUNT = "123456789012"
# Outputs that the cloud would compute, one made-up value for each name.
COMPUTED: dict[str, Any] = {
    "dnsName": "127.20.3.1",
    "publicDns": "127.20.3.2",
    "publicIp": "127.20.3.2",
    "zoneId": "ZONEOFALB",
    "domainValidationOptions": [
        {"resourceRecordName": "_p", "resourceRecordType": "CNAME", "resourceRecordValue": "_v"}
    ],
    "fqdn": "_p.acme.example.com",
}


@dataclass(frozen=True)
class Resource:
    """One registered resource; `inputs` in the provider's camelCase."""

    urn: str
    type: str
    name: str
    inputs: dict[str, Any]
    protect: bool = False
    delete_before_replace: bool = False
    retain_on_delete: bool = False
    ignore_changes: tuple[str, ...] = ()
    depends_on: frozenset[str] = frozenset()

    def policy(self, key: str = "policy") -> list[dict[str, Any]]:
        """Statements of a policy document among the inputs."""
        statements: list[dict[str, Any]] = json.loads(self.inputs[key])["Statement"]
        return statements


@dataclass
class Recording:
    """All custom resources in the order of their registration, and the stack's outputs."""

    args: StackArgs
    resources: list[Resource] = field(default_factory=list)
    components: list[str] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def of(self, *types: str) -> list[Resource]:
        """Resources of the types `module:Class`, for example `rds:Instance`."""
        return [r for r in self.resources if short(r.type) in types]

    def named(self, name: str, kind: str) -> Resource:
        """The one resource with that logical name and type."""
        (found,) = [r for r in self.of(kind) if r.name == name]
        return found


def short(token: str) -> str:
    """`aws:rds/instance:Instance` -> `rds:Instance`."""
    _, module, kind = token.split(":")
    return f"{module.partition('/')[0]}:{kind}"


def record(args: StackArgs, *, unknown: bool = False) -> Recording:
    """Run the program to its end. With `unknown`, no resource has outputs of its own, as in a first preview."""
    recording = Recording(args)
    contextvars.copy_context().run(_run, recording, unknown)
    return recording


def _run(recording: Recording, unknown: bool) -> None:
    monitor = _Monitor(recording, unknown)
    settings.configure(
        MockSettings(  # type: ignore[no-untyped-call]  # the SDK's mocks have few annotations
            monitor=monitor,
            monitor_features=set(_features(monitor)),
            engine=MockEngine(logging.getLogger(__name__)),
            project=recording.args.project,
            stack=recording.args.name,
            dry_run=unknown,
            organization="organization",
            callbacks=None,
        )
    )
    settings.set_root_resource(None)  # type: ignore[arg-type]  # the SDK resets it so, too
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(run_in_stack(program(recording.args)))
    finally:
        asyncio.set_event_loop(None)
        loop.close()


class _Monitor(MockMonitor):
    """Pulumi's own mock monitor, which forgets the options."""

    def __init__(self, recording: Recording, unknown: bool) -> None:
        super().__init__(_Cloud(unknown))
        self._recording = recording

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call]  # as above
        if request.custom:
            self._recording.resources.append(
                Resource(
                    urn=response.urn,
                    type=request.type,
                    name=request.name,
                    inputs=rpc.deserialize_properties(request.object),
                    protect=request.protect,
                    delete_before_replace=request.deleteBeforeReplace,
                    retain_on_delete=request.retainOnDelete,
                    ignore_changes=tuple(request.ignoreChanges),
                    depends_on=frozenset(request.dependencies),
                )
            )
        else:
            self._recording.components.append(request.type)
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        if request.urn.rpartition("::")[0].endswith("pulumi:pulumi:Stack"):
            self._recording.outputs = rpc.deserialize_properties(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]  # as above


class _Cloud(Mocks):
    """Gives every resource an id and its outputs."""

    def __init__(self, unknown: bool) -> None:
        self._unknown = unknown

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if self._unknown:
            return "", args.inputs
        own: dict[str, Any] = {
            "arn": f"arn:aws:{args.typ}:{args.name}",
            "arnSuffix": f"suffix/{args.name}",
            "keyId": f"{args.name}-key-id",
        }
        if args.typ == "aws:rds/instance:Instance":
            secret = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:rds!{args.name}"
            own |= {
                "address": f"{args.name}.rds.example.com",
                "resourceId": f"db-{args.name.upper()}",
                "masterUserSecrets": [{"secretArn": secret}],
            }
        return f"{args.name}-id", COMPUTED | own | args.inputs

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        assert args.token == "aws:route53/getZone:getZone"
        return {"name": args.args["name"], "zoneId": "Z1", "id": "Z1"}, []


def _features(monitor: MockMonitor) -> list[int]:
    return list(monitor.GetDeploymentInfo(None).supportedFeatures)  # type: ignore[no-untyped-call]  # as above
