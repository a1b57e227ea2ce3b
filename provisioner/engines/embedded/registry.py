"""The providers of a run, by reference (`urn::id`): checked, configured, used (deploy/providers/registry.go)."""

import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace

from provisioner.engines.embedded import values
from provisioner.engines.embedded.diffs import Diff
from provisioner.engines.embedded.provider import Provider, Remaining, configuration
from provisioner.engines.embedded.state import Resource, package_of, split_reference, type_of
from provisioner.engines.embedded.values import Props
from provisioner.model.errors import EngineError


class Registry:
    """Opens a connection for every provider resource and closes them all at the end. Safe from several threads."""

    def __init__(self, address: Callable[[str], str], remaining: Remaining) -> None:
        self._address = address
        self._remaining = remaining
        self._lock = threading.Lock()
        self._checked: dict[str, Provider] = {}
        self._ready: dict[str, Provider] = {}
        self._opened: list[Provider] = []
        self._aliases: dict[str, str] = {}

    def close(self) -> None:
        """Close every connection."""
        for provider in self._opened:
            provider.close()

    def alias(self, urn: str, old: str) -> None:
        """A renamed provider is found under its old name too."""
        self._aliases[urn] = old

    def find(self, reference: str) -> Provider | None:
        """The configured provider of a reference."""
        return self._ready.get(reference)

    def ensure(self, reference: str, resources: Iterable[Resource]) -> Provider:
        """The provider of a reference, configured from its state if the run hasn't come across it."""
        with self._lock:
            if reference in self._ready:
                return self._ready[reference]
            urn, identifier = split_reference(reference)
            state = next((r for r in resources if r.urn == urn and r.id == identifier), None)
            if state is None:
                raise EngineError(f"the state has no provider {reference}")
            provider = self._open(urn)
            provider.configure(urn, identifier, configuration(state.inputs))
            self._set(urn, identifier, provider)
            return provider

    def check(self, urn: str, olds: Props, news: Props) -> tuple[Props, list[str]]:
        """Check a provider resource's inputs; the connection waits for `same`, `create` or `update`."""
        provider = self._open(urn)
        inputs, failures = provider.check_config(urn, olds, news)
        if failures:
            return inputs, failures
        self._checked[urn] = provider
        if "version" in news and inputs.setdefault("version", news["version"]) != news["version"]:
            raise EngineError(f"provider {urn} attempted to change its version")
        if "__internal" in news:
            inputs["__internal"] = news["__internal"]
        return inputs, []

    def diff(self, urn: str, old: Resource, news: Props) -> Diff:
        """What a new configuration means for the provider resource itself, which is called `urn` now."""
        provider = self._checked.get(urn) or self.ensure(f"{old.urn}::{old.id}", [old])
        diff = provider.diff_config(urn, old.inputs, old.outputs, news)
        if not diff.unknown:
            return diff
        return replace(diff, some=old.outputs != configuration(news), unknown=False)

    def same(self, urn: str, identifier: str, inputs: Props) -> None:
        """Nothing changed: configure with the inputs of the state."""
        if f"{urn}::{identifier}" not in self._ready:
            self._configure(urn, identifier, inputs)

    def create(self, urn: str, inputs: Props, *, preview: bool) -> tuple[str, Props]:
        """A provider resource's id is made here."""
        identifier = values.UNKNOWN if preview else str(uuid.uuid4())
        self._configure(urn, identifier, inputs)
        return identifier, configuration(inputs)

    def update(self, urn: str, identifier: str, inputs: Props) -> Props:
        """Configure the same provider anew."""
        self._configure(urn, identifier, inputs)
        return configuration(inputs)

    def _configure(self, urn: str, identifier: str, inputs: Props) -> None:
        provider = self._checked.pop(urn, None) or self._open(urn)
        provider.configure(urn, identifier, configuration(inputs))
        self._set(urn, identifier, provider)

    def _set(self, urn: str, identifier: str, provider: Provider) -> None:
        self._ready[f"{urn}::{identifier}"] = provider
        if urn in self._aliases:
            self._ready[f"{self._aliases[urn]}::{identifier}"] = provider

    def _open(self, urn: str) -> Provider:
        package = package_of(type_of(urn))
        provider = Provider(package, self._address(package), self._remaining)
        self._opened.append(provider)
        return provider
