"""Moto made cheap is the same moto."""

import json
import subprocess
import sys

_PROBE = """
import json, sys
if sys.argv[1] == "cheap":
    from provisioner.sandbox import imports
    imports.make_cheap()
import boto3
from moto.core.common_models import BaseModel
from moto.ec2.models import ec2_backends
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS as offerings
class Mine(BaseModel, dict):
    __module__ = "moto.mine"
class Made(Mine):
    __module__ = "moto.mine"
ec2 = ec2_backends["123456789012"]["eu-west-1"]
print(json.dumps({
    "regions": sorted(boto3.Session().get_available_regions("ec2")),
    "zones": [z.name for z in ec2.describe_availability_zones()],
    "offered": offerings["region"]["eu-west-1"][:3],
    "in zones": len(offerings["availability-zone"].get("us-east-1", [])),
    "nowhere": offerings["region"].get("nowhere", "none"),
    "model": [dict(Made(a=1)), len(Made.instances_tracked) > 0],
}))
"""


def _answer(how: str) -> dict[str, object]:
    done = subprocess.run([sys.executable, "-c", _PROBE, how], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def test_only_what_is_kept_for_a_dashboard_differs() -> None:
    plain, cheap = _answer("plain"), _answer("cheap")
    assert plain.pop("model") == [{"a": 1}, True]
    assert cheap.pop("model") == [{"a": 1}, False]
    assert cheap == plain
