"""`plan` and `apply` with the real command: tiers, drift, the firewall, and the fleet."""

import signal

import pytest

from tests.faults.patches.packages import Feed
from tests.installation import Installation

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def feed(installation: Installation) -> Feed:
    """Of packages, which its sandbox reads."""
    made = Feed(installation.home.parent / "feed.json")
    installation.ok("sandbox", "start", **made.environment)
    return made


@pytest.fixture(scope="module")
def fleet(installation: Installation, feed: Feed) -> Installation:
    installation.ok("new-tenant", "acme", "--tier", "trial")
    installation.ok("new-tenant", "beta", "--tier", "trial", "--ring", "1")
    return installation


def edit(installation: Installation, old: str, new: str) -> str:
    before = installation.registry.read_text()
    assert old in before
    installation.registry.write_text(before.replace(old, new, 1))
    return before


def test_nothing_to_do_is_said_without_asking_the_cloud(fleet: Installation) -> None:
    answer = fleet.ok("apply", "--all", "--yes", "-o", "json")
    assert [i["verdict"] for i in answer.json] == ["unchanged", "unchanged"]
    assert fleet.run("plan", "--all", "--detailed-exitcode").code == 0


def test_a_change_is_planned_with_exit_7_and_applied(fleet: Installation) -> None:
    before = edit(fleet, "    ring: 1\n", "    ring: 0\n")
    planned = fleet.run("plan", "beta", "--detailed-exitcode", "-o", "json")
    assert planned.code == 7
    assert {c["op"] for c in planned.json[0]["changes"]} == {"update"}
    assert fleet.run("apply", "beta").code == 2, "without a terminal somebody must say yes"
    fleet.ok("apply", "beta", "--yes")
    tags = fleet.client("rds").describe_db_instances(DBInstanceIdentifier="beta")["DBInstances"][0]["TagList"]
    assert {"Key": "provision:ring", "Value": "0"} in tags
    fleet.registry.write_text(before)
    fleet.ok("apply", "--all", "--yes")


def test_a_change_by_hand_is_seen_by_plan_refresh_and_mended_by_apply(fleet: Installation) -> None:
    rds = fleet.client("rds")
    rds.modify_db_instance(DBInstanceIdentifier="acme", BackupRetentionPeriod=5, ApplyImmediately=True)
    planned = fleet.run("plan", "acme", "--refresh", "--detailed-exitcode", "-o", "json")
    assert planned.code == 7
    assert any("backupRetentionPeriod" in c["paths"] for c in planned.json[0]["changes"])
    fleet.ok("apply", "acme", "--yes")
    described = rds.describe_db_instances(DBInstanceIdentifier="acme")["DBInstances"][0]
    assert described["BackupRetentionPeriod"] == 1, "as the tier says"
    assert fleet.run("plan", "acme", "--refresh", "--detailed-exitcode").code == 0


def test_a_machine_terminated_by_hand_comes_back(fleet: Installation) -> None:
    ec2 = fleet.client("ec2")
    machine = fleet.show("acme")["machine"]["id"]
    ec2.modify_instance_attribute(InstanceId=machine, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[machine])
    assert fleet.run("plan", "acme", "--refresh", "--detailed-exitcode").code == 7
    fleet.ok("apply", "acme", "--yes")
    shown = fleet.show("acme")
    assert shown["machine"]["id"] != machine
    assert shown["health"]["status"] == "healthy"


def machine_of(fleet: Installation, tenant: str) -> str:
    filters = [
        {"Name": "tag:provision:tenant", "Values": [tenant]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    [found] = fleet.client("ec2").describe_instances(Filters=filters)["Reservations"]
    return str(found["Instances"][0]["InstanceId"])


def test_what_was_changed_by_hand_is_judged_and_mended(fleet: Installation) -> None:
    """A port opened, deletion protection removed, a tag changed, a machine stopped."""
    ec2, rds = fleet.client("ec2"), fleet.client("rds")
    protected = "{setting: deletion_protection, value: true, name: jane, reason: 'a test'}"
    before = edit(fleet, "\n  beta:\n", f"\n  beta:\n    overrides: [{protected}]\n")
    planned = fleet.ok("drift", "beta", "-o", "json")
    [beta] = planned.json["tenants"]
    assert (beta["standing"], {p["name"] for p in beta["planned"]} >= {"database", "machine"}) == ("clean", True)
    fleet.ok("apply", "beta", "--yes")
    machines = {t: machine_of(fleet, t) for t in ("acme", "beta")}
    named = [{"Name": "group-name", "Values": ["provision-beta-machine"]}]
    [group] = [g["GroupId"] for g in ec2.describe_security_groups(Filters=named)["SecurityGroups"]]
    opened = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[opened])
    rds.modify_db_instance(DBInstanceIdentifier="beta", DeletionProtection=False, ApplyImmediately=True)
    ec2.create_tags(Resources=list(machines.values()), Tags=[{"Key": "owner", "Value": "me"}])
    ec2.stop_instances(InstanceIds=[machines["beta"]])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[machines["beta"]], WaiterConfig={"Delay": 1})
    found = fleet.run("drift", "--all", "-o", "json")
    assert found.code == 7
    assert {(g["class"], g["name"], g["path"], g["after"], tuple(g["tenants"])) for g in found.json["groups"]} == {
        ("security regression", "machine-group", "ingress", "tcp 22 from 0.0.0.0/0", ("beta",)),
        ("security regression", "database", "deletionProtection", False, ("beta",)),
        ("outage", "machine", "instanceState", "stopped", ("beta",)),
        ("harmless", "machine", "tags.owner", "me", ("acme", "beta")),
    }
    killed = fleet.run("drift", "--all", "--fix", "--yes", PROVISION_FAILPOINT="stack:before")
    assert killed.code == -signal.SIGKILL
    assert fleet.run("drift", "--all").code == 7, "what was cut off is left to be mended"
    fleet.ok("drift", "--all", "--fix", "--yes")
    assert fleet.ok("drift", "--all").stdout == "2 tenant(s) clean\n"
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    assert 22 not in {rule["FromPort"] for rule in rules}
    assert rds.describe_db_instances(DBInstanceIdentifier="beta")["DBInstances"][0]["DeletionProtection"]
    shown = fleet.show("beta")
    assert (shown["machine"]["id"], shown["health"]["status"]) == (machines["beta"], "healthy")
    assert (shown["drift"]["changes"], shown["drift"]["regression"]) == (0, 0)
    fleet.registry.write_text(before)
    fleet.ok("apply", "beta", "--yes")


