"""kill -9 under writing threads: what a client was told is done is there again."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.sandbox.conftest import Sandbox

WRITERS = 6


def _write(sandbox: Sandbox, number: int, acked: list[tuple[str, str]]) -> None:
    once: dict[str, Any] = {"retries": {"total_max_attempts": 1}, "connect_timeout": 60, "read_timeout": 60}
    ssm, ec2, iam = (sandbox.client(s, **once) for s in ("ssm", "ec2", "iam"))
    turn = 0
    while True:
        name = f"w{number}-{turn}"
        turn += 1
        try:
            if turn % 3 == 0:
                acked.append(("vpc", ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]))
            elif turn % 3 == 1:
                ssm.put_parameter(Name=name, Value=name, Type="String")
                acked.append(("parameter", name))
            else:
                iam.create_user(UserName=name)
                acked.append(("user", name))
        except (BotoCoreError, ClientError):
            return


def _there(sandbox: Sandbox) -> set[tuple[str, str]]:
    ssm, ec2, iam = (sandbox.client(s) for s in ("ssm", "ec2", "iam"))
    parameters = ssm.get_paginator("describe_parameters").paginate()
    return (
        {("parameter", p["Name"]) for page in parameters for p in page["Parameters"]}
        | {("vpc", v["VpcId"]) for page in ec2.get_paginator("describe_vpcs").paginate() for v in page["Vpcs"]}
        | {("user", u["UserName"]) for page in iam.get_paginator("list_users").paginate() for u in page["Users"]}
    )


@pytest.mark.faults
@pytest.mark.parametrize("changes", [1, 60, 200])
def test_no_acknowledged_change_is_lost(tmp_path: Path, changes: int) -> None:
    sandbox = Sandbox(tmp_path / "home")
    try:
        acked: list[tuple[str, str]] = []
        writers = [threading.Thread(target=_write, args=(sandbox, n, acked)) for n in range(WRITERS)]
        for writer in writers:
            writer.start()
        while len(acked) < changes and any(writer.is_alive() for writer in writers):
            time.sleep(0.001)
        assert len(acked) >= changes
        sandbox.kill()
        for writer in writers:
            writer.join()
        sandbox.start()
        there = _there(sandbox)
        assert set(acked) <= there
        assert len([x for x in there if x not in set(acked)]) <= WRITERS + 1, (
            "only calls in flight, and the default VPC"
        )
    finally:
        sandbox.end()


def test_a_change_that_cannot_be_written_is_not_acknowledged(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "home")
    try:
        ssm = sandbox.client("ssm", retries={"total_max_attempts": 1})
        ssm.put_parameter(Name="before", Value="1", Type="String")
        (sandbox.home / "state.bin").unlink()
        (sandbox.home / "state.bin").mkdir()  # a rename onto it fails, as on a full disk, for root too
        with pytest.raises(ClientError, match=r"InternalFailure.*can't be written"):
            ssm.put_parameter(Name="failed", Value="1", Type="String")
        assert ssm.get_parameter(Name="before")["Parameter"]["Value"] == "1"
        (sandbox.home / "state.bin").rmdir()
        ssm.put_parameter(Name="after", Value="1", Type="String")
        sandbox.kill()
        sandbox.start()
        assert {("parameter", n) for n in ("before", "after")} <= _there(sandbox)
    finally:
        sandbox.end()
