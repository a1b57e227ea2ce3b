"""Addresses and balancers really forward, to their own machines only."""

import contextlib
import json
import socket
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.machines.conftest import Cloud, answered, eventually, get, make_net, seen

MEASURED = True


def tenant_at(url: str) -> str | None:
    """Whose product answers; None where none does."""
    status, body = get(url + "/healthz")
    return str(json.loads(body)["env"]["TENANT"]) if status == 200 else None


class Balancer:
    """A load balancer with one listener and a target group."""

    def __init__(self, cloud: Cloud, name: str, **check: Any) -> None:
        self.elb, self.name = cloud.elb, name
        made = cloud.elb.create_load_balancer(
            Name=name, Subnets=cloud.net.subnets, Tags=[{"Key": "provision:tenant", "Value": name}]
        )["LoadBalancers"][0]
        self.arn, self.host = made["LoadBalancerArn"], made["DNSName"]
        settings = {"HealthCheckPath": "/healthz", "HealthCheckIntervalSeconds": 5, "HealthyThresholdCount": 2} | check
        self.group = cloud.elb.create_target_group(
            Name=name, Protocol="HTTP", Port=8080, VpcId=cloud.net.vpc, UnhealthyThresholdCount=2, **settings
        )["TargetGroups"][0]["TargetGroupArn"]

    def listen(self, port: int = 8080, **action: Any) -> str:
        """Add a listener, by default one that forwards to the group; returns its URL."""
        chosen = action or {"Type": "forward", "TargetGroupArn": self.group}
        self.elb.create_listener(LoadBalancerArn=self.arn, Protocol="HTTP", Port=port, DefaultActions=[chosen])
        return f"http://{self.host}:{port}"

    def register(self, *machines: str) -> None:
        self.elb.register_targets(TargetGroupArn=self.group, Targets=[{"Id": m} for m in machines])

    def deregister(self, machine: str) -> None:
        self.elb.deregister_targets(TargetGroupArn=self.group, Targets=[{"Id": machine}])

    def health(self, machine: str) -> tuple[str, str | None]:
        """State and reason by DescribeTargetHealth."""
        asked = self.elb.describe_target_health(TargetGroupArn=self.group, Targets=[{"Id": machine}])
        found = asked["TargetHealthDescriptions"][0]["TargetHealth"]
        return found["State"], found.get("Reason")

    def wait(self, machine: str, state: str) -> None:
        eventually(lambda: self.health(machine)[0] == state)


@pytest.fixture(scope="module")
def machines(cloud: Cloud) -> tuple[str, str]:
    return cloud.launch("acme"), cloud.launch("globex")


def test_an_address_follows_its_association(cloud: Cloud, machines: tuple[str, str]) -> None:
    first, second = machines
    allocation, url = cloud.address_of(first)
    assert eventually(lambda: tenant_at(url)) == "acme"
    assert cloud.row(allocation, "fronts")["target"] == first
    with socket.create_connection((urlsplit(url).hostname or "", 8080), timeout=10) as old:
        cloud.ec2.associate_address(AllocationId=allocation, InstanceId=second, AllowReassociation=True)
        eventually(lambda: tenant_at(url) == "globex")
        old.settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            assert old.recv(1) == b"", "an old connection outlived the move"
    found = cloud.ec2.describe_addresses(AllocationIds=[allocation])["Addresses"][0]
    with pytest.raises(ClientError):
        cloud.ec2.release_address(AllocationId=allocation)
    cloud.ec2.disassociate_address(AssociationId=found["AssociationId"])
    eventually(lambda: get(url) == (0, b""))
    cloud.ec2.release_address(AllocationId=allocation)
    assert allocation not in {r["id"] for r in cloud.rows("fronts")}


def test_an_address_is_free_after_its_machine_is_terminated(cloud: Cloud) -> None:
    machine = cloud.launch()
    allocation, url = cloud.address_of(machine)
    assert eventually(lambda: tenant_at(url)) == "acme"
    cloud.ec2.terminate_instances(InstanceIds=[machine])
    cloud.wait("instance_terminated", machine)
    assert not cloud.ec2.describe_addresses(AllocationIds=[allocation])["Addresses"][0].get("InstanceId")
    eventually(lambda: get(url) == (0, b""))
    cloud.ec2.release_address(AllocationId=allocation)


def test_a_balancer_checks_and_forwards(cloud: Cloud, machines: tuple[str, str]) -> None:
    balancer = Balancer(cloud, "checks")
    one, two = machines
    balancer.register(one)
    assert balancer.health(one) == ("unused", "Target.NotInUse")
    url = balancer.listen()
    balancer.wait(one, "healthy")
    eventually(lambda: tenant_at(url) == "acme")
    balancer.register(two)
    balancer.wait(two, "healthy")
    assert {tenant_at(url) for _ in range(6)} == {"acme", "globex"}

    get(cloud.url(one) + "/sick")
    assert {get(url + "/healthz")[0] for _ in range(4)} == {200, 500}
    balancer.wait(one, "unhealthy")
    watched = {
        "LoadBalancer": balancer.arn.partition(":loadbalancer/")[2],
        "TargetGroup": balancer.group.rpartition(":")[2],
    }
    for metric in ("UnHealthyHostCount", "HTTPCode_Target_5XX_Count"):
        eventually(partial(cloud.sandbox.latest, "AWS/ApplicationELB", metric, **watched))
    assert balancer.health(one)[1] == "Target.ResponseCodeMismatch"
    assert {tenant_at(url) for _ in range(4)} == {"globex"}
    get(cloud.url(one) + "/well")
    balancer.wait(one, "healthy")

    balancer.deregister(two)
    balancer.wait(two, "unused")
    assert {tenant_at(url) for _ in range(4)} == {"acme"}
    balancer.deregister(one)
    balancer.wait(one, "unused")
    assert b"<h1>503 Service Temporarily Unavailable</h1>" in answered(url, 503)
    cloud.elb.delete_load_balancer(LoadBalancerArn=balancer.arn)
    eventually(lambda: get(url) == (0, b""))


