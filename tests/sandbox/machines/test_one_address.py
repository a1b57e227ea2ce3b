"""A host that has only 127.0.0.1: everything gets a port of its own there."""

import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.conftest import Sandbox
from tests.sandbox.machines.conftest import Cloud, eventually, get, seen
from tests.sandbox.machines.test_fronts import Balancer, tenant_at

_DAEMON = """
import sys
from provisioner.sandbox import addresses
addresses._can_bind = lambda host: False
from provisioner.sandbox.daemon import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A daemon that believes that it can bind 127.0.0.1 only."""
    home = tmp_path_factory.mktemp("sandbox") / "home"
    subprocess.run([sys.executable, "-c", _DAEMON, "--home", str(home), "--detach"], check=True)
    eventually((home / "daemon.json").exists)
    running = Sandbox(home)
    yield running
    running.end()


def test_machines_share_an_address_and_have_ports(cloud: Cloud) -> None:
    machines = [cloud.launch("acme"), cloud.launch("globex")]
    addresses = [urlsplit(cloud.url(m)) for m in machines]
    assert {a.hostname for a in addresses} == {"127.0.0.1"}
    assert len({a.port for a in addresses}) == 2
    assert [seen(cloud.url(m))["env"]["TENANT"] for m in machines] == ["acme", "globex"]
    allocations = [cloud.ec2.allocate_address(Domain="vpc")["AllocationId"] for _ in machines]
    urls = []
    for allocation, machine in zip(allocations, machines, strict=True):
        cloud.ec2.associate_address(AllocationId=allocation, InstanceId=machine)
        found = cloud.ec2.describe_addresses(AllocationIds=[allocation])["Addresses"][0]
        assert found["PublicIp"] == "127.0.0.1"
        urls.append(f"http://127.0.0.1:{next(t['Value'] for t in found['Tags'] if t['Key'] == 'sandbox:port')}")
    eventually(lambda: [tenant_at(u) for u in urls] == ["acme", "globex"])
    with pytest.raises(ClientError, match="not supported by the sandbox"):
        cloud.ec2.disassociate_address(PublicIp="127.0.0.1")
    first = cloud.ec2.describe_addresses(AllocationIds=[allocations[0]])["Addresses"][0]
    cloud.ec2.disassociate_address(AssociationId=first["AssociationId"])
    cloud.ec2.release_address(AllocationId=allocations[0])
    eventually(lambda: get(urls[0]) == (0, b""))
    assert tenant_at(urls[1]) == "globex"


def test_a_balancer_s_name_holds_its_port(cloud: Cloud) -> None:
    machine = cloud.launch("initech")
    balancer = Balancer(cloud, "one")
    balancer.listen(8080)
    balancer.register(machine)
    balancer.wait(machine, "healthy")
    assert balancer.host.startswith("127.0.0.1:")
    assert eventually(lambda: tenant_at(f"http://{balancer.host}")) == "initech"
