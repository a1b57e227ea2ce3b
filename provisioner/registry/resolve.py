"""Plain entries of a checked registry to the model's values: defaults, tier and overrides folded together."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from provisioner.model.fleet.needs import Weight
from provisioner.model.fleet.notice import Endpoint
from provisioner.model.patch.policy import PatchException, PatchPolicy
from provisioner.model.recovery import BackupPolicy
from provisioner.model.rollout.strategy import Gate, Strategy
from provisioner.model.tenant import (
    CloudKind,
    Freeze,
    Hold,
    Override,
    Pin,
    Release,
    Sizing,
    Target,
    Tenant,
    Tier,
    Waiver,
    Window,
)

Plain = Mapping[str, Any]
"""JSON of one entry, with every key of its schema."""


def region_of(own: str | None, default: str | None, regions: Sequence[str]) -> str:
    """A tenant's own region, else the default one where the target has it, else the target's first."""
    return own or (default if default in regions else None) or regions[0]


def holds(expires: date | None, today: date) -> bool:
    """Whether something with this last day still holds."""
    return expires is None or expires >= today


def target(name: str, entry: Plain) -> Target:
    """A target under its name."""
    return Target(**{**entry, "name": name, "cloud": CloudKind(entry["cloud"]), "regions": tuple(entry["regions"])})


def tier(name: str, entry: Plain) -> Tier:
    """A tier under its name."""
    sizing = Sizing(**{f.name: entry[f.name] for f in fields(Sizing)})
    backup, patch = BackupPolicy(**entry["backup"]), PatchPolicy.of(entry["patch"])
    return Tier(name, sizing, entry["description"], backup, entry["drift_hours"], patch)


def release(version: str, entry: Plain, folder: Path) -> Release:
    """A release; its sandbox image is a directory, found from the registry's folder."""
    rebuilds = {name: _images(images, folder) for name, images in entry["rebuilds"].items()}
    hooks = {moment: document for moment, document in entry["patch_hooks"].items() if document is not None}
    made = {"images": _images(entry["images"], folder), "rebuilds": rebuilds, "patch_hooks": hooks}
    return Release(**{**entry, "version": version, **made})


def _images(entry: Plain, folder: Path) -> dict[str, str]:
    return {k: str(folder / v) if k == "sandbox" else v for k, v in entry.items()}


def strategy(name: str, entry: Plain) -> Strategy:
    """A strategy under its name."""
    lists = {field: tuple(entry[field]) for field in ("waves", "bake_minutes")}
    return Strategy(**{**entry, **lists, "name": name, "gate": Gate(**entry["gate"])})


def freeze(entry: Plain) -> Freeze:
    """A freeze between two times or days."""
    start, end = begin_of(entry["from"]), end_of(entry["until"])
    return Freeze(start, end, entry["reason"], entry["name"], tuple(entry["rings"]))


def os_releases(entry: Plain) -> dict[int, str]:
    """By ring, where one is said."""
    return {ring: entry[f"ring_{ring}"] for ring in range(4) if entry[f"ring_{ring}"]}


def endpoint(name: str, entry: Plain) -> Endpoint:
    """Who is told, under its name."""
    return Endpoint(name, entry["url"], entry["secret"], Weight[entry["least"].upper()], tuple(entry["topics"]))


def begin_of(text: str) -> datetime:
    """A time in UTC; of a day its beginning."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def end_of(text: str) -> datetime:
    """A time in UTC; of a day its end."""
    return begin_of(text) + timedelta(days=0 if "T" in text else 1)


def tenant(
    tenant_id: str,
    entry: Plain,
    *,
    target: Target,
    tier: Tier,
    channels: Mapping[str, str],
    defaults: Plain,
    today: date,
) -> Tenant:
    """A tenant in its target and tier. Its region may be none of the target's where that isn't the file's choice."""
    channel = entry["channel"] or defaults["channel"]
    overrides = tuple(Override(**{**o, "expires": _date(o["expires"])}) for o in entry["overrides"])
    return Tenant(
        id=tenant_id,
        tier=tier.name,
        ring=defaults["ring"] if entry["ring"] is None else entry["ring"],
        region=region_of(entry["region"], defaults["region"], target.regions),
        target=_own_target(tenant_id, entry, target),
        sizing=_sizing(tier.sizing, overrides, today),
        desired_release=entry["release"] or channels[channel],
        release_source="pin" if entry["release"] else f"channel {channel}",
        channel=None if entry["release"] else channel,
        pin=_pin(entry["pin"]) if entry["release"] else None,
        hold=_hold(entry["hold"]),
        organization=entry["organization"],
        labels=entry["labels"],
        window=_window(entry["window"] or defaults["window"]),
        time_zone=entry["time_zone"] or defaults["time_zone"],
        expires=_date(entry["expires"]),
        overrides=overrides,
        waivers=tuple(Waiver(**{**w, "expires": date.fromisoformat(w["expires"])}) for w in entry["waivers"]),
        name=entry["name"],
        backup=tier.backup,
        drift_hours=tier.drift_hours,
        patch=tier.patch,
        patch_exceptions=tuple(map(PatchException.of, entry["patch_exceptions"])),
    )


def _own_target(tenant_id: str, entry: Plain, target: Target) -> Target:
    """The target as this tenant sees it."""
    role = entry["role"] or target.role
    return replace(target, account=entry["account"] or target.account, role=role, tenant=tenant_id if role else None)


def _sizing(sizing: Sizing, overrides: tuple[Override, ...], today: date) -> Sizing:
    values: dict[str, Any] = {o.setting: o.value for o in overrides if holds(o.expires, today)}
    return replace(sizing, **values) if values else sizing


def _window(entry: Plain | None) -> Window | None:
    return Window(tuple(entry["days"]), entry["start"], entry["hours"]) if entry else None


def _pin(entry: Plain | None) -> Pin:
    return Pin(**{**entry, "expires": _date(entry["expires"])}) if entry else Pin()


def _hold(entry: Plain | None) -> Hold | None:
    return Hold(date.fromisoformat(entry["until"]), entry["reason"], entry["name"]) if entry else None


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
