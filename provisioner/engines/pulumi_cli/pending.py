"""What a killed run left half-done in the state: looked up, then taken into the state or struck off it.

The CLI itself only warns of pending operations and goes on, and so makes a second machine (pulumi/pulumi `up` with
pending operations; `refresh` keeps pending creations).
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

Found = Callable[[dict[str, Any], str, Collection[str]], str | None]
"""`(resource, region, known) -> id`: what the cloud calls a resource whose creation was begun; None where it was not
made. `known`: ids that the state has in its place."""

_SIGNATURE = "4dabf18193072939515e22adb298388d"


def operations(deployment: dict[str, Any]) -> list[dict[str, Any]]:
    """The operations that were begun and not ended."""
    return list(deployment["deployment"].get("pending_operations") or ())


def settled(deployment: dict[str, Any], find: Found) -> tuple[dict[str, Any], list[str]]:
    """The deployment without pending operations, and a line for people about each that the cloud knows.

    A creation that the cloud has comes into the state with its id alone: the run after it must refresh, which reads the
    rest. An update or a deletion is struck off: the refresh sees how far it came.
    """
    inner = deployment["deployment"]
    resources: list[dict[str, Any]] = [dict(r) for r in inner.get("resources") or ()]
    notes = []
    for operation in operations(deployment):
        resource, kind = operation["resource"], operation["type"]
        urn = resource["urn"]
        identifier = None
        if not resource.get("custom") or resource["type"].startswith("pulumi:"):
            continue  # a component or a provider: nothing in the cloud
        if kind == "creating":
            known = [r["id"] for r in resources if r["urn"] == urn and r.get("id") and not r.get("pendingReplacement")]
            identifier = find(resource, _region(resources, resource), known)
        if identifier is not None:
            _take(resources, {**resource, "id": identifier, "outputs": {}})
            notes.append(f"{urn}: its creation was cut off; it is there as {identifier} and was taken over")
        else:
            told = "it was not made" if kind == "creating" else "the cloud is asked how far it came"
            notes.append(f"{urn}: interrupted while {kind}; {told}")
    rest = {k: v for k, v in inner.items() if k != "pending_operations"}
    return {**deployment, "deployment": {**rest, "resources": _ordered(resources)}}, notes


def without_secrets(value: Any) -> Any:
    """The same value, secrets left out."""
    if isinstance(value, dict):
        return {k: without_secrets(v) for k, v in value.items() if not (isinstance(v, dict) and _SIGNATURE in v)}
    if isinstance(value, list):
        return [without_secrets(v) for v in value]
    return value


def _take(resources: list[dict[str, Any]], made: dict[str, Any]) -> None:
    """Put what was made in the place of its predecessor. That one waits for its deletion then, as after any
    replacement, unless it is gone already (deleted before it was replaced)."""
    for index, known in enumerate(resources):
        if known["urn"] == made["urn"] and not known.get("delete"):
            if known.get("pendingReplacement"):
                resources[index] = made
            else:
                resources[index] = {**known, "delete": True}
                resources.insert(index, made)
            return
    resources.append(made)


def _region(resources: Sequence[dict[str, Any]], resource: dict[str, Any]) -> str:
    """The region that the resource's provider was configured with."""
    if resource.get("inputs", {}).get("region"):
        return str(resource["inputs"]["region"])
    urn = resource.get("provider", "").rpartition("::")[0]
    inputs: dict[str, Any] = next((r.get("inputs", {}) for r in resources if r["urn"] == urn), {})
    return str(inputs.get("region", ""))


def _ordered(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same resources, each after what it needs (the CLI refuses any other order), else as they were. One that
    waits for its deletion stays behind its successor."""
    todo, done = list(resources), []
    names: set[str] = set()
    known = {r["urn"] for r in resources}
    while todo:
        ready = next((r for r in todo if _needs(r) & known <= names and not _behind(r, todo)), todo[0])
        todo.remove(ready)
        done.append(ready)
        names.add(ready["urn"])
    return done


def _behind(resource: dict[str, Any], todo: Sequence[dict[str, Any]]) -> bool:
    return bool(resource.get("delete")) and any(r["urn"] == resource["urn"] and not r.get("delete") for r in todo)


def _needs(resource: dict[str, Any]) -> set[str]:
    needed = {resource.get("parent"), resource.get("provider", "").rpartition("::")[0], resource.get("deletedWith")}
    needed.update(resource.get("dependencies") or ())
    for urns in (resource.get("propertyDependencies") or {}).values():
        needed.update(urns or ())
    return {u for u in needed if u} - {resource["urn"]}
