"""A drill's stack: whose it is, what it is made from, what it leaves alone."""

import json
import pickle
from dataclasses import replace

import pytest

from provisioner.model.stack import DatabaseArgs
from stacks.tenant import program
from tests.stacks.compare import check_name, names, product_environment
from tests.stacks.recorder import record
from tests.stacks.shapes import SHAPES, TENANT_KEY, quarantined, recording

BOTH = ["quarantine-aws", "quarantine-sandbox"]
DRILL = SHAPES["quarantine-aws"]


@pytest.mark.parametrize("shape", BOTH)
def test_it_is_the_tenant_s_and_says_until_when_it_may_be_there(shape: str) -> None:
    """The tenant's tag keeps it inside the deployer's fence; the others tell a reaper what it is."""
    (provider,) = recording(shape).of("providers:aws")
    tags = json.loads(provider.inputs["defaultTags"])["tags"]
    assert tags["provision:tenant"] == "acme"
    assert tags["provision:stack"] == "drill/acme-d3fa2b1"
    assert tags["provision:purpose"] == "drill"
    assert tags["provision:expires"] == "2026-03-01T18:00:00Z"
    ordinary = json.loads(recording("standard-aws").of("providers:aws")[0].inputs["defaultTags"])["tags"]
    assert tags.keys() - ordinary.keys() == {"provision:purpose", "provision:expires"}


def test_it_is_made_in_a_session_for_its_tenant() -> None:
    role = "arn:aws:iam::123456789012:role/provision-deployer"
    (provider,) = record(replace(DRILL, role=role)).of("providers:aws")
    (assumed,) = json.loads(provider.inputs["assumeRoles"])
    assert (assumed["roleArn"], assumed["tags"]) == (role, {"tenant": "acme"})


@pytest.mark.parametrize("shape", BOTH)
def test_it_shares_no_name_with_its_tenant_or_another_drill(shape: str) -> None:
    drill, tenant = recording(shape), recording(f"standard-{shape.removeprefix('quarantine-')}")
    another = record(replace(SHAPES[shape], quarantine="acme-d000000"))
    assert names(drill) & names(tenant) == set()
    assert names(drill) & names(another) == set()


@pytest.mark.parametrize("shape", BOTH)
def test_its_names_fit(shape: str) -> None:
    """Also where a name is the longest tenant's with a drill's number behind it."""
    tenant = "a" + "b" * 30
    long = record(replace(SHAPES[shape], tenant=tenant, quarantine=f"{tenant}-d3fa2b1"))
    for resource in long.resources:
        check_name(resource, f"{tenant}-d3fa2b1")


@pytest.mark.parametrize("shape", BOTH)
def test_the_database_is_the_backup_unchanged(shape: str) -> None:
    found = recording(shape)
    made = found.named("database", "rds:Instance").inputs
    assert made["identifier"] == "acme-d3fa2b1"
    assert made["snapshotIdentifier"] == "acme-p1"
    assert made["kmsKeyId"] == made["masterUserSecretKmsKeyId"] == TENANT_KEY
    assert made["multiAz"] is False
    assert not made.keys() & {"dbName", "engineVersion", "allocatedStorage", "maxAllocatedStorage"}
    parameters = found.named("database-parameters", "rds:ParameterGroup").inputs
    assert parameters["name"] == "acme-d3fa2b1-postgres17"
    tenants = recording("standard-aws").named("database-parameters", "rds:ParameterGroup").inputs
    assert parameters["parameters"] == tenants["parameters"]


def test_it_can_begin_at_a_time_too() -> None:
    found = record(replace(DRILL, databases=(DatabaseArgs(source="db-DATABASE", at="2026-03-01T12:00:00Z"),)))
    origin = found.named("database", "rds:Instance").inputs["restoreToPointInTime"]
    assert origin == {"sourceDbiResourceId": "db-DATABASE", "restoreTime": "2026-03-01T12:00:00Z"}


@pytest.mark.parametrize("shape", BOTH)
def test_the_machine_is_the_release_s_in_the_tenant_s_name(shape: str) -> None:
    found = recording(shape)
    machine = found.named("machine", "ec2:Instance").inputs
    assert (machine["ami"], machine["subnetId"]) == (DRILL.image_id, "public-a-id")
    assert machine["rootBlockDevice"]["kmsKeyId"] == TENANT_KEY
    assert machine["associatePublicIpAddress"] is True
    told = product_environment(machine["userData"])
    assert (told["TENANT"], told["RELEASE"], told["FILES_BUCKET"], told["TLS_NAME"]) == ("acme", "1.0.0", "", "")
    assert told["PURPOSE"] == "drill"
    assert told["DATABASE_HOST"] == found.outputs["database_address"]


@pytest.mark.parametrize("shape", BOTH)
def test_the_machine_reads_this_stack_s_secret_with_the_tenant_s_key_and_nothing_else(shape: str) -> None:
    found = recording(shape)
    outputs = found.outputs
    granted = found.named("machine-policy", "iam:RolePolicy").policy()
    assert [(s["Action"], s["Resource"]) for s in granted] == [
        (["kms:Decrypt", "kms:GenerateDataKey"], [TENANT_KEY]),
        (["secretsmanager:GetSecretValue"], [outputs["product_secret_arn"]]),
    ]
    secret = found.named("product-secret", "secretsmanager:Secret").inputs
    assert (secret["name"], secret["kmsKeyId"]) == ("provision/acme/acme-d3fa2b1", TENANT_KEY)
    role = found.named("machine-role", "iam:Role").inputs
    if shape == "quarantine-aws":
        assert role["permissionsBoundary"] == "arn:aws:iam::123456789012:policy/provision-boundary"
        return
    most = found.named("machine-boundary", "iam:Policy").policy()
    secrets = [r for s in most for r in s["Resource"] if "secret" in r]
    assert secrets == [outputs["product_secret_arn"], outputs["master_secret_arn"]]


@pytest.mark.parametrize("shape", BOTH)
def test_outputs_are_those_of_a_tenant(shape: str) -> None:
    outputs = recording(shape).outputs
    assert (outputs["url"], outputs["files_bucket"], outputs["key_arn"]) == ("", "", TENANT_KEY)
    assert outputs["database_identifier"] == "acme-d3fa2b1"
    assert outputs["databases"].keys() == {""}


def test_what_the_tier_buys_makes_no_difference() -> None:
    """But for sizes: a drill of an enterprise makes no balancer, gateway, second zone or protection either."""
    small = record(quarantined(replace(SHAPES["trial-aws"], labels={})))
    assert {r.urn for r in small.resources} == {r.urn for r in recording("quarantine-aws").resources}


@pytest.mark.parametrize("missing", ["key_arn", "expires"])
def test_without_a_key_or_an_end_there_is_none(missing: str) -> None:
    args = replace(DRILL, **{missing: None})  # type: ignore[arg-type]  # one of the two names above
    with pytest.raises(ValueError, match="quarantine acme-d3fa2b1 needs key_arn and expires"):
        program(args)()


def test_the_program_goes_to_another_process() -> None:
    there = pickle.loads(pickle.dumps(program(DRILL)))
    assert (there.func, there.args) == (program(DRILL).func, (DRILL,))  # type: ignore[attr-defined]  # a partial
