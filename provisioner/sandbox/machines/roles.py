"""Credentials of the instance's role: a session of STS, kept in the machine's shared credentials file."""

import configparser
import io
from datetime import timedelta
from typing import Any

from moto.core.utils import utcnow
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from provisioner.sandbox.launch import write_file
from provisioner.sandbox.machines.place import Place
from provisioner.sandbox.world import World

_DURATION = timedelta(hours=6)


def role_of(instance: Any) -> str | None:
    """ARN of the role in the instance's profile. Call it under the world's lock."""
    association = instance.ec2_backend.iam_instance_profile_associations.get(instance.id)
    if association is None or not association.iam_instance_profile.roles:
        return None
    return str(association.iam_instance_profile.roles[0].arn)


def refresh(world: World, instance: Any, place: Place) -> bool:
    """See to it that the machine's file holds a live session of its role, or nothing without a role. True when sessions
    changed: they have to be committed before anything uses them.

    A session near its end is prolonged, not replaced: an SDK on EC2 would fetch new keys from the instance's metadata,
    but one that has read a file keeps what it read.
    """
    with world.lock:
        role = role_of(instance)
        current = next((s for s in _sessions(world, instance.id) if s.role_arn == role), None)
        if current is not None and place.credentials.exists():
            if current.expiration - utcnow() > _DURATION / 2:
                return False
            current.expiration = utcnow() + _DURATION
            return True
        changed = revoke(world, instance.id)
        session = _assume(world, instance, role) if role else None
    if session is None:
        place.credentials.unlink(missing_ok=True)
        return changed
    write_file(place.credentials, _file(session), uid=place.uid)
    return True


def revoke(world: World, instance_id: str) -> bool:
    """End a machine's sessions: its keys are refused from now on. True when there were any. Needs the world's lock."""
    mine = _sessions(world, instance_id)
    backend = _sts(world)
    backend.assumed_roles[:] = [s for s in backend.assumed_roles if s not in mine]
    for session in mine:  # moto would take the key for a user's
        iam_backends[world.account]["aws"].access_keys.pop(session.access_key_id, None)
    return bool(mine)


def _sts(world: World) -> Any:
    return sts_backends[world.account]["aws"]


def _sessions(world: World, instance_id: str) -> list[Any]:
    return [s for s in _sts(world).assumed_roles if s.session_name == instance_id]


def _assume(world: World, instance: Any, role: str) -> Any:
    return _sts(world).assume_role(
        region_name=instance.region_name,
        role_session_name=instance.id,
        role_arn=role,
        policy=None,
        duration=int(_DURATION.total_seconds()),
        external_id=None,
    )


def _file(session: Any) -> str:
    config = configparser.ConfigParser(interpolation=None)
    config["default"] = {
        "aws_access_key_id": session.access_key_id,
        "aws_secret_access_key": session.secret_access_key,
        "aws_session_token": session.session_token,
    }
    out = io.StringIO()
    config.write(out)
    return out.getvalue()
