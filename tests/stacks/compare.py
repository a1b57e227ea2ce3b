"""What the tests of the program look at: which inputs differ, what names are fixed, what the machine is told."""

from typing import Any

from ruamel.yaml import YAML

from tests.stacks.recorder import Recording, Resource, short

NAMED = {
    "cloudwatch:LogGroup": "name",
    "cloudwatch:MetricAlarm": "name",
    "ec2:SecurityGroup": "name",
    "iam:InstanceProfile": "name",
    "iam:Policy": "name",
    "iam:Role": "name",
    "iam:RolePolicy": "name",
    "kms:Alias": "name",
    "lb:LoadBalancer": "name",
    "lb:TargetGroup": "name",
    "rds:Instance": "identifier",
    "rds:ParameterGroup": "name",
    "rds:SubnetGroup": "name",
    "s3:Bucket": "bucket",
    "secretsmanager:Secret": "name",
    "sns:Topic": "name",
}
LONGEST = {
    "cloudwatch:LogGroup": 512,
    "iam:Policy": 128,
    "lb:LoadBalancer": 32,
    "lb:TargetGroup": 32,
    "rds:Instance": 63,
    "s3:Bucket": 63,
    "secretsmanager:Secret": 512,
}


def changed(before: Recording, after: Recording) -> dict[str, set[str]]:
    """Name -> names of the inputs that differ; `+` for a resource that is new, `-` for one that is gone."""
    olds, news = ({(r.type, r.name): r for r in recorded.resources} for recorded in (before, after))
    found: dict[str, set[str]] = {}
    for key in olds.keys() | news.keys():
        old, new = olds.get(key), news.get(key)
        if old is None or new is None:
            differs = {"+" if old is None else "-"}
        else:
            differs = {k for k in old.inputs.keys() | new.inputs.keys() if old.inputs.get(k) != new.inputs.get(k)}
        if differs:
            found.setdefault(key[1], set()).update(differs)
    return found


def check_name(resource: Resource, name: str) -> None:
    """A fixed name has the stack's in it and fits what AWS allows."""
    kind = short(resource.type)
    if kind in NAMED:
        physical = resource.inputs[NAMED[kind]]
        assert name in physical or kind == "iam:RolePolicy"
        assert len(physical) <= LONGEST.get(kind, 64), physical


def names(recording: Recording) -> set[tuple[str, str]]:
    """Types and names of what has a fixed name in the account."""
    kinds = NAMED.keys() - {"iam:RolePolicy"}
    return {(short(r.type), r.inputs[NAMED[short(r.type)]]) for r in recording.of(*kinds)}


def product_environment(text: str) -> dict[str, str]:
    """The product's environment, out of a machine's user data."""
    assert text.startswith("#cloud-config\n")
    config: dict[str, Any] = YAML(typ="safe").load(text)
    assert config.keys() == {"write_files"}
    (file,) = config["write_files"]
    assert (file["path"], file["permissions"]) == ("/etc/provision/product.env", "0644")
    return dict(line.split("=", 1) for line in file["content"].splitlines())
