"""A small stack to make resources in: what others need is made once, and everything is deleted in reverse order."""

import json
from pathlib import Path
from typing import Any

import grpc

from tests.sandbox.conftest import Sandbox
from tests.sandbox.provider.engine import Engine, Made

ACCOUNT = "123456789012"


def trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allow(action: str, resource: str = "*") -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class Stack:
    """Resources of one engine. `get` makes a named prerequisite at its first use: in `base`, if there is one."""

    def __init__(self, sandbox: Sandbox, engine: Engine, base: "Stack | None" = None) -> None:
        self.sandbox = sandbox
        self.engine = engine
        self.base = base
        self.made: dict[str, Made] = {}

    def client(self, service: str) -> Any:
        return self.sandbox.client(service, self.engine.region)

    def make(self, token: str, name: str, inputs: dict[str, Any], *, tagged: bool = True) -> Made:
        if tagged:
            inputs = {**inputs, "tags": self.engine.tags(name)}
        self.made[name] = self.engine.create(token, name, inputs)
        return self.made[name]

    def get(self, name: str) -> Made:
        if name in self.made:
            return self.made[name]
        return self.base.get(name) if self.base else getattr(self, f"_{name.replace('-', '_')}")()

    def id(self, name: str) -> str:
        return self.get(name).id

    def arn(self, name: str) -> str:
        return str(self.get(name).state["arn"])

    def end(self) -> None:
        """Delete everything, whatever fails, and then say what failed: the next test needs the names."""
        failures = []
        for made in reversed(self.made.values()):
            try:
                self.engine.delete(made)
            except grpc.RpcError as error:
                failures.append(error)
        self.made.clear()
        assert not failures, failures

    def _vpc(self) -> Made:
        return self.make("aws:ec2/vpc:Vpc", "vpc", {"cidrBlock": "10.0.0.0/16"})

    def _subnet(self, letter: str, number: int) -> Made:
        inputs = {
            "vpcId": self.id("vpc"),
            "cidrBlock": f"10.0.{number}.0/24",
            "availabilityZone": f"{self.engine.region}{letter}",
        }
        return self.make("aws:ec2/subnet:Subnet", f"subnet-{letter}", inputs)

    def _subnet_a(self) -> Made:
        return self._subnet("a", 1)

    def _subnet_b(self) -> Made:
        return self._subnet("b", 2)

    def _gateway(self) -> Made:
        return self.make("aws:ec2/internetGateway:InternetGateway", "gateway", {"vpcId": self.id("vpc")})

    def _table(self) -> Made:
        return self.make("aws:ec2/routeTable:RouteTable", "table", {"vpcId": self.id("vpc")})

    def _group(self) -> Made:
        inputs = {"vpcId": self.id("vpc"), "description": "a group", "name": "group"}
        return self.make("aws:ec2/securityGroup:SecurityGroup", "group", inputs)

    def _group_2(self) -> Made:
        inputs = {"vpcId": self.id("vpc"), "description": "another group", "name": "group-2"}
        return self.make("aws:ec2/securityGroup:SecurityGroup", "group-2", inputs)

    def _address(self) -> Made:
        return self.make("aws:ec2/eip:Eip", "address", {"domain": "vpc"})

    def _role(self) -> Made:
        inputs = {"name": "the-role", "assumeRolePolicy": trust("ec2.amazonaws.com")}
        return self.make("aws:iam/role:Role", "role", inputs)

    def _profile(self) -> Made:
        return self.make(
            "aws:iam/instanceProfile:InstanceProfile", "profile", {"name": "the-profile", "role": self.id("role")}
        )

    def _key(self) -> Made:
        return self.make("aws:kms/key:Key", "key", {"description": "the key"})

    def _key_2(self) -> Made:
        return self.make("aws:kms/key:Key", "key-2", {"description": "another key"})

    def _logs(self) -> Made:
        return self.make("aws:cloudwatch/logGroup:LogGroup", "logs", {"name": "/tenant/logs"})

    def _topic(self) -> Made:
        return self.make("aws:sns/topic:Topic", "topic", {"name": "the-topic"})

    def _bucket(self) -> Made:
        return self.make("aws:s3/bucket:Bucket", "bucket", {"bucket": "the-bucket", "forceDestroy": True})

    def _secret(self) -> Made:
        inputs = {"name": "the-secret", "recoveryWindowInDays": 0}
        return self.make("aws:secretsmanager/secret:Secret", "secret", inputs)

    def _zone(self) -> Made:
        return self.make("aws:route53/zone:Zone", "zone", {"name": "stack.test"})

    def _volume(self) -> Made:
        inputs = {"availabilityZone": f"{self.engine.region}a", "size": 8, "type": "gp3", "encrypted": True}
        return self.make("aws:ebs/volume:Volume", "volume", inputs)

    def _machine(self) -> Made:
        inputs = {
            "ami": image(self.sandbox),
            "instanceType": "t4g.small",
            "subnetId": self.id("subnet-a"),
            "vpcSecurityGroupIds": [self.id("group")],
        }
        return self.make("aws:ec2/instance:Instance", "machine", inputs)

    def _balancer(self) -> Made:
        inputs = {
            "name": "the-balancer",
            "subnets": [self.id("subnet-a"), self.id("subnet-b")],
            "securityGroups": [self.id("group")],
        }
        return self.make("aws:lb/loadBalancer:LoadBalancer", "balancer", inputs)

    def _targets(self) -> Made:
        inputs = {"name": "the-targets", "port": 8080, "protocol": "HTTP", "vpcId": self.id("vpc")}
        return self.make("aws:lb/targetGroup:TargetGroup", "targets", inputs)

    def _targets_2(self) -> Made:
        inputs = {"name": "the-targets-2", "port": 8080, "protocol": "HTTP", "vpcId": self.id("vpc")}
        return self.make("aws:lb/targetGroup:TargetGroup", "targets-2", inputs)

    def _certificate(self) -> Made:
        inputs = {"domainName": "www.stack.test", "validationMethod": "DNS"}
        return self.make("aws:acm/certificate:Certificate", "certificate", inputs)


def image(sandbox: Sandbox) -> str:
    """An image whose product waits and does nothing: the smallest that boots."""
    folder = Path(sandbox.home).parent / "image"
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    (folder / "release.json").write_text(json.dumps({"product": "idle", "version": "1.0.0", "schema_version": 1}))
    for name, text in (("serve", "#!/bin/sh\nexec sleep 3600\n"), ("migrate", "#!/bin/sh\n")):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    folder.chmod(0o755)
    folder.parent.chmod(0o755)
    return sandbox.control.register_image(folder)
