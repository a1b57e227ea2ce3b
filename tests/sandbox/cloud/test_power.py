"""Machines stop and start; whoever asks twice, or in the middle, gets the same. Where a tenant's address points."""

from typing import Any

import pytest

from provisioner.cloud.aws import AwsCloud
from provisioner.model.errors import ProvisionError
from tests.sandbox.cloud.conftest import until
from tests.sandbox.conftest import Sandbox
from tests.sandbox.provider.world import image

pytestmark = pytest.mark.sandbox


def test_a_machine_stops_and_starts(sandbox: Sandbox, cloud: AwsCloud) -> None:
    ec2 = sandbox.client("ec2")
    tag: dict[str, Any] = {"ResourceType": "instance", "Tags": [{"Key": "provision:tenant", "Value": "acme"}]}
    words = {"ImageId": image(sandbox), "InstanceType": "t4g.small", "MinCount": 1, "MaxCount": 1}
    machine = ec2.run_instances(TagSpecifications=[tag], **words)["Instances"][0]["InstanceId"]

    def state() -> str:
        (found,) = cloud.machines("acme")
        return found.state

    until(lambda: state() == "running")
    cloud.start_machine(machine)
    cloud.stop_machine(machine)
    cloud.start_machine(machine)  # waits for the stop
    cloud.stop_machine(machine)
    cloud.stop_machine(machine)
    until(lambda: state() == "stopped")
    cloud.stop_machine(machine)
    cloud.start_machine(machine)
    until(lambda: state() == "running")
    for owner in ("acme", "globex"):
        tags = [{"ResourceType": "elastic-ip", "Tags": [{"Key": "provision:tenant", "Value": owner}]}]
        address = ec2.allocate_address(Domain="vpc", TagSpecifications=tags)["AllocationId"]
        assert cloud.addressed(owner) == [], "it points nowhere"
        ec2.associate_address(AllocationId=address, InstanceId=machine)
        assert cloud.addressed(owner) == [machine]
        assert cloud.addressed("initech") == []
        ec2.disassociate_address(
            AssociationId=ec2.describe_addresses(AllocationIds=[address])["Addresses"][0]["AssociationId"]
        )
        assert cloud.addressed(owner) == []
    ec2.terminate_instances(InstanceIds=[machine])
    until(lambda: cloud.machines("acme") == [])
    cloud.stop_machine(machine)
    cloud.stop_machine("i-0123456789abcdef0")
    for gone in (machine, "i-0123456789abcdef0"):
        with pytest.raises(ProvisionError, match=f"machine {gone} is gone"):
            cloud.start_machine(gone)
