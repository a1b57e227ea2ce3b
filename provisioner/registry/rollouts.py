"""What no field of a strategy, a freeze, a hold or a window knows by itself."""

from collections.abc import Iterator
from datetime import date

from provisioner.model.rollout.strategy import complete, ring_of, share_of
from provisioner.registry.nodes import Document
from provisioner.registry.problems import Problem
from provisioner.registry.resolve import begin_of, end_of
from provisioner.registry.schema import RegistryFile, TenantEntry
from provisioner.registry.strategies import StrategyEntry


def rollout_problems(document: Document, file: RegistryFile) -> Iterator[Problem]:
    """What is wrong with strategies and freezes."""
    for name, strategy in file.strategies.items():
        yield from _strategy(document, name, strategy)
    for number, freeze in enumerate(file.freezes):
        if end_of(freeze.until) <= begin_of(freeze.begin):
            fact = f"must be after {freeze.begin}, where the freeze begins, not {freeze.until}"
            yield document.problem(("freezes", number, "until"), fact, "exchange them, or correct the year")


def rollout_warnings(document: Document, tenant_id: str, tenant: TenantEntry, today: date) -> Iterator[Problem]:
    """What of a tenant is over."""
    if tenant.hold and tenant.hold.until < today:
        path = ("tenants", tenant_id, "hold", "until")
        yield document.problem(path, "this hold is over, and is ignored", "delete it, or give it a later date")


def _strategy(document: Document, name: str, strategy: StrategyEntry) -> Iterator[Problem]:
    path = ("strategies", name)
    waves = strategy.waves
    for number, wave in enumerate(waves[:-1]):
        if complete(waves[: number + 1]):
            fact = f"nobody is left after {wave}"
            yield document.problem((*path, "waves", number + 1), fact, "let it be the last wave")
            break
    if not complete(waves):
        left = [str(ring) for ring in range(4) if ring not in {ring_of(w) for w in waves}]
        fact = f"leave tenants out, of the rings {', '.join(left)}"
        yield document.problem((*path, "waves"), fact, "let rest be the last wave")
    shares = sum(share_of(wave) or 0 for wave in waves)
    if shares > 100:
        yield document.problem(
            (*path, "waves"), f"are {shares}% together", "each share is of all tenants: 100% at most"
        )
    spare = len(strategy.bake_minutes) - (len(waves) - 1)
    if "bake_minutes" in strategy.model_fields_set and len(waves) > 1 and spare > 0:
        fact = f"has {len(strategy.bake_minutes)} times for {len(waves)} waves; nothing is watched after the last one"
        yield document.problem((*path, "bake_minutes"), fact, f"take {spare} out")
    if strategy.gate.good > strategy.gate.samples:
        fact = f"must be at most the {strategy.gate.samples} samples, not {strategy.gate.good}"
        yield document.problem((*path, "gate", "good"), fact, "or ask for more samples")
