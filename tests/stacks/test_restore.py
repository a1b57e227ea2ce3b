"""A stack during a restore: a database more, the switch to it, the end of the old one; and a key that stays."""

from dataclasses import replace

import pytest

from provisioner.model.stack import DatabaseArgs, StackArgs
from tests.stacks.compare import changed, check_name, names, product_environment
from tests.stacks.recorder import ACCOUNT, Recording, Resource, record
from tests.stacks.shapes import SHAPES, recording

STANDARD = SHAPES["standard-aws"]
OLD, NEW = DatabaseArgs(), DatabaseArgs("x1y2z3", snapshot="acme-p1")
MOVED = {"multiAz", "monitoringInterval", "monitoringRoleArn"}


def stack(*databases: DatabaseArgs, base: StackArgs = STANDARD) -> Recording:
    return record(replace(base, databases=databases))


def database(found: Recording, suffix: str = "x1y2z3") -> Resource:
    return found.named(f"database-{suffix}" if suffix else "database", "rds:Instance")


def test_beside_a_restore_only_adds() -> None:
    """The one that serves, its machine and its alarms are left alone; the key lets RDS write the new logs."""
    assert changed(recording("standard-aws"), recording("restoring-aws")) == {
        "database-x1y2z3": {"+"},
        "database-log-postgresql-x1y2z3": {"+"},
        "database-log-upgrade-x1y2z3": {"+"},
        "key": {"policy"},
    }


