"""A program in the place of the Pulumi CLI, for what doesn't depend on what Pulumi does."""

import sys
from pathlib import Path
from typing import Any

from provisioner.engines.pulumi_cli.cli import Cli
from provisioner.engines.pulumi_cli.run import Job


def cli(folder: Path, script: str) -> Cli:
    """A CLI that is this Python script. It also answers `version`."""
    path = folder / "bin" / "pulumi"
    path.parent.mkdir(parents=True, exist_ok=True)
    version = "if sys.argv[1:] == ['version']: print('v3.272.0'); sys.exit()"
    path.write_text(f"#!{sys.executable}\nimport os, signal, subprocess, sys, time\n{version}\n{script}\n")
    path.chmod(0o755)
    return Cli(path, "3.272.0")


def job(folder: Path, found: Cli, name: str = "acme") -> Job:
    """A destroy: the verb that needs no program."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Pulumi.yaml").write_text("name: tenant\nruntime: python\n")
    return Job("destroy", "tenant", name, str(folder), found, {}, "passphrase", 4, False, False, None)


def tells(*events: dict[str, Any]) -> str:
    """Words of a script that sends these events, and the one that ends every run, as the CLI does."""
    return f"""
import json, grpc
from pulumi.runtime.proto import events_pb2, events_pb2_grpc
log = sys.argv[sys.argv.index("--event-log") + 1].removeprefix("tcp://")
events = [json.dumps({{"sequence": n, **e}}) for n, e in enumerate({[*events, {"cancelEvent": {}}]!r})]
with grpc.insecure_channel(log) as channel:
    events_pb2_grpc.EventsStub(channel).StreamEvents(iter([events_pb2.EventRequest(event=e) for e in events]))
"""
