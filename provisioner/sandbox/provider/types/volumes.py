"""EBS volumes and where they are attached."""

from collections.abc import Mapping
from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props, words
from provisioner.sandbox.provider.resource import Adopt, resource
from provisioner.sandbox.provider.types import ec2
from provisioner.sandbox.provider.types.common import fields, params, refuse, tag_map

_PLAIN = "availabilityZone size type=VolumeType encrypted kmsKeyId snapshotId iops throughput"


def _volume(call: Call, volume: str) -> dict[str, Any] | None:
    found = call.one("ec2", "describe_volumes", "Volumes", VolumeIds=[volume])
    return found if found and _alive(found) else None


def _alive(item: Mapping[str, Any]) -> bool:
    return item.get("State") not in ("deleting", "deleted")


def _make(call: Call, wanted: Props) -> str:
    tags = ec2.specification("volume", wanted)
    return str(call.once("ec2", "create_volume", **params(wanted, _PLAIN), TagSpecifications=tags)["VolumeId"])


def _read(call: Call, volume: str, _known: Props) -> Props | None:
    found = _volume(call, volume)
    if found is None:
        return None
    return fields(found, _PLAIN) | {
        "snapshotId": found.get("SnapshotId") or None,
        "arn": ec2.arn(call, call.account, "volume", volume),
        "createTime": found["CreateTime"].isoformat(),
        "tagsAll": tag_map(found.get("Tags")),
    }


def _ready(call: Call, volume: str, _wanted: Props) -> None:
    def look() -> bool | None:
        found = _volume(call, volume)
        if found is None or found["State"] == "error":
            raise refuse(f"{volume} could not be made")
        return None if found["State"] == "creating" else True

    call.poll(f"{volume} to be available", look)


def _update(call: Call, volume: str, wanted: Props, changed: frozenset[str]) -> None:
    change = params({k: wanted.get(k) for k in changed}, "size type=VolumeType iops throughput")
    change = {k: v for k, v in change.items() if k in ("Size", "VolumeType", "Iops", "Throughput")}
    if change:
        call.api("ec2", "modify_volume", VolumeId=volume, **change)


def _delete(call: Call, volume: str, state: Props) -> None:
    if state.get("finalSnapshot") and _volume(call, volume):
        tags = ec2.specification("snapshot", state)
        call.once("ec2", "create_snapshot", VolumeId=volume, TagSpecifications=tags)
    call.api("ec2", "delete_volume", VolumeId=volume)


VOLUME = resource(
    "aws:ebs/volume:Volume",
    "availabilityZone size type encrypted kmsKeyId snapshotId iops throughput finalSnapshot",
    required="availabilityZone",
    force_new="availabilityZone encrypted kmsKeyId snapshotId",
    defaults={"finalSnapshot": False},
    computed="size type encrypted kmsKeyId iops throughput",
    make=_make,
    read=_read,
    update=_update,
    ready=_ready,
    delete=_delete,
    retag=ec2.retag,
    adopt=Adopt(tagged=ec2.tagged("describe_volumes", "Volumes", "VolumeId", alive=_alive)),
)


def _attachment(call: Call, volume: str, instance: str) -> dict[str, Any] | None:
    found = _volume(call, volume) or {}
    attachments = [a for a in found.get("Attachments") or () if a.get("InstanceId") == instance]
    return attachments[0] if attachments and attachments[0].get("State") != "detached" else None


def _attachment_id(props: Props) -> str:
    return f"vai-{props['volumeId']}-{props['instanceId']}"


def _attach(call: Call, wanted: Props) -> str:
    parameters = params(wanted, "volumeId instanceId deviceName=Device")
    call.once("ec2", "attach_volume", **parameters)
    return _attachment_id(wanted)


def _read_attachment(call: Call, resource_id: str, known: Props) -> Props | None:
    if "volumeId" not in known:  # import: /dev/sdh:vol-x:i-y
        device, volume, instance = (*resource_id.split(":"), "", "", "")[:3]
        known = {"deviceName": device, "volumeId": volume, "instanceId": instance}
    found = _attachment(call, known["volumeId"], known["instanceId"])
    if found is None:
        return None
    return fields(found, "volumeId instanceId deviceName=Device") | {"id": _attachment_id(known)}


def _attached(call: Call, _id: str, wanted: Props) -> None:
    def look() -> bool | None:
        found = _attachment(call, wanted["volumeId"], wanted["instanceId"])
        return True if found is None or found.get("State") == "attached" else None

    call.poll(f"{wanted['volumeId']} to be attached", look)


def _detach(call: Call, _id: str, state: Props) -> None:
    volume, instance = state["volumeId"], state["instanceId"]
    if _attachment(call, volume, instance) is None:
        return
    call.api("ec2", "detach_volume", **params(state, "volumeId instanceId deviceName=Device forceDetach=Force"))
    call.poll(f"{volume} to be detached", lambda: None if _attachment(call, volume, instance) else True)


ATTACHMENT = resource(
    "aws:ec2/volumeAttachment:VolumeAttachment",
    "volumeId instanceId deviceName forceDetach",
    required="volumeId instanceId deviceName",
    force_new="volumeId instanceId deviceName",
    make=_attach,
    read=_read_attachment,
    ready=_attached,
    delete=_detach,
    delete_before_replace=True,
    adopt=Adopt(
        duplicates=words("VolumeInUse IncorrectState"),
        existing=lambda call, wanted: (
            _attachment_id(wanted) if _attachment(call, wanted["volumeId"], wanted["instanceId"]) else None
        ),
    ),
)

TYPES = (VOLUME, ATTACHMENT)
