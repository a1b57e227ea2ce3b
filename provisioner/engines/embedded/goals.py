"""From a registration request to a goal: what the parent hands down, which provider serves it, what is refused."""

import re
import threading
from collections.abc import Callable
from typing import Any, Final

from provisioner.engines.embedded import values
from provisioner.engines.embedded.plan import Alias, Goal
from provisioner.engines.embedded.state import is_provider, package_of, split_reference, type_of
from provisioner.model.errors import EngineError

DefaultProvider = Callable[[str, str], str]

_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class Goals:
    """Reads requests. Remembers goals, since children inherit from them. Safe from several threads."""

    def __init__(self, default_provider: DefaultProvider) -> None:
        self._default = default_provider
        self._lock = threading.Lock()
        self._goals: dict[str, Goal] = {}
        self._component_providers: dict[str, dict[str, str]] = {}

    def read(self, request: Any) -> tuple[Goal, dict[str, str]]:
        """The goal, and the providers that its children inherit. Raises UnsupportedError naming what is refused."""
        _refuse_what_is_unsupported(request)
        goal = Goal(
            type=request.type,
            name=request.name,
            custom=request.custom,
            inputs=values.decode(request.object),
            parent=request.parent,
            provider=request.provider,
            dependencies=list(dict.fromkeys(request.dependencies)),
            protect=request.protect if request.HasField("protect") else None,
            retain_on_delete=request.retainOnDelete if request.HasField("retainOnDelete") else None,
            delete_before_replace=request.deleteBeforeReplace
            if request.deleteBeforeReplaceDefined or request.deleteBeforeReplace
            else None,
            deleted_with=request.deletedWith,
            import_id=request.importId,
            aliases=[Alias(urn=urn) for urn in request.aliasURNs] + [_alias(alias) for alias in request.aliases],
            ignore_changes=list(request.ignoreChanges),
            replace_on_changes=list(request.replaceOnChanges),
            additional_secret_outputs=list(request.additionalSecretOutputs),
            custom_timeouts=_timeouts(request.customTimeouts),
        )
        goal.property_dependencies = {
            key: sorted(set(request.propertyDependencies[key].urns)) if key in request.propertyDependencies else []
            for key in (request.propertyDependencies or goal.inputs)
        }
        for key in goal.inputs:
            goal.property_dependencies.setdefault(key, [])
        if not request.propertyDependencies:
            goal.property_dependencies = {key: list(goal.dependencies) for key in goal.inputs}
        if is_provider(goal.type) and request.version:
            goal.inputs.update({"version": request.version, "__internal": {}})
        providers = dict(request.providers)
        with self._lock:
            self._inherit(goal, providers)
        if goal.custom and not is_provider(goal.type):
            goal.provider = goal.provider or self._default(package_of(goal.type), request.version)
        return goal, providers

    def remember(self, urn: str, goal: Goal, providers: dict[str, str]) -> None:
        """Children of `urn` may come now."""
        with self._lock:
            self._goals[urn] = goal
            if not goal.custom:
                self._component_providers[urn] = providers

    def provider_for(self, package: str, parent: str, version: str) -> str:
        """Which provider serves an invoke or a read that names none."""
        with self._lock:
            found = self._component_providers.get(parent, {}).get(package, "")
        return found or self._default(package, version)

    def _inherit(self, goal: Goal, providers: dict[str, str]) -> None:
        """`inheritFromParent`, then `resolveProvider`."""
        parent = self._goals.get(goal.parent)
        package = package_of(goal.type)
        if parent is not None:
            goal.deleted_with = goal.deleted_with or parent.deleted_with
            goal.protect = parent.protect if goal.protect is None else goal.protect
            if goal.retain_on_delete is None:
                goal.retain_on_delete = parent.retain_on_delete
            if not goal.provider and parent.provider and _serves(parent.provider, package):
                goal.provider = parent.provider
        above = self._component_providers.get(goal.parent, {})
        if not goal.custom:
            goal.provider = ""
            providers.update({key: reference for key, reference in above.items() if key not in providers})
        elif is_provider(goal.type):
            goal.provider = ""
        else:
            goal.provider = goal.provider or providers.get(package) or above.get(package, "")


def _serves(reference: str, package: str) -> bool:
    return package_of(type_of(split_reference(reference)[0])) == package


def _refuse_what_is_unsupported(request: Any) -> None:
    refused = {
        "remote components": request.remote,
        "resource transforms": request.transforms,
        "state migrations": request.state_migrations,
        "the option replacement_trigger": request.HasField("replacement_trigger"),
        "the option replace_with": request.replace_with,
        "the option hide_diffs": request.hideDiffs,
        "the option env_var_mappings": request.envVarMappings,
        "parameterized packages": request.packageRef,
        "resource hooks": any(
            getattr(request.hooks, field.name) for field in request.hooks.DESCRIPTOR.fields if request.HasField("hooks")
        ),
    }
    for what, used in refused.items():
        if used:
            raise values.refuse(f"{what} ({request.type} {request.name})")


def _alias(alias: Any) -> Alias:
    if alias.WhichOneof("alias") == "urn":
        return Alias(urn=alias.urn)
    spec = alias.spec
    return Alias(
        name=spec.name,
        type=spec.type,
        stack=spec.stack,
        project=spec.project,
        parent=spec.parentUrn,
        no_parent=spec.noParent,
    )


def _timeouts(timeouts: Any) -> dict[str, float]:
    given = {name: getattr(timeouts, name) for name in ("create", "update", "delete", "read")}
    return {name: seconds(text) for name, text in given.items() if text}


def seconds(duration: str) -> float:
    """Seconds of a duration as Go writes it ("1h2m3.5s"). Raises EngineError."""
    parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(ms|us|µs|ns|h|m|s)", duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise EngineError(f"{duration!r} is no duration", hint='write it like "10m" or "1h30m"')
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
