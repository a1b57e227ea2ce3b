"""The fleet as Prometheus reads it: gauges from registry and ledger alone, as `provision status` has them.

What isn't known has no sample: nothing is told to be fine or to be zero that nobody has looked at. Times are Unix
seconds, so that rules compare them with `time()`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest, start_http_server, write_to_textfile
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from provisioner.model.drift.rules import Weight as Drift
from provisioner.model.errors import ProvisionError, UsageError
from provisioner.model.fleet.standing import Standing
from provisioner.ops.fleet import Fleet, look
from provisioner.ops.house import House

_ADDRESS = "127.0.0.1"
_SEVERITIES = ("critical", "important", "medium", "low")


class FleetCollector(Collector):
    """Looks at each scrape. A look that fails is told by `provision_look_success` alone."""

    def __init__(self, house: House) -> None:
        self._house = house

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All families."""
        try:
            registry = self._house.registry().load()
            here = [t for t in registry.tenants() if self._house.in_ledger(t.target)]
            found = look(self._house, registry, here)
            families = [*_fleet(found), *_tenants(found.tenants)]
        except ProvisionError:
            yield _family("look_success", "Whether registry and ledger could be read.", [], [([], 0)])
            return
        yield _family("look_success", "Whether registry and ledger could be read.", [], [([], 1)])
        yield from families


def registry_of(house: House) -> CollectorRegistry:
    """A registry of nothing but the fleet's metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FleetCollector(house))
    return registry


def write(house: House, path: Path) -> None:
    """Write a file for node_exporter's textfile collector, in place of what was there; a reader sees the old one or the
    new one. Raises ProvisionError where it can't be written."""
    try:
        write_to_textfile(str(path), registry_of(house))
    except OSError as error:
        raise ProvisionError(f"the metrics can't be written: {error}", hint="choose another --textfile") from error


def text(house: House) -> str:
    """The same as text."""
    return generate_latest(registry_of(house)).decode()


def serve(house: House, port: int, address: str = _ADDRESS) -> int:
    """Answer on HTTP from threads of this process, until it ends. The port: another one where `port` is 0. Raises
    UsageError where the port can't be had."""
    try:
        server, _ = start_http_server(port, addr=address, registry=registry_of(house))
    except OSError as error:
        raise UsageError(
            f"the metrics can't be served on {address} port {port}: {error}", hint="choose another --metrics-port"
        ) from error
    return int(server.server_port)


def _fleet(found: Fleet) -> Iterator[GaugeMetricFamily]:
    states = Counter(row.state for row in found.tenants)
    yield _family("tenants", "Tenants by state.", ["state"], [([s], n) for s, n in sorted(states.items())])
    weights = [([word], n) for word, n in found.counts.items()]
    yield _family("tenants_by_need", "Tenants by their most urgent need.", ["weight"], weights)
    going = Counter(str(r.status) for r in found.rollouts)
    yield _family("rollouts_open", "Rollouts that aren't over.", ["status"], [([s], n) for s, n in going.items()])
    stranded = sum(r.stranded for r in found.rollouts)
    yield _family("rollouts_stranded", "Rollouts that should go on and nobody drives.", [], [([], stranded)])


def _tenants(rows: Iterable[Standing]) -> Iterator[GaugeMetricFamily]:
    rows = list(rows)
    about = ["tenant", "state", "tier", "ring", "target", "release", "desired"]
    infos = [
        ([r.id, r.state, r.tier or "", str(r.ring), r.target or "", r.assigned or "", r.desired or ""], 1) for r in rows
    ]
    yield _family("tenant_info", "What a tenant is; always 1.", about, infos)
    needs = [
        ([r.id, n.topic, n.weight.word], 1) for r in rows for n in {(n.topic, n.weight): n for n in r.needs}.values()
    ]
    yield _family("tenant_need", "A tenant needs a person; 1 where it does.", ["tenant", "topic", "weight"], needs)
    healthy = [([r.id], int(r.health == "healthy")) for r in rows if "health" in r.seen]
    yield _family("tenant_healthy", "The product's last answer.", ["tenant"], healthy)
    behind = [([r.id], r.behind) for r in rows if r.behind is not None]
    yield _family("tenant_releases_behind", "Releases behind the wanted one.", ["tenant"], behind)
    firing = [([r.id], len(r.firing)) for r in rows if "alarms" in r.seen]
    yield _family("tenant_alarms_firing", "Alarms that fire.", ["tenant"], firing)
    drift = [([r.id, w.name.lower()], r.drift.get(w.name.lower(), 0)) for r in rows if r.drift for w in Drift]
    yield _family("tenant_drift", "Changes by hand, by class.", ["tenant", "class"], drift)
    patches = [([r.id, s], r.patches[s]) for r in rows for s in _SEVERITIES if s in r.patches]
    yield _family("tenant_patches_open", "Advisories that are open, by severity.", ["tenant", "severity"], patches)
    missed = [([r.id], r.patches["deadline_missed"]) for r in rows if "deadline_missed" in r.patches]
    yield _family("tenant_patch_deadlines_missed", "Patches past their deadline.", ["tenant"], missed)
    yield _moments("tenant_patched", "When it was patched.", [([r.id], r.patched_at) for r in rows])
    yield _moments("tenant_proven", "When a restore was proven.", [([r.id], r.proven_at) for r in rows])
    yield _moments(
        "tenant_backed_up", "When its newest recovery point was taken.", [([r.id], r.backed_up_at) for r in rows]
    )
    full = [([r.id, r.resource or ""], r.full_at) for r in rows]
    yield _moments("tenant_full", "When the first resource runs out, at the earliest.", full, "resource")
    seen = [([r.id, name], at) for r in rows for name, at in r.seen.items()]
    yield _moments("tenant_fact", "When a fact was seen.", seen, "fact")


def _moments(
    name: str, words: str, samples: Iterable[tuple[list[str], datetime | None]], *labels: str
) -> GaugeMetricFamily:
    known = [(values, at.timestamp()) for values, at in samples if at is not None]
    return _family(f"{name}_timestamp_seconds", words, ["tenant", *labels], known)


def _family(name: str, words: str, labels: list[str], samples: Iterable[tuple[list[str], float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"provision_{name}", words, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family
