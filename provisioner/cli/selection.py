"""Selectors of the command line, the same for every command, and what is done with the selected."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import typer

from provisioner.cli.framework import Selection, Session
from provisioner.model.errors import UsageError
from provisioner.model.selector import Selector, select
from provisioner.model.tenant import Tenant
from provisioner.ops.desired import check_ledger, check_target
from provisioner.ops.house import House, RegistryView
from provisioner.ops.plan import Intention, plan


@dataclass(frozen=True, slots=True)
class Chosen:
    """The selected tenants of one reading of the registry."""

    house: House
    registry: RegistryView
    tenants: list[Tenant]

    def plan(self, *, refresh: bool, parallel: int) -> list[Intention]:
        """One intention for each."""
        return plan(self.house, self.registry, self.tenants, refresh=refresh, parallel=parallel)


def chosen(session: Session, selection: Selection, ids: Sequence[str] | None) -> Chosen:
    """The tenants that the words select; with `--target` those that live there. Raises UsageError where no word selects
    anything (all must be said) or a named one lives elsewhere, AuthenticationError where the target can't be used."""
    words = selector(selection, ids or ())
    if not words.narrows and not words.all:
        raise UsageError("no tenant was selected", hint="name tenants, or use --ring, --tier, --label ... or --all")
    registry = session.app.registry().load()
    if session.settings.target is None:
        picked = select(registry.tenants(), words)
        for tenant in picked:
            check_ledger(session.app, tenant)
        return Chosen(session.app, registry, picked)
    check_target(session.app, registry.default_target)
    here = registry.default_target.name
    picked = select(registry.tenants(), words)
    for tenant in picked:
        if tenant.id in words.tenants and tenant.target.name != here:
            raise UsageError(
                f"tenant {tenant.id} lives on target {tenant.target.name}, not on {here}",
                hint="leave --target (and PROVISION_TARGET) away: each tenant's own target is used",
            )
    return Chosen(session.app, registry, [t for t in picked if t.target.name == here])


def listed(session: Session, selection: Selection) -> tuple[RegistryView, list[Tenant]]:
    """The registry, and the selected tenants of this command's ledger; without words all of them."""
    words = selector(selection)
    registry = session.app.registry().load()
    everyone = registry.tenants()
    return registry, here(session.app, select(everyone, words) if words.narrows else everyone)


def here(house: House, tenants: Sequence[Tenant]) -> list[Tenant]:
    """Those of this command's ledger. Where the other ones are is said on stderr: nothing is known of them here."""
    elsewhere = Counter(t.target.name for t in tenants if not house.in_ledger(t.target))
    for target, count in elsewhere.items():
        words = f"{count} tenant(s) of target {target} are in another ledger: --target {target} shows them"
        typer.echo(words, err=True)
    return [t for t in tenants if house.in_ledger(t.target)]


def selector(selection: Selection, ids: Sequence[str] = ()) -> Selector:
    """The words as a selector."""
    return Selector(
        tenants=(*ids, *(selection.tenant or ())),
        rings=tuple(selection.ring or ()),
        tiers=tuple(selection.tier or ()),
        regions=tuple(selection.region or ()),
        organizations=tuple(selection.organization or ()),
        labels=tuple(selection.label or ()),
        all=selection.every,
    )