def test_deregistering_drains(cloud: Cloud, machines: tuple[str, str]) -> None:
    balancer = Balancer(cloud, "drains")
    balancer.register(machines[0])
    url = balancer.listen()
    balancer.wait(machines[0], "healthy")
    eventually(lambda: tenant_at(url) == "acme")
    host = urlsplit(url).hostname or ""
    with socket.create_connection((host, 8080), timeout=10) as kept:
        request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        kept.sendall(request)
        assert kept.recv(15) == b"HTTP/1.1 200 OK"
        balancer.deregister(machines[0])
        eventually(lambda: balancer.health(machines[0]) == ("draining", "Target.DeregistrationInProgress"))
        eventually(lambda: get(url)[0] == 503)
        kept.sendall(request)
        assert kept.recv(1), "a connection was cut before its time"
    balancer.wait(machines[0], "unused")


def test_the_life_of_a_target_shows(cloud: Cloud) -> None:
    machine = cloud.launch()
    balancer = Balancer(cloud, "life", HealthCheckPath="/nowhere", Matcher={"HttpCode": "200-299,404"})
    balancer.listen()
    balancer.register(machine)
    balancer.wait(machine, "healthy")
    cloud.ec2.stop_instances(InstanceIds=[machine])
    cloud.wait("instance_stopped", machine)
    assert balancer.health(machine) == ("unused", "Target.InvalidState")
    cloud.ec2.start_instances(InstanceIds=[machine])
    balancer.wait(machine, "healthy")


def test_fixed_responses_and_redirects(cloud: Cloud) -> None:
    balancer = Balancer(cloud, "answers")
    fixed = {"StatusCode": "418", "ContentType": "text/plain", "MessageBody": "short and stout"}
    teapot = balancer.listen(8081, Type="fixed-response", FixedResponseConfig=fixed)
    assert answered(teapot, 418) == b"short and stout"
    there = {"Protocol": "HTTP", "Port": "8081", "StatusCode": "HTTP_302"}
    moved = balancer.listen(8082, Type="redirect", RedirectConfig=there)
    assert answered(moved + "/a?b=c", 418) == b"short and stout"
    with socket.create_connection((balancer.host, 8082), timeout=10) as raw:
        raw.sendall(f"GET /a?b=c HTTP/1.1\r\nHost: {balancer.host}:8082\r\n\r\n".encode())
        head = raw.recv(4096).decode()
    assert f"Location: http://{balancer.host}:8081/a?b=c\r\n" in head


def test_no_forwarding_between_networks(cloud: Cloud, machines: tuple[str, str]) -> None:
    other = make_net(cloud.ec2)
    stranger = cloud.launch("stranger", SubnetId=other.subnets[0])
    balancer = Balancer(cloud, "strangers")
    with pytest.raises(ClientError) as caught:
        balancer.register(stranger)
    assert caught.value.response["Error"]["Code"] == "InvalidTarget"


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("create_target_group", {"Name": "ips", "TargetType": "ip", "Protocol": "HTTP", "Port": 80}),
        ("create_target_group", {"Name": "tls", "Protocol": "HTTPS", "Port": 443}),
    ],
)
def test_what_cannot_be_done_says_so(cloud: Cloud, call: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="not supported by the sandbox"):
        getattr(cloud.elb, call)(VpcId=cloud.net.vpc, **arguments)


def test_deletion_protection_of_a_balancer_holds(cloud: Cloud) -> None:
    balancer = Balancer(cloud, "kept")
    attribute = "deletion_protection.enabled"
    for value, refused in (("true", True), ("false", False)):
        cloud.elb.modify_load_balancer_attributes(
            LoadBalancerArn=balancer.arn, Attributes=[{"Key": attribute, "Value": value}]
        )
        if refused:
            with pytest.raises(ClientError, match="deletion protection"):
                cloud.elb.delete_load_balancer(LoadBalancerArn=balancer.arn)
        else:
            cloud.elb.delete_load_balancer(LoadBalancerArn=balancer.arn)


def test_everything_listens_on_loopback_only(cloud: Cloud, machines: tuple[str, str]) -> None:
    seen(cloud.url(machines[0]))
    for row in [*cloud.rows("machines"), *cloud.rows("fronts")]:
        assert row["address"].startswith("127."), row


def test_a_network_balancer_passes_tcp_on(cloud: Cloud, machines: tuple[str, str]) -> None:
    made = cloud.elb.create_load_balancer(Name="tcp", Subnets=cloud.net.subnets, Type="network")["LoadBalancers"][0]
    group = cloud.elb.create_target_group(
        Name="tcp", Protocol="TCP", Port=8080, VpcId=cloud.net.vpc, HealthCheckProtocol="TCP"
    )["TargetGroups"][0]["TargetGroupArn"]
    action = {"Type": "forward", "TargetGroupArn": group}
    cloud.elb.create_listener(
        LoadBalancerArn=made["LoadBalancerArn"], Protocol="TCP", Port=9000, DefaultActions=[action]
    )
    url = f"http://{made['DNSName']}:9000"
    assert get(url) == (0, b"")
    cloud.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": machines[1]}])
    assert eventually(lambda: tenant_at(url)) == "globex"
