"""What a killed run left in the state is settled before anything is made again."""

from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.engines.embedded.state import Resource, verify
from provisioner.engines.pulumi_cli import pending

HEAD = "urn:pulumi:acme::tenant::"
STACK = f"{HEAD}pulumi:pulumi:Stack::tenant-acme"
PROVIDER = f"{HEAD}pulumi:providers:aws::aws"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:x:y"}


def urn(name: str) -> str:
    return f"{HEAD}aws:ec2/vpc:Vpc::{name}"


def resource(name: str, *needs: str, identifier: str = "", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "urn": urn(name),
        "custom": True,
        "type": "aws:ec2/vpc:Vpc",
        "inputs": {"cidr": "10.0.0.0/16"},
        "parent": STACK,
        "provider": f"{PROVIDER}::1",
        "dependencies": [urn(n) for n in needs],
    }
    if identifier:
        made |= {"id": identifier, "outputs": {"cidr": "10.0.0.0/16"}}
    return {**made, **more}


def deployment(resources: list[dict[str, Any]], *operations: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    head = [
        {"urn": STACK, "custom": False, "type": "pulumi:pulumi:Stack"},
        {
            "urn": PROVIDER,
            "custom": True,
            "type": "pulumi:providers:aws",
            "id": "1",
            "parent": STACK,
            "inputs": {"region": "eu-west-1"},
        },
    ]
    begun = [{"type": kind, "resource": r} for kind, r in operations]
    return {"version": 3, "deployment": {"manifest": {}, "resources": head + resources, "pending_operations": begun}}


def settle(before: dict[str, Any], **there: str) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    asked = []

    def find(made: dict[str, Any], region: str, known: Collection[str]) -> str | None:
        name = made["urn"].rsplit("::", 1)[-1]
        asked.append((name, region))
        found = there.get(name)
        return None if found in known else found

    after, notes = pending.settled(before, find)
    assert len(notes) == sum(o["resource"]["type"].startswith("aws:") for o in pending.operations(before))
    assert not pending.operations(after)
    return after["deployment"]["resources"], asked


def test_a_creation_that_the_cloud_has_is_taken_over() -> None:
    resources, asked = settle(deployment([], ("creating", resource("vpc"))), vpc="vpc-1")
    assert asked == [("vpc", "eu-west-1")]
    assert resources[-1]["id"] == "vpc-1"
    assert resources[-1]["outputs"] == {}
    assert resources[-1]["inputs"] == {"cidr": "10.0.0.0/16"}


def test_a_creation_that_the_cloud_lacks_is_struck_off() -> None:
    resources, _ = settle(deployment([], ("creating", resource("vpc"))))
    assert [r["urn"] for r in resources] == [STACK, PROVIDER]


@pytest.mark.parametrize("kind", ["updating", "deleting", "reading", "importing"])
def test_anything_but_a_creation_is_left_to_the_refresh(kind: str) -> None:
    known = resource("vpc", identifier="vpc-1")
    resources, asked = settle(deployment([known], (kind, known)), vpc="vpc-2")
    assert asked == []
    assert resources[-1] == known


def test_a_successor_takes_the_place_and_the_old_one_waits_for_its_deletion() -> None:
    old, user = resource("vpc", identifier="vpc-1"), resource("subnet", "vpc", identifier="s-1")
    resources, _ = settle(deployment([old, user], ("creating", resource("vpc"))), vpc="vpc-2")
    assert [(r["id"], r.get("delete", False)) for r in resources[2:]] == [
        ("vpc-2", False),
        ("vpc-1", True),
        ("s-1", False),
    ]


def test_what_is_in_the_state_already_is_not_taken_twice() -> None:
    known = resource("vpc", identifier="vpc-1")
    resources, _ = settle(deployment([known], ("creating", resource("vpc"))), vpc="vpc-1")
    assert [r["id"] for r in resources[1:]] == ["1", "vpc-1"]
    assert resources[-1] == known


def test_what_was_deleted_before_its_replacement_makes_room() -> None:
    old = resource("vpc", identifier="acme", pendingReplacement=True)
    resources, _ = settle(deployment([old], ("creating", resource("vpc"))), vpc="acme")
    assert [(r["id"], r.get("delete")) for r in resources[2:]] == [("acme", None)]


def test_the_region_of_the_resource_itself_counts_first() -> None:
    made = resource("vpc", inputs={"region": "us-east-1"})
    _, asked = settle(deployment([], ("creating", made)))
    assert asked == [("vpc", "us-east-1")]


def test_a_provider_is_not_looked_up() -> None:
    made = {"urn": f"{PROVIDER}-2", "custom": True, "type": "pulumi:providers:aws", "inputs": {}}
    _, asked = settle(deployment([], ("creating", made)))
    assert asked == []


def test_secrets_are_not_handed_to_lookups() -> None:
    assert pending.without_secrets({"a": 1, "b": SECRET, "c": [{"d": SECRET, "e": 2}]}) == {"a": 1, "c": [{"e": 2}]}


@given(st.data())
def test_the_state_is_sound_whatever_was_begun(data: st.DataObject) -> None:
    names = [f"r{n}" for n in range(data.draw(st.integers(1, 6)))]
    known: list[dict[str, Any]] = []
    begun: list[tuple[str, dict[str, Any]]] = []
    there: dict[str, str] = {}
    for index, name in enumerate(names):
        needs = data.draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        needs = [n for n in needs if any(r["urn"] == urn(n) for r in known)]
        kind = data.draw(st.sampled_from(["known", "creating", "replacing", "updating"]))
        if kind != "creating":
            known.append(resource(name, *needs, identifier=f"{name}-1"))
        if kind in ("creating", "replacing"):
            begun.append(("creating", resource(name, *needs)))
            if data.draw(st.booleans()):
                there[name] = f"{name}-2"
        elif kind == "updating":
            begun.append(("updating", known[-1]))
    resources, _ = settle(deployment(known, *begun), **there)
    verify([Resource.from_json(r) for r in resources])
    found = {r["id"] for r in resources if r["type"] == "aws:ec2/vpc:Vpc"}
    assert found == {r["id"] for r in known} | set(there.values())
