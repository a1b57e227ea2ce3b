"""One test for each control and shape; each control is shown to notice the bad edits that it is there for."""

from typing import Any

import pytest

from tests.stacks import controls_access, controls_data, controls_drill  # noqa: F401 - they register their controls
from tests.stacks.control import CONTROLS, Control
from tests.stacks.recorder import short
from tests.stacks.shapes import SHAPES, recording

# The controls of the table in the facts (security-backup-patch.md, section 3) that the program could hold.
_WANTED = """KMS.1 KMS.2 KMS.3 KMS.4 EC2.2 EC2.3 EC2.6 EC2.7 EC2.8 EC2.9 EC2.13 EC2.14 EC2.28 SSM.1 SSM.2 SSM.3 RDS.1
    RDS.2
    RDS.3 RDS.4 RDS.5 RDS.6 RDS.8 RDS.9 RDS.10 RDS.11 RDS.13 RDS.17 RDS.18 RDS.25 RDS.26 RDS.36 RDS.38 Backup.1
    SecretsManager.1 SecretsManager.2 ELB.1 ELB.4 ELB.5 ELB.6 ELB.12 ELB.17 EC2.10 EC2.12 EC2.15 EC2.17 EC2.18 EC2.19
    RDS.23 S3.5 S3.8 S3.9 S3.10 S3.12 S3.13 S3.14 S3.17 IAM.1 IAM.21 SNS.4 CloudWatch.15 CloudWatch.16
    CloudWatch.17"""
NOT_HELD = {
    "EC2.10": "six interface endpoints in two zones cost a third of a standard tenant; S3 has its gateway endpoint",
    "EC2.28": "a machine holds nothing: it is made again from its image",
    "SSM.2": "patching is an operation, not a resource of the stack",
    "SSM.3": "patching is an operation, not a resource of the stack",
    "RDS.1": "snapshots are made by operations, encrypted with the tenant's key, which can't be shared in public",
    "RDS.4": "snapshots take the encryption of their instance (RDS.3)",
    "RDS.26": "recovery points are made by operations; RDS's own backups are on (RDS.11)",
    "Backup.1": "there is no AWS Backup vault: recovery points are RDS snapshots",
    "SecretsManager.1": "the master's password is rotated by RDS; the product's by an operation",
    "SecretsManager.2": "the master's password is rotated by RDS; the product's by an operation",
    "ELB.5": "access logs need a bucket under AWS's own key; flow logs and the product's log say who came",
    "S3.9": "access logs would need another bucket for each tenant; CloudTrail's data events are the account's",
}
NEEDS_NONE = {
    "ec2:InternetGateway": "lets nothing in by itself: routes (own-private-routes) and groups decide",
    "ec2:RouteTable": "is empty by itself: its routes and associations are checked (own-private-routes)",
    "providers:aws": "is the account's door, checked in test_program",
}
_CASES = [(c, shape) for c in CONTROLS for shape in SHAPES]


def _id(value: Any) -> str:
    return value.name if isinstance(value, Control) else str(value)


@pytest.mark.parametrize(("control", "shape"), _CASES, ids=_id)
def test_control(control: Control, shape: str) -> None:
    """It holds; where it is exempt it really doesn't, so that no exemption outlives its reason."""
    problems = list(control.rule(recording(shape)))
    assert bool(problems) == (shape in control.exempt), problems


@pytest.mark.parametrize("control", CONTROLS, ids=_id)
def test_control_notices(control: Control) -> None:
    """Every bad edit is found: of the largest shape, or of the one that the control is about."""
    sound = recording(control.shape)
    assert control.spoiled_by
    for mutation in control.spoiled_by:
        assert list(control.rule(mutation.apply(sound))), f"{mutation} went unnoticed"


def test_every_control_of_the_table_is_held_or_refused_with_a_reason() -> None:
    held = {i for c in CONTROLS for i in c.ids}
    assert set(_WANTED.split()) - held - NOT_HELD.keys() == set()
    assert held & NOT_HELD.keys() == set()


def test_every_resource_is_covered_by_a_control_or_needs_none() -> None:
    types = {short(r.type) for shape in SHAPES for r in recording(shape).resources}
    covered = {t for c in CONTROLS for t in c.covers}
    assert types - covered == NEEDS_NONE.keys()
    assert covered - types == set()
