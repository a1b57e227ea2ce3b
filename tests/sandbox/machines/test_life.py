"""An instance's life: boot, environment, supervision, stop, start, reboot, terminate."""

import configparser
import json
import os
import signal
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.sandbox.machines.conftest import Cloud, eventually, get, seen

MEASURED = True


@pytest.fixture(scope="module")
def machine(cloud: Cloud) -> str:
    return cloud.launch()


def test_the_product_sees_what_the_contract_promises(cloud: Cloud, machine: str) -> None:
    answer = seen(cloud.url(machine))
    env, home = answer["env"], cloud.sandbox.home
    root = home / "machines" / machine / "root"
    assert env["TENANT"] == "acme"
    assert env["PROVISION_ENV"] == str(root / "etc/provision/product.env")
    assert env["LISTEN_PORT"] == "8080"
    assert f"{env['LISTEN_ADDRESS']}:8080" == cloud.row(machine)["address"]
    assert env["AWS_ENDPOINT_URL"] == cloud.sandbox.info.endpoint_url
    assert env["AWS_REGION"] == env["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert env["PGSSLROOTCERT"] == cloud.sandbox.info.ca_file
    assert json.loads((Path(env["PRODUCT_HOME"]) / "release.json").read_text())["product"] == "tiny"
    assert Path(env["STATE_DIR"]).stat().st_mode & 0o777 == 0o700
    assert Path(env["AWS_SHARED_CREDENTIALS_FILE"]).stat().st_mode & 0o777 == 0o600
    assert (root / "etc/provision/product.env").stat().st_mode & 0o777 == 0o640
    assert (root / "opt/extra/blob").read_bytes() == b"\x00binary\xff"
    for path in (Path(env["STATE_DIR"]), Path(env["AWS_SHARED_CREDENTIALS_FILE"]), root / "opt/extra/blob"):
        assert path.stat().st_uid == answer["uid"] == cloud.row(machine)["uid"]


def test_its_private_address_is_the_subnet_s(cloud: Cloud, machine: str) -> None:
    found = cloud.ec2.describe_instances(InstanceIds=[machine])["Reservations"][0]["Instances"][0]
    assert found["PrivateIpAddress"].startswith("10.7.0.")


def test_a_product_that_dies_is_started_again(cloud: Cloud, machine: str) -> None:
    before = seen(cloud.url(machine))["pid"]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: cloud.row(machine)["pid"] not in {None, before})
    assert seen(cloud.url(machine))["pid"] != before
    assert cloud.state(machine) == "running"


def test_what_it_uses_is_measured(cloud: Cloud, machine: str) -> None:
    def disk() -> float:
        return cloud.sandbox.latest("provision/acme", "disk_used_percent", InstanceId=machine, path="/") or 0.0

    eventually(disk)
    volumes = cloud.ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [machine]}])["Volumes"]
    percent = 100 * 64 / 1024 / volumes[0]["Size"]
    before = disk()
    assert before < percent
    cloudwatch = cloud.sandbox.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="disk",
        Namespace="provision/acme",
        MetricName="disk_used_percent",
        Dimensions=[{"Name": "InstanceId", "Value": machine}, {"Name": "path", "Value": "/"}],
        Statistic="Average",
        Period=60,
        EvaluationPeriods=2,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        Threshold=percent,
    )

    def alarm() -> str:
        return str(cloudwatch.describe_alarms(AlarmNames=["disk"])["MetricAlarms"][0]["StateValue"])

    eventually(lambda: alarm() == "OK")
    assert cloud.command(machine, 'head -c 64M /dev/zero > "$STATE_DIR/large"')["ResponseCode"] == 0
    eventually(lambda: before + percent <= disk() <= before + 1.1 * percent)
    eventually(lambda: alarm() == "ALARM")
    eventually(lambda: cloud.sandbox.latest("AWS/EC2", "StatusCheckFailed", InstanceId=machine) == 0.0)
    cpu = eventually(lambda: (cloud.sandbox.latest("AWS/EC2", "CPUUtilization", InstanceId=machine),))[0]
    assert 0 <= cpu <= 100
    assert cloud.command(machine, 'rm "$STATE_DIR/large"')["ResponseCode"] == 0
    eventually(lambda: disk() < percent)
    eventually(lambda: alarm() == "OK")
    cloudwatch.delete_alarms(AlarmNames=["disk"])


def test_stop_start_and_reboot(cloud: Cloud) -> None:
    machine = cloud.launch("globex")
    url = cloud.url(machine)
    first = seen(url)
    assert cloud.ec2.stop_instances(InstanceIds=[machine])["StoppingInstances"][0]["CurrentState"]["Code"] == 64
    cloud.wait("instance_stopped", machine)
    assert get(url) == (0, b"")
    product_env = cloud.sandbox.home / "machines" / machine / "root/etc/provision/product.env"
    product_env.write_text(product_env.read_text() + "COLOUR='dark blue'\n")
    cloud.ec2.start_instances(InstanceIds=[machine])
    cloud.wait("instance_running", machine)
    second = seen(url)
    assert second["pid"] != first["pid"]
    assert second["uid"] == first["uid"]
    assert second["env"]["COLOUR"] == "dark blue", "write_files ran again"
    cloud.ec2.reboot_instances(InstanceIds=[machine])
    eventually(lambda: cloud.row(machine)["pid"] not in {None, second["pid"]})
    assert seen(url)["pid"] != second["pid"]
    cloud.wait("instance_status_ok", machine)
    interface = cloud.ec2.describe_network_interfaces(Filters=[{"Name": "attachment.instance-id", "Values": [machine]}])
    assert len(interface["NetworkInterfaces"]) == 1
    cloud.ec2.terminate_instances(InstanceIds=[machine])
    cloud.wait("instance_terminated", machine)
    left = {i["NetworkInterfaceId"] for i in cloud.ec2.describe_network_interfaces()["NetworkInterfaces"]}
    assert interface["NetworkInterfaces"][0]["NetworkInterfaceId"] not in left
    assert get(url) == (0, b"")
    assert not product_env.exists()
    assert machine not in {r["id"] for r in cloud.rows("machines")}


