"""What is the same is told together, and the rest says in what it differs."""

from provisioner.model.change import Plan, PropertyChange, Step, StepOp
from provisioner.model.rollout.groups import changes, grouped, steps, summary, verdict_of
from provisioner.model.rollout.plan import plan
from tests.unit.model.rollout.fleets import NOW, candidate, fleet, request


def test_97_same_3_different() -> None:
    old = [candidate(f"old{n}", on="1.1.0") for n in range(3)]
    found = plan(request(), [*fleet(97), *old], NOW)
    groups = steps(found)
    assert summary(groups) == "97 same, 3 different"
    assert dict(groups[0].facts) == {"from": "1.2.0", "migration": "online", "undo": "code-only"}
    assert groups[0].differs == ()
    assert set(groups[1].tenants) == {"old0", "old1", "old2"}
    assert groups[1].differs == ("from: 1.1.0 (the others: 1.2.0)",)


def test_a_verdict_of_a_group_leaves_out_what_is_one_tenant_s_own() -> None:
    found = plan(request(), [candidate("acme", newest_point=NOW)], NOW)
    [group] = steps(found)
    assert "recovery point" not in verdict_of(found, group)
    assert verdict_of(found, group).startswith("code-only: undone by itself")


def test_facts_that_are_missing_and_facts_that_are_more() -> None:
    groups = grouped({"a": {"x": "1", "y": "1"}, "b": {"x": "1", "y": "1"}, "c": {"x": "2", "z": "1"}})
    assert [g.tenants for g in groups] == [("a", "b"), ("c",)]
    assert groups[1].differs == (
        "x: 2 (the others: 1)",
        "z: 1 (the others: nothing)",
        "y: nothing (the others: 1)",
    )


def test_of_two_groups_as_large_the_first_tenant_s_is_the_norm_and_the_order_of_facts_is_nothing() -> None:
    groups = grouped({"b": {"x": "1", "y": "2"}, "a": {"x": "2", "y": "2"}})
    assert [g.tenants for g in groups] == [("b",), ("a",)]
    assert summary(grouped({"a": {"x": "1", "y": "2"}, "b": {"y": "2", "x": "1"}})) == "2 same"
    assert summary(grouped({})) == "none"


def test_previews_are_compared_by_what_changes_not_by_values_or_order() -> None:
    def step(op: StepOp, name: str, *paths: str, urn: str = "urn") -> Step:
        return Step(op, f"{urn}:{name}", "aws:ec2/instance:Instance", name, None, tuple(map(PropertyChange, paths)))

    one = Plan((step(StepOp.SAME, "vpc"), step(StepOp.UPDATE, "machine", "tags", "ami"), step(StepOp.CREATE, "b")))
    other = Plan((step(StepOp.CREATE, "b", urn="x"), step(StepOp.UPDATE, "machine", "ami", "tags", urn="x")))
    assert changes(one) == changes(other)
    assert changes(one) == {
        "aws:ec2/instance:Instance b": "create",
        "aws:ec2/instance:Instance machine": "update [ami, tags]",
    }


def test_a_replacement_is_one_fact_of_its_resource() -> None:
    replaced = Plan(
        (
            Step(StepOp.CREATE_REPLACEMENT, "u", "t", "m", None, (PropertyChange("ami", replaces=True),)),
            Step(StepOp.DELETE_REPLACED, "u", "t", "m"),
        )
    )
    assert changes(replaced) == {"t m": "create-replacement [ami!] + delete-replaced"}
