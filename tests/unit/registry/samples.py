"""A small valid registry to change, and the day on which it is read."""

from datetime import date
from pathlib import Path

from provisioner.registry.files import check
from provisioner.registry.registry import Registry

TODAY = date(2026, 11, 22)

HEAD = """\
version: 1
product:
  name: notes
targets:
  sandbox:
    cloud: sandbox
    regions: [eu-west-1, us-east-1]
    domain: sandbox.test
defaults:
  target: sandbox
  tier: standard
  region: eu-west-1
  channel: stable
tiers:
  trial: &trial
    instance_type: t4g.small
    root_disk_gib: 20
    front: address
    database_class: db.t4g.micro
    database_version: "17"
    database_storage_gib: 20
    database_max_storage_gib: 40
    multi_az: false
    multi_region_key: false
    backup_retention_days: 1
    log_retention_days: 7
    deletion_protection: false
  standard: *trial
releases:
  "1.0.0":
    images: {sandbox: releases/1.0.0}
    schema_version: 1
  "1.1.0":
    images: {sandbox: releases/1.1.0}
    schema_version: 2
    migration: online
channels:
  stable: "1.1.0"
organizations:
  umbrella: {name: Umbrella Group}
"""
TENANTS = """\
tenants:
  acme:
    tier: standard
    ring: 1
  globex:
    tier: trial
"""
SAMPLE = HEAD + TENANTS


def loaded(text: str, path: Path = Path("/registry/tenants.yaml"), target: str | None = None) -> Registry:
    """A registry from a text, named tenants.yaml, on TODAY."""
    return Registry(path, check(text.encode(), "tenants.yaml", TODAY), TODAY, target)
