"""The sandbox's Pulumi `aws` resource provider, served by gRPC in the daemon."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

from provisioner.sandbox.world import World

_THREADS = 32
_STOP_SECONDS = 2.0
_lock = Lock()
_running: list[tuple[Any, Any]] = []


def serve(world: World) -> int:
    """Serve on a free port of 127.0.0.1 and return it. The provider calls the cloud at `world.endpoint_url`."""
    import grpc
    from pulumi.runtime.proto.provider_pb2_grpc import add_ResourceProviderServicer_to_server

    from provisioner.sandbox.provider.aws import Aws
    from provisioner.sandbox.provider.server import Provider

    provider = Provider(Aws(world.endpoint_url), world.account)
    server = grpc.server(
        ThreadPoolExecutor(_THREADS, thread_name_prefix="provider"),
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
    )
    add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with _lock:
        _running.append((server, provider))
    return int(port)


def stop() -> None:
    """End all servers of this process: requests under way are told that the sandbox is stopping."""
    with _lock:
        servers, _running[:] = list(_running), []
    for server, provider in servers:
        provider.stopped.set()
        server.stop(grace=_STOP_SECONDS).wait()
