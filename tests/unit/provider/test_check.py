"""What Check adds and refuses."""

from provisioner.sandbox.provider.check import check
from provisioner.sandbox.provider.convert import UNKNOWN, Props
from provisioner.sandbox.provider.types import RESOURCES


def checked(token: str, news: Props, olds: Props | None = None, name: str = "x", **tags: str) -> Props:
    inputs, problems = check(RESOURCES[token], news, olds, name=name, seed=b"s", default_tags=tags)
    assert not problems
    return inputs


def problems(token: str, news: Props) -> list[tuple[str, str]]:
    return check(RESOURCES[token], news, None, name="x", seed=b"s", default_tags={})[1]


def test_tags_are_merged_and_the_resource_wins() -> None:
    inputs = checked("aws:ec2/eip:Eip", {"tags": {"a": "mine"}}, a="theirs", b="theirs")
    assert inputs["tagsAll"] == {"a": "mine", "b": "theirs"}
    assert checked("aws:ec2/eip:Eip", {})["tagsAll"] == {}
    assert checked("aws:ec2/eip:Eip", {"tags": UNKNOWN}, b="c")["tagsAll"] == UNKNOWN
    assert "tagsAll" not in checked("aws:kms/alias:Alias", {"name": "alias/x", "targetKeyId": "k"}, b="c")


def test_names_are_made_as_each_service_wants_them() -> None:
    database = {"instanceClass": "c", "engine": "e", "allocatedStorage": 20, "username": "u", "password": "p"}
    assert checked("aws:rds/instance:Instance", database, name="Acme")["identifier"].startswith("acme")
    assert "-" not in checked("aws:rds/instance:Instance", database, name="Acme")["identifier"]
    assert checked("aws:s3/bucket:Bucket", {}, name="Files")["bucket"].startswith("files-")
    assert checked("aws:kms/alias:Alias", {"targetKeyId": "k"}, name="key")["name"].startswith("alias/key-")
    assert len(checked("aws:iam/role:Role", {"assumeRolePolicy": "{}"}, name="r" * 100)["name"]) == 64
    assert checked("aws:iam/role:Role", {"assumeRolePolicy": "{}", "name": "mine"})["name"] == "mine"


def test_refusals() -> None:
    rule = {"securityGroupId": "sg", "ipProtocol": "tcp", "fromPort": 1, "toPort": 1}
    token = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    assert "exactly one of cidrIpv4" in problems(token, rule)[0][1]
    assert problems(token, {**rule, "cidrIpv4": "0.0.0.0/0", "ipProtocol": "-1"})[0][1] == (
        "a rule for all protocols has no ports"
    )
    assert problems("aws:kms/key:Key", {"deletionWindowInDays": 3})[0][1] == "deletionWindowInDays must be 7 to 30"
    rules = [{"id": "r", "status": "Enabled", "filter": {"tag": {"key": "a", "value": "b"}}}]
    lifecycle = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    assert problems(lifecycle, {"bucket": "b", "rules": rules})[0][1] == (
        "lifecycle rules with 'filter.tag' are not supported by the sandbox"
    )


def test_every_type_is_described_soundly() -> None:
    for token, spec in RESOURCES.items():
        roots = {path.partition(".")[0] for path in spec.force_new}
        assert roots <= spec.inputs, token
        assert spec.required <= spec.inputs, token
        assert set(spec.defaults) <= spec.inputs, token
        known = spec.shapes.sets | spec.shapes.documents | spec.shapes.computed | spec.shapes.chosen
        assert known <= spec.inputs, token
        assert ("tags" in spec.inputs) == (spec.retag is not None), token
