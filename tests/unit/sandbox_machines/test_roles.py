"""A machine's keys: one live session of its role, prolonged while it lives, ended with the role."""

import configparser
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import RLock
from types import SimpleNamespace
from typing import Any

import pytest
from moto.core.utils import utcnow
from moto.sts.models import sts_backends

from provisioner.sandbox.addresses import Addresses
from provisioner.sandbox.machines import roles
from provisioner.sandbox.machines.place import Place
from provisioner.sandbox.world import World

ACCOUNT = "210987654321"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield World(
        home=tmp_path,
        endpoint_url="http://127.0.0.1:1",
        account=ACCOUNT,
        block=10,
        addresses=Addresses(tmp_path / "addresses.json", 10),
        lock=RLock(),
        dirty=lambda: None,
        commit=lambda: None,
        run=lambda _name, job: job(),
    )
    sts_backends[ACCOUNT]["aws"].reset()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path / "i-1", os.geteuid())
    made.prepare()
    return made


def instance(role: str | None) -> Any:
    """What the room reads of an EC2 instance."""
    profile = SimpleNamespace(roles=[SimpleNamespace(arn=f"arn:aws:iam::{ACCOUNT}:role/{role}")] if role else [])
    associations = {"i-1": SimpleNamespace(iam_instance_profile=profile)}
    backend = SimpleNamespace(iam_instance_profile_associations=associations)
    return SimpleNamespace(id="i-1", region_name="eu-west-1", ec2_backend=backend)


def key(place: Place) -> str:
    config = configparser.ConfigParser()
    config.read(place.credentials)
    return config["default"]["aws_access_key_id"]


def sessions() -> list[Any]:
    return list(sts_backends[ACCOUNT]["aws"].assumed_roles)


def test_a_session_is_made_once(world: World, place: Place) -> None:
    assert roles.refresh(world, instance("web"), place)
    assert place.credentials.stat().st_mode & 0o777 == 0o600
    made = key(place)
    assert not roles.refresh(world, instance("web"), place)
    assert [s.access_key_id for s in sessions()] == [made]
    assert sessions()[0].arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/web/i-1"


def test_near_its_end_it_is_prolonged_and_keeps_its_keys(world: World, place: Place) -> None:
    roles.refresh(world, instance("web"), place)
    made = key(place)
    sessions()[0].expiration = utcnow() + timedelta(minutes=1)
    assert roles.refresh(world, instance("web"), place)
    assert key(place) == made
    assert sessions()[0].expiration > utcnow() + timedelta(hours=1)


def test_another_role_has_other_keys_and_the_old_ones_end(world: World, place: Place) -> None:
    roles.refresh(world, instance("web"), place)
    made = key(place)
    assert roles.refresh(world, instance("worker"), place)
    assert key(place) != made
    assert [s.role_arn for s in sessions()] == [f"arn:aws:iam::{ACCOUNT}:role/worker"]


def test_without_a_role_there_are_no_keys(world: World, place: Place) -> None:
    roles.refresh(world, instance("web"), place)
    assert roles.refresh(world, instance(None), place)
    assert not place.credentials.exists()
    assert sessions() == []
    assert not roles.refresh(world, instance(None), place)


def test_a_session_that_a_killed_daemon_never_stored_is_made_again(world: World, place: Place) -> None:
    roles.refresh(world, instance("web"), place)
    made = key(place)
    sts_backends[ACCOUNT]["aws"].reset()
    assert roles.refresh(world, instance("web"), place)
    assert key(place) != made
