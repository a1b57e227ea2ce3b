"""What is used of the account's limits."""

from collections.abc import Iterator

import pytest
from botocore.stub import Stubber
from moto import mock_aws

from provisioner.cloud.quotas import quotas, vcpus
from provisioner.cloud.session import Access, Clients

LIMITS = {"L-F678F1CE": 5.0, "L-0263D0A3": 6.0, "L-7B6409FD": 40.0, "L-1216C47A": 32.0}


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with mock_aws():
        yield Clients(Access("eu-west-1"))


def answers(clients: Clients) -> Stubber:
    """Service Quotas: one limit that was raised, three that are AWS's defaults."""
    stubber = Stubber(clients["service-quotas"])
    for number, (code, value) in enumerate(LIMITS.items()):
        service = ("vpc", "ec2", "rds", "ec2")[number]
        asked = {"ServiceCode": service, "QuotaCode": code}
        answer = {"Quota": {"Value": value}}
        if number == 0:
            stubber.add_response("get_service_quota", answer, asked)
        else:
            stubber.add_client_error("get_service_quota", "NoSuchResourceException", expected_params=asked)
            stubber.add_response("get_aws_default_service_quota", answer, asked)
    return stubber


def test_limits_and_what_is_used_of_them(clients: Clients) -> None:
    ec2 = clients["ec2"]
    ec2.create_vpc(CidrBlock="10.0.0.0/20")
    ec2.allocate_address(Domain="vpc")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    ec2.run_instances(ImageId=image, MinCount=2, MaxCount=2, InstanceType="m5.large")
    stopped = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="m5.large")["Instances"][0]
    ec2.stop_instances(InstanceIds=[stopped["InstanceId"]])
    ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="p3.2xlarge")
    with answers(clients) as stubber:
        found = {q.name: q for q in quotas(clients)}
        stubber.assert_no_pending_responses()
    assert {n: q.limit for n, q in found.items()} == {"vpcs": 5, "addresses": 6, "databases": 40, "vcpus": 32}
    assert found["vpcs"].used == 2  # the default VPC counts
    assert (found["addresses"].used, found["databases"].used) == (1, 0)
    assert found["vcpus"].used == 2  # moto's machines have no CpuOptions: one processor each
    assert found["vpcs"].left == 3


def test_vcpus_of_a_type(clients: Clients) -> None:
    assert vcpus(clients, "t4g.small") == 2