def test_states_are_enforced(cloud: Cloud) -> None:
    machine = cloud.launch(DisableApiTermination=True)

    def refused(call: str, **arguments: object) -> str:
        with pytest.raises(ClientError) as caught:
            getattr(cloud.ec2, call)(**arguments)
        return str(caught.value.response["Error"]["Code"])

    assert refused("terminate_instances", InstanceIds=[machine]) == "OperationNotPermitted"
    change = {"InstanceId": machine, "InstanceType": {"Value": "t3.large"}}
    assert refused("modify_instance_attribute", **change) == "IncorrectInstanceState"
    cloud.ec2.stop_instances(InstanceIds=[machine])
    cloud.wait("instance_stopped", machine)
    cloud.ec2.modify_instance_attribute(**change)
    cloud.ec2.modify_instance_attribute(InstanceId=machine, DisableApiTermination={"Value": False})
    cloud.ec2.terminate_instances(InstanceIds=[machine])
    cloud.wait("instance_terminated", machine)
    assert refused("start_instances", InstanceIds=[machine]) == "IncorrectInstanceState"
    cloud.ec2.terminate_instances(InstanceIds=[machine])
    assert cloud.state(machine) == "terminated"
    assert refused("run_instances", ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1) == "InvalidAMIID.NotFound"


def test_what_the_user_data_asks_for_in_vain_is_on_the_console(cloud: Cloud) -> None:
    machine = cloud.launch(user_data="#cloud-config\nruncmd: [reboot]\nwrite_files:\n- {path: /a, content: b}\n")
    assert (cloud.sandbox.home / "machines" / machine / "root/a").read_text() == "b"
    console = eventually(lambda: cloud.ec2.get_console_output(InstanceId=machine).get("Output"))
    assert "not supported by the sandbox: cloud-config key runcmd" in console
    assert "not supported by the sandbox: cloud-config key runcmd" in cloud.row(machine)["notes"]
    script = cloud.launch(user_data="#!/bin/sh\ntouch /tmp/never\n")
    assert any("user data that is a script" in note for note in cloud.row(script)["notes"])


def test_a_product_that_keeps_dying_is_shown(cloud: Cloud) -> None:
    machine = cloud.launch()
    url = cloud.url(machine)
    for _ in range(2):
        seen(url)
        get(url + "/die")
    eventually(lambda: any("in a row" in note for note in cloud.row(machine)["notes"]))
    found = cloud.ec2.describe_instance_status(InstanceIds=[machine])["InstanceStatuses"][0]
    assert found["InstanceStatus"]["Status"] == "impaired"


def test_keys_end_with_the_role(cloud: Cloud) -> None:
    machine = cloud.launch()
    keys = seen(cloud.url(machine))["env"]["AWS_SHARED_CREDENTIALS_FILE"]
    config = configparser.ConfigParser()
    config.read(keys)
    mine = config["default"]
    session = boto3.Session(mine["aws_access_key_id"], mine["aws_secret_access_key"], mine["aws_session_token"])
    sts = session.client("sts", region_name="eu-west-1", endpoint_url=cloud.sandbox.info.endpoint_url)
    assert sts.get_caller_identity()["Arn"].endswith(f"/machine/{machine}")
    profiles = cloud.ec2.describe_iam_instance_profile_associations(
        Filters=[{"Name": "instance-id", "Values": [machine]}]
    )["IamInstanceProfileAssociations"]
    cloud.ec2.disassociate_iam_instance_profile(AssociationId=profiles[0]["AssociationId"])
    eventually(lambda: not Path(keys).exists())
    with pytest.raises(ClientError):
        sts.get_caller_identity()
    with pytest.raises(ClientError, match="not in a valid state"):
        cloud.send(machine, "true")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives machines a uid of their own")
def test_machines_cannot_read_each_other(cloud: Cloud, machine: str) -> None:
    others = [cloud.launch(f"tenant-{n}") for n in range(2)]
    uids = {seen(cloud.url(m))["uid"] for m in (machine, *others)}
    assert len(uids) == 3
    assert 0 not in uids
    victim = cloud.sandbox.home / "machines" / others[0]
    for path in ("state/x", "root/etc/provision/product.env", "aws/credentials", "console.log"):
        answer = cloud.command(machine, f"cat {victim / path}; ls {victim / 'state'}")
        assert answer["ResponseCode"] != 0, path
        assert answer["StandardOutputContent"] == "", path