def test_a_change_that_would_replace_the_database_is_refused(fleet: Installation) -> None:
    database = fleet.client("rds").describe_db_instances(DBInstanceIdentifier="acme")["DBInstances"][0]
    before = edit(fleet, "tier: trial", "tier: enterprise")
    text = fleet.registry.read_text()
    answer = fleet.run("apply", "acme", "--yes")
    fleet.registry.write_text(before)
    assert answer.code == 6, answer.stdout + answer.stderr
    assert "aws:rds/instance:Instance" in answer.stdout + answer.stderr
    assert "tenants/acme/waivers" in answer.stdout + answer.stderr
    after = fleet.client("rds").describe_db_instances(DBInstanceIdentifier="acme")["DBInstances"][0]
    assert (after["DbiResourceId"], after["DBInstanceClass"]) == (
        database["DbiResourceId"],
        database["DBInstanceClass"],
    )
    assert fleet.show("acme")["state"] == "active"
    assert text != before


def test_one_broken_tenant_stops_no_other(fleet: Installation) -> None:
    before = fleet.registry.read_text()
    fleet.registry.write_text(before.replace("    ring: 1\n", "    ring: 0\n"))
    edit(fleet, "\n  acme:\n", "\n  acme:\n    labels: {tried: 'yes'}\n")
    fleet.ok("sandbox", "fault", "add", "no-capacity", "--operation", "(Create|Delete|Modify|Add).*", "--match", "acme")
    answer = fleet.run("apply", "--all", "--yes", "-o", "json")
    fleet.ok("sandbox", "fault", "clear")
    verdicts = {i["tenant"]: i["verdict"] for i in answer.json}
    assert verdicts == {"acme": "failed", "beta": "applied"}
    assert answer.code == 1
    fleet.ok("apply", "--all", "--yes")
    assert fleet.show("acme")["state"] == "active"
    fleet.registry.write_text(before)


def test_patches_are_found_installed_with_a_reboot_and_proven(fleet: Installation, feed: Feed) -> None:
    """Patch Manager of the sandbox: packages of a real machine, one of which is its kernel; another one fails first."""
    always = '    window: {days: [mon, tue, wed, thu, fri, sat, sun], start: "00:00", hours: 24}\n'
    before = edit(fleet, "\n  acme:\n", f"\n  acme:\n{always}")
    quick = "  quick: {waves: [rest], gate: {samples: 2, good: 2, settle: 1}}\n"
    edit(fleet, "\nstrategies:\n", f"\nstrategies:\n{quick}")
    [found] = fleet.ok("patch", "scan", "acme", "-o", "json").json
    assert (found["critical"] > 0, found["reboot"]) == (True, None)
    machine = fleet.show("acme")["machine"]["id"]
    feed.break_("expat", "echo its key is unknown >&2; exit 7")
    stopped = fleet.run("patch", "install", "acme", "--strategy", "quick", "--yes")
    assert stopped.code == 3
    assert "package expat.x86_64:2.6.3 of acme couldn't be installed" in stopped.stderr
    assert "its key is unknown" in stopped.stderr
    assert fleet.show("acme")["health"]["status"] == "healthy"
    feed.mend()
    done = fleet.ok("rollout", "retry-failed", "-o", "json").json
    assert (done["status"], done["work"]) == ("succeeded", "patch")
    [row] = fleet.ok("patch", "report", "acme", "-o", "json").json
    assert ([row[name] for name in ("critical", "important", "failed")], row["pending_reboot"]) == ([0, 0, 0], False)
    assert row["patched"] != "never"
    shown = fleet.show("acme")
    assert (shown["machine"]["id"], shown["health"]["status"]) == (machine, "healthy")
    operations = fleet.ok("operations", "list", "--tenant", "acme", "-o", "json").json
    newest = next(o for o in operations if o["kind"] == "patch")
    steps = {s["name"]: s["result"] for s in fleet.ok("operations", "show", newest["id"], "-o", "json").json["steps"]}
    assert steps["reboot"]["rebooted"], "the kernel's"
    assert steps["finish"]["closed"] >= 2
    fleet.registry.write_text(before)