def test_the_new_one_has_a_name_logs_and_a_final_snapshot_of_its_own() -> None:
    found = recording("restoring-aws")
    made = database(found)
    assert made.inputs["identifier"] == "acme-x1y2z3"
    assert made.inputs["finalSnapshotIdentifier"] == "acme-x1y2z3-final"
    assert made.inputs["tags"]["provision:resource"] == "database-x1y2z3"
    assert {g.inputs["name"] for g in found.of("cloudwatch:LogGroup") if "x1y2z3" in g.name} == {
        "/aws/rds/instance/acme-x1y2z3/postgresql",
        "/aws/rds/instance/acme-x1y2z3/upgrade",
    }
    (logs,) = [s for s in found.named("key", "kms:Key").policy() if "Condition" in s]
    allowed = logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    assert f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/aws/rds/instance/acme-x1y2z3/*" in allowed


def test_it_is_as_guarded_as_the_old_one() -> None:
    found = recording("restoring-aws")
    for made in (database(found, ""), database(found)):
        assert made.protect
        assert made.inputs["deletionProtection"]
        assert not made.inputs["skipFinalSnapshot"]


ORIGINS = {
    "snapshot": (NEW, {"snapshotIdentifier": "acme-p1"}),
    "time": (
        DatabaseArgs("x1y2z3", source="db-DATABASE", at="2026-03-01T12:00:00Z"),
        {"restoreToPointInTime": {"sourceDbiResourceId": "db-DATABASE", "restoreTime": "2026-03-01T12:00:00Z"}},
    ),
    "latest": (
        DatabaseArgs("x1y2z3", source="db-DATABASE"),
        {"restoreToPointInTime": {"sourceDbiResourceId": "db-DATABASE", "useLatestRestorableTime": True}},
    ),
    "nothing": (DatabaseArgs("x1y2z3"), {"dbName": "product", "allocatedStorage": 100}),
}


@pytest.mark.parametrize("kind", ORIGINS)
def test_where_it_begins(kind: str) -> None:
    """What a restore makes has the source's database in it, and its size, which may have grown."""
    wanted, inputs = ORIGINS[kind]
    made = database(stack(OLD, replace(wanted, kept=True)))
    keys = {"snapshotIdentifier", "restoreToPointInTime", "dbName", "allocatedStorage"}
    assert {k: v for k, v in made.inputs.items() if k in keys} == inputs
    ignored = set(made.ignore_changes)
    assert ignored == (set() if kind == "nothing" else {"snapshotIdentifier", "restoreToPointInTime"})


def test_the_switch_turns_machine_alarms_and_outputs_and_makes_nothing() -> None:
    before, after = stack(OLD, replace(NEW, kept=True)), stack(replace(OLD, kept=True), NEW)
    alarms = [a.name for a in after.of("cloudwatch:MetricAlarm") if a.name.startswith("database-")]
    assert changed(before, after) == {
        "database": MOVED,
        "database-x1y2z3": MOVED | {"allocatedStorage"},
        "machine": {"userData"},
        **{alarm: {"dimensions"} for alarm in alarms},
    }
    for found, identifier in ((before, "acme"), (after, "acme-x1y2z3")):
        watched = {a.inputs["dimensions"].get("DBInstanceIdentifier") for a in found.of("cloudwatch:MetricAlarm")}
        assert identifier in watched
        assert len(watched) == 2
    told = product_environment(after.named("machine", "ec2:Instance").inputs["userData"])
    assert told["DATABASE_HOST"] == "database-x1y2z3.rds.example.com"
    assert after.outputs["database_identifier"] == "acme-x1y2z3"
    assert after.outputs["master_secret_arn"].endswith("rds!database-x1y2z3")


def test_outputs_have_every_database() -> None:
    outputs = recording("restoring-aws").outputs
    secret = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:rds!"
    assert outputs["databases"] == {
        "": {
            "identifier": "acme",
            "address": "database.rds.example.com",
            "port": 5433,
            "resource_id": "db-DATABASE",
            "master_secret_arn": f"{secret}database",
        },
        "x1y2z3": {
            "identifier": "acme-x1y2z3",
            "address": "database-x1y2z3.rds.example.com",
            "port": 5433,
            "resource_id": "db-DATABASE-X1Y2Z3",
            "master_secret_arn": f"{secret}database-x1y2z3",
        },
    }
    assert outputs["master_secret_arn"] == f"{secret}database"


def test_the_boundary_has_the_master_s_secret_of_each_database() -> None:
    """What is being verified is set up from the machine that serves; its role gets that right for some minutes."""
    found = recording("restored-sandbox")
    (secrets,) = [
        s
        for s in found.named("machine-boundary", "iam:Policy").policy()
        if s["Action"] == ["secretsmanager:GetSecretValue"]
    ]
    masters = {d["master_secret_arn"] for d in found.outputs["databases"].values()}
    assert len(masters) == 2
    assert set(secrets["Resource"]) == {found.outputs["product_secret_arn"], *masters}
    granted = found.named("machine-policy", "iam:RolePolicy").policy()
    assert not any(master in s["Resource"] for s in granted for master in masters)


def test_the_old_one_s_end_is_prepared_on_it_alone() -> None:
    before, after = recording("restored-aws"), recording("ending-aws")
    assert changed(before, after) == {
        "database": {"deletionProtection", "deleteAutomatedBackups", "finalSnapshotIdentifier"}
    }
    old = database(after, "")
    assert not old.protect
    assert old.inputs["finalSnapshotIdentifier"] == "acme-replaced-p2"
    assert old.inputs["skipFinalSnapshot"] is False


def test_a_trial_s_end_has_its_final_snapshot_too() -> None:
    trial = SHAPES["trial-sandbox"]
    old = database(stack(replace(OLD, kept=True, final="acme-replaced-p2"), NEW, base=trial), "")
    assert old.inputs["skipFinalSnapshot"] is False
    assert old.inputs["finalSnapshotIdentifier"] == "acme-replaced-p2"


def test_what_never_served_may_go_without_a_snapshot() -> None:
    """An abandoned restore: its data is in the recovery point that it was made from."""
    new = database(stack(OLD, replace(NEW, kept=True, final="")))
    assert not new.protect
    assert (new.inputs["deletionProtection"], new.inputs["skipFinalSnapshot"]) == (False, True)


def test_without_the_old_one_the_new_one_stays_as_it_is() -> None:
    assert changed(recording("ending-aws"), stack(NEW)) == {
        "database": {"-"},
        "database-log-postgresql": {"-"},
        "database-log-upgrade": {"-"},
        "key": {"policy"},
    }


def test_names_fit_and_are_shared_with_no_other_tenant() -> None:
    tenant = "a" + "b" * 30
    long = record(replace(SHAPES["restoring-aws"], tenant=tenant))
    for resource in long.resources:
        check_name(resource, tenant)
    assert names(long) & names(recording("restoring-aws")) == set()


def test_a_kept_key_is_no_stack_s_any_more() -> None:
    """A stack adopts what bears its own and its resource's tag: one of the same name must not find it."""
    keys = [found.named("key", "kms:Key") for found in (record(replace(STANDARD, keep_key=True)), record(STANDARD))]
    resources = [key.inputs["tags"]["provision:resource"] for key in keys]
    assert resources == ["kept-key", "key"]


def test_a_kept_key_outlives_the_stack_and_its_alias_doesn_t() -> None:
    after = record(replace(STANDARD, keep_key=True))
    assert changed(recording("standard-aws"), after) == {"key": {"tags"}}
    key = after.named("key", "kms:Key")
    assert (key.protect, key.retain_on_delete) == (False, True)
    assert [r.name for r in after.resources if r.retain_on_delete] == ["key"]
    assert not recording("standard-aws").named("key", "kms:Key").retain_on_delete
    assert after.named("product-secret", "secretsmanager:Secret").protect
