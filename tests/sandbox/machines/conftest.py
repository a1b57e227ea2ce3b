"""A tiny product, and a tenant's network and role to run it in."""

import base64
import json
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.sandbox.conftest import Sandbox

SERVE = '''\
#!/usr/bin/env python3
"""Answers /healthz with what it sees of its machine; /die ends it, /sick makes /healthz fail."""
import http.server, json, os, pathlib, signal, sys

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
state = pathlib.Path(os.environ["STATE_DIR"])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/die":
            os._exit(3)
        if self.path in ("/sick", "/well"):
            (state / "sick").touch() if self.path == "/sick" else (state / "sick").unlink()
        sick = self.path == "/healthz" and (state / "sick").exists()
        seen = {"pid": os.getpid(), "uid": os.getuid(), "env": dict(os.environ), "cwd": os.getcwd()}
        body = json.dumps(seen).encode()
        self.send_response(500 if sick else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        print("request", self.path, flush=True)


print("serving", os.environ.get("TENANT"), flush=True)
address = os.environ["LISTEN_ADDRESS"], int(os.environ["LISTEN_PORT"])
http.server.ThreadingHTTPServer(address, Handler).serve_forever()
'''


def cloud_config(tenant: str, **variables: str) -> str:
    """User data as the stack's program renders it."""
    lines = "\n".join(f"{k}={v}" for k, v in {"TENANT": tenant, "LISTEN_PORT": "8080", **variables}.items())
    body = textwrap.indent(lines, "      ")
    secret = base64.b64encode(b"\x00binary\xff").decode()
    return f"""#cloud-config
write_files:
  - path: /etc/provision/product.env
    permissions: "0640"
    content: |
{body}
  - path: /opt/extra/blob
    encoding: b64
    content: {secret}
    permissions: '0600'
"""


