"""What of a preview is drift, and which findings are the same."""

from typing import Any

from provisioner.model.change import Difference, Plan, PropertyChange, Step, StepOp
from provisioner.model.drift.judge import Finding, counts, dotted, findings, groups, judge, sort_out
from provisioner.model.drift.rules import Weight

RDS, EC2, GROUP = "aws:rds/instance:Instance", "aws:ec2/instance:Instance", "aws:ec2/securityGroup:SecurityGroup"


def differs(
    path: str = "", before: Any = None, after: Any = None, name: str = "database", type_: str = RDS
) -> Difference:
    return Difference(type_, name, f"urn::{name}", path, before, after)


def step(*paths: str, name: str = "database", op: StepOp = StepOp.UPDATE, type_: str = RDS) -> Step:
    return Step(op, f"urn::{name}", type_, name, changes=tuple(PropertyChange(p) for p in paths))


UNPROTECTED = differs("deletionProtection", True, False)
OPENED = differs("ingress", None, "tcp 22 from 0.0.0.0/0", "machine-group", GROUP)


def test_what_drift_explains_is_not_planned() -> None:
    plan = Plan((step("deletionProtection"),), (UNPROTECTED,))
    for pending in (False, True):
        told = sort_out(plan, (), pending=pending)
        assert (told.drift, told.planned) == ((UNPROTECTED,), ())


def test_what_the_registry_wants_is_planned_and_no_drift() -> None:
    resized, mended = step("instanceClass", name="other"), step("deletionProtection")
    told = sort_out(Plan((resized, mended), (UNPROTECTED,)), (), pending=True)
    assert (told.drift, told.planned) == ((UNPROTECTED,), (resized,))


def test_a_step_that_mends_and_does_more_is_planned_too() -> None:
    both = step("deletionProtection", "instanceClass")
    assert sort_out(Plan((both,), (UNPROTECTED,)), (), pending=True).planned == (both,)


def test_a_clean_plan_has_neither() -> None:
    told = sort_out(Plan((step(op=StepOp.SAME),)), (), pending=False)
    assert (told.drift, told.planned) == ((), ())


def test_where_nothing_is_pending_an_unexplained_change_is_unknown_drift() -> None:
    """Somebody read the drift into the state: `pulumi refresh` by hand. To call that clean would be wrong."""
    told = sort_out(Plan((step("deletionProtection"),)), (), pending=False)
    assert [d.path for d in told.drift] == ["deletionProtection"]
    (finding,) = findings(told.drift)
    assert (finding.weight, finding.before, finding.after) == (Weight.UNKNOWN, None, None)


def test_a_step_without_paths_counts_as_well() -> None:
    told = sort_out(Plan((step(op=StepOp.CREATE),)), (), pending=False)
    assert [(d.path, judge(d).weight) for d in told.drift] == [("(create)", Weight.UNKNOWN)]


def test_secret_values_are_unknown_whatever_the_property_is() -> None:
    assert judge(differs("publiclyAccessible", "[secret]", "[secret]")).weight is Weight.UNKNOWN
    assert judge(differs("tags.owner", "[secret]", "[secret]")).weight is Weight.UNKNOWN


def test_what_follows_from_a_lost_resource_is_neither() -> None:
    gone = differs(name="machine", type_=EC2)
    plan = Plan((step(op=StepOp.CREATE, name="machine", type_=EC2), step("instanceId", name="association")), (gone,))
    told = sort_out(plan, (), pending=False)
    assert (told.drift, told.planned) == ((gone,), ())


def test_what_no_plan_would_mend_is_no_drift() -> None:
    """The refresh took other words for the same thing as a difference: to call it drift would be for ever."""
    assert (
        sort_out(Plan((step(op=StepOp.SAME),), (differs("engineVersion", "17", "17.4"),)), (), pending=False).drift
        == ()
    )


def test_what_was_looked_up_beside_the_plan_is_drift() -> None:
    assert sort_out(Plan(()), (OPENED,), pending=False).drift == (OPENED,)
    assert sort_out(Plan(()), (OPENED,), pending=True).drift == (OPENED,)


def test_a_tag_is_told_once_with_the_value_it_had() -> None:
    """A default tag is among all tags only; changed by hand it is among the resource's own, too."""
    drift = (
        differs('tags["provision:ring"]', None, "9"),
        differs('tagsAll["provision:ring"]', "2", "9"),
        differs("tags.hand", None, "x", "other"),
    )
    told = sort_out(Plan((step('tags["provision:ring"]', 'tagsAll["provision:ring"]'),), drift), (), pending=True)
    assert [(d.name, d.path, d.before) for d in told.drift] == [
        ("database", 'tags["provision:ring"]', "2"),
        ("other", "tags.hand", None),
    ]
    assert told.planned == ()


def test_whole_maps_are_told_by_their_keys() -> None:
    drift = (
        differs("tags", {"a": "1", "b": "2"}, {"a": "1", "c": "3"}),
        differs("metadataOptions", {"httpTokens": "required"}, {"httpTokens": "optional", "more": 1}, "machine", EC2),
        differs(
            "parameters", [{"name": "rds.force_ssl", "value": "1"}], [{"name": "rds.force_ssl", "value": "0"}], "p",
            "aws:rds/parameterGroup:ParameterGroup",
        ),
    )  # fmt: skip
    told = findings(sort_out(Plan((), drift), (), pending=True).drift)
    assert {(f.path, f.before, f.after, f.weight) for f in told} == {
        ("tags.b", "2", None, Weight.HARMLESS),
        ("tags.c", None, "3", Weight.HARMLESS),
        ("metadataOptions.httpTokens", "required", "optional", Weight.REGRESSION),
        ("parameters.rds.force_ssl", "1", "0", Weight.REGRESSION),
    }


def test_what_can_not_be_taken_apart_stays_whole() -> None:
    drift = (differs("tags", None, None), differs("parameters", "odd", ["odd"], "p"))
    assert sort_out(Plan((), drift), (), pending=True).drift == drift


def test_identical_findings_of_several_tenants_are_one_group_and_the_worst_is_first() -> None:
    tagged, stopped = differs("tags.owner", None, "me"), differs("instanceState", "running", "stopped", "machine", EC2)
    found = {
        "acme": findings((tagged, OPENED, stopped)),
        "beta": findings((tagged,)),
        "gamma": findings((differs("tags.owner", None, "you"), OPENED)),
    }
    assert [(g.finding.path, g.finding.after, g.tenants) for g in groups(found)] == [
        ("ingress", "tcp 22 from 0.0.0.0/0", ("acme", "gamma")),
        ("instanceState", "stopped", ("acme",)),
        ("tags.owner", "me", ("acme", "beta")),
        ("tags.owner", "you", ("gamma",)),
    ]


def test_a_number_and_its_text_are_two_groups() -> None:
    one: list[Finding] = [judge(differs("port", 1, 2)), judge(differs("port", "1", "2"))]
    assert len(groups({"acme": one})) == 2


def test_counts_name_every_weight() -> None:
    assert counts(findings((OPENED, UNPROTECTED, differs("tags.a", 1, 2)))) == {
        "changes": 3,
        "regression": 2,
        "outage": 0,
        "unknown": 0,
        "harmless": 1,
    }


def test_paths_with_dots_alone() -> None:
    assert dotted('tags["provision:ring"]') == "tags.provision:ring"
    assert dotted("rules[0].filter") == "rules.0.filter"
    assert dotted('["a.b"].c') == "a.b.c"
    assert dotted("") == ""