@pytest.fixture(scope="module")
def image(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Id of a registered image whose product answers with its environment."""
    directory = tmp_path_factory.mktemp("image")
    (directory / "bin").mkdir()
    (directory / "release.json").write_text(json.dumps({"product": "tiny", "version": "1.0.0", "schema_version": 1}))
    (directory / "bin" / "serve").write_text(SERVE)
    (directory / "bin" / "migrate").write_text("#!/bin/sh\necho migrated $TENANT\n")
    for path in (directory, *(directory / "bin").iterdir()):
        path.chmod(0o755)  # open to a machine's uid
    return sandbox.control.register_image(directory)


@dataclass
class Net:
    """A VPC with a subnet in each of two zones."""

    vpc: str
    subnets: list[str]


@dataclass
class Cloud:
    """boto3 clients of one sandbox and the shortest ways to make things with them."""

    sandbox: Sandbox
    image: str
    net: Net
    profile: str
    ec2: Any
    ssm: Any
    elb: Any

    def launch(self, tenant: str = "acme", user_data: str | None = None, **more: Any) -> str:
        """Run an instance and wait until it is running."""
        made = self.ec2.run_instances(
            ImageId=self.image,
            MinCount=1,
            MaxCount=1,
            InstanceType="t3.small",
            SubnetId=more.pop("SubnetId", self.net.subnets[0]),
            IamInstanceProfile={"Name": self.profile},
            UserData=cloud_config(tenant) if user_data is None else user_data,
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "provision:tenant", "Value": tenant}]}],
            **more,
        )
        instance_id: str = made["Instances"][0]["InstanceId"]
        self.wait("instance_running", instance_id)
        return instance_id

    def wait(self, waiter: str, instance_id: str) -> None:
        """boto3's own waiter, impatient."""
        self.ec2.get_waiter(waiter).wait(InstanceIds=[instance_id], WaiterConfig={"Delay": 0.1, "MaxAttempts": 150})

    def state(self, instance_id: str) -> str:
        """State by DescribeInstances."""
        found = self.ec2.describe_instances(InstanceIds=[instance_id])
        return str(found["Reservations"][0]["Instances"][0]["State"]["Name"])

    def row(self, item_id: str, part: str = "machines") -> dict[str, Any]:
        """The sandbox's own view of a machine or front."""
        return next(r for r in self.rows(part) if r["id"] == item_id)

    def rows(self, part: str) -> list[dict[str, Any]]:
        """The sandbox's own view of all machines or fronts."""
        status: Any = self.sandbox.control.status()
        return list(status[part])

    def url(self, instance_id: str) -> str:
        """Where a machine listens itself."""
        return f"http://{self.row(instance_id)['address']}"

    def address_of(self, instance_id: str) -> tuple[str, str]:
        """Allocation id and URL of a new Elastic IP that leads to the instance."""
        made = self.ec2.allocate_address(Domain="vpc")
        self.ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=instance_id)
        return made["AllocationId"], f"http://{made['PublicIp']}:8080"

    def command(self, instance_id: str, *lines: str, **parameters: str) -> dict[str, Any]:
        """Run a shell script and return the finished invocation."""
        command_id = self.send(instance_id, *lines, **parameters)
        return self.finished(command_id, instance_id)

    def send(self, instance_id: str, *lines: str, **parameters: str) -> str:
        """Send a shell script; returns the command's id."""
        sent = self.ssm.send_command(
            InstanceIds=[instance_id],
            DocumentName="AWS-RunShellScript",
            Parameters={"commands": list(lines), **{k: [v] for k, v in parameters.items()}},
        )
        return str(sent["Command"]["CommandId"])

    def patch(self, instance_id: str, operation: str, reboot: str = "NoReboot") -> str:
        """Send AWS-RunPatchBaseline; returns the command's id."""
        sent = self.ssm.send_command(
            InstanceIds=[instance_id],
            DocumentName="AWS-RunPatchBaseline",
            Parameters={"Operation": [operation], "RebootOption": [reboot]},
        )
        return str(sent["Command"]["CommandId"])

    def patches(self, instance_id: str) -> dict[str, str]:
        """States of its patches by package, as they were last reported."""
        pages = self.ssm.get_paginator("describe_instance_patches").paginate(InstanceId=instance_id)
        return {p["KBId"].removesuffix(".x86_64"): p["State"] for page in pages for p in page["Patches"]}

    def finished(self, command_id: str, instance_id: str) -> dict[str, Any]:
        """Wait for an invocation's end, whatever it is."""

        def look() -> dict[str, Any] | None:
            found = self.ssm.get_command_invocation(CommandId=command_id, InstanceId=instance_id)
            return None if found["Status"] in {"Pending", "InProgress", "Cancelling"} else found

        return dict(eventually(look))


def eventually(look: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Call until the answer is truthy. Fails after `seconds`, which only a broken sandbox takes."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"{look} did not come true"
        time.sleep(0.05)


def get(url: str) -> tuple[int, bytes]:
    """Status and body; (0, b"") where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def seen(url: str) -> dict[str, Any]:
    """What the tiny product sees, once it answers."""
    return dict(json.loads(answered(url + "/healthz", 200)))


def answered(url: str, status: int) -> bytes:
    """The body, once the answer has this status."""

    def look() -> tuple[bytes] | None:
        found, body = get(url)
        return (body,) if found == status else None

    return bytes(eventually(look)[0])


@pytest.fixture(scope="module")
def cloud(sandbox: Sandbox, image: str) -> Cloud:
    """A tenant's surroundings; the sandbox's end takes everything away."""
    ec2, iam = sandbox.client("ec2"), sandbox.client("iam")
    trust = {
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    }
    iam.create_role(RoleName="machine", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17"} | trust))
    iam.create_instance_profile(InstanceProfileName="machine")
    iam.add_role_to_instance_profile(InstanceProfileName="machine", RoleName="machine")
    return Cloud(
        sandbox=sandbox,
        image=image,
        net=make_net(ec2),
        profile="machine",
        ec2=ec2,
        ssm=sandbox.client("ssm"),
        elb=sandbox.client("elbv2"),
    )


def make_net(ec2: Any) -> Net:
    """A VPC with two subnets."""
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.7.{n}.0/24", AvailabilityZone=f"eu-west-1{zone}")["Subnet"][
            "SubnetId"
        ]
        for n, zone in enumerate("ab")
    ]
    return Net(vpc, subnets)
