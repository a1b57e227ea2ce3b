"""EC2 instances."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props
from provisioner.sandbox.provider.resource import Adopt, resource
from provisioner.sandbox.provider.types import ec2
from provisioner.sandbox.provider.types.common import fields, params, refuse, tag_map

_METADATA = "httpTokens httpEndpoint httpPutResponseHopLimit httpProtocolIpv6 instanceMetadataTags"
_DISK = "volumeSize volumeType iops throughput encrypted kmsKeyId deleteOnTermination"
_STOPPED_CHANGES = {"instanceType", "userData", "userDataBase64"}


def _alive(instance: Mapping[str, Any]) -> bool:
    return instance["State"]["Name"] not in ("terminated", "shutting-down")


def _instance(call: Call, instance: str) -> dict[str, Any] | None:
    found = call.one("ec2", "describe_instances", "Reservations", InstanceIds=[instance])
    return dict(found["Instances"][0]) if found else None


def _find(call: Call, tags: Mapping[str, str]) -> list[str]:
    filters = [{"Name": f"tag:{k}", "Values": [v]} for k, v in tags.items()]
    reservations = call.api("ec2", "describe_instances", Filters=filters)["Reservations"]
    return [i["InstanceId"] for r in reservations for i in r["Instances"] if _alive(i)]


def _make(call: Call, wanted: Props) -> str:
    disk = params(wanted.get("rootBlockDevice") or {}, _DISK)
    options = params(wanted.get("metadataOptions") or {}, _METADATA)
    profile = wanted.get("iamInstanceProfile")
    zone = wanted.get("availabilityZone")
    instance = ec2.specification("instance", wanted) or []
    network = params(wanted, "subnetId privateIp=PrivateIpAddress vpcSecurityGroupIds=SecurityGroupIds")
    if "associatePublicIpAddress" in wanted:  # said of an interface, and then the interface has the rest as well
        network["Groups"] = network.pop("SecurityGroupIds", None)
        public = {"DeviceIndex": 0, "AssociatePublicIpAddress": bool(wanted["associatePublicIpAddress"])}
        network = {"NetworkInterfaces": [public | {k: v for k, v in network.items() if v}]}
    volumes = {k: v for k, v in (wanted.get("tagsAll") or {}).items() if not k.startswith("provision:resource")}
    answer = call.once(
        "ec2",
        "run_instances",
        MinCount=1,
        MaxCount=1,
        ImageId=wanted["ami"],
        **params(wanted, "instanceType keyName ebsOptimized disableApiTermination disableApiStop"),
        **network,
        InstanceInitiatedShutdownBehavior=wanted.get("instanceInitiatedShutdownBehavior"),
        Monitoring={"Enabled": bool(wanted.get("monitoring"))},
        Placement={"AvailabilityZone": zone} if zone else None,
        MetadataOptions=options or None,
        BlockDeviceMappings=[{"DeviceName": _root_device(call, wanted["ami"]), "Ebs": disk}] if disk else None,
        IamInstanceProfile={"Name": profile} if profile else None,
        UserData=_user_data(wanted),
        TagSpecifications=[*instance, *(ec2.specification("volume", {"tagsAll": volumes}) or [])] or None,
    )
    return str(answer["Instances"][0]["InstanceId"])


def _root_device(call: Call, ami: str) -> str:
    """The disk of the image itself; another name would be a second disk."""
    image = call.one("ec2", "describe_images", "Images", ImageIds=[ami])
    if image is None:
        raise refuse(f"there is no image {ami}", "run provision sandbox status")
    return str(image.get("RootDeviceName") or "/dev/sda1")


def _user_data(wanted: Props) -> str | None:
    """As the API takes it: boto3 encodes a text itself, so what is encoded already is decoded first."""
    if encoded := wanted.get("userDataBase64"):
        return base64.b64decode(encoded).decode()
    return wanted.get("userData") or None


def _read(call: Call, instance: str, known: Props) -> Props | None:
    found = _instance(call, instance)
    if found is None or not _alive(found):
        return None
    profile = found.get("IamInstanceProfile") or {}
    interface: dict[str, Any] = next(iter(found.get("NetworkInterfaces") or ()), {})
    state = fields(
        found,
        "ami=ImageId instanceType subnetId keyName privateIp=PrivateIpAddress publicIp=PublicIpAddress ebsOptimized "
        "privateDns=PrivateDnsName publicDns=PublicDnsName sourceDestCheck",
    )
    text = _attribute(call, instance, "userData")
    state |= {"userDataBase64": text} if "userDataBase64" in known else {"userData": _plain(text)}
    return state | {
        "availabilityZone": found["Placement"]["AvailabilityZone"],
        "tenancy": found["Placement"].get("Tenancy"),
        "instanceState": found["State"]["Name"],
        "monitoring": found["Monitoring"]["State"] in ("enabled", "pending"),
        "iamInstanceProfile": str(profile["Arn"]).rpartition("/")[2] if profile else None,
        "vpcSecurityGroupIds": [g["GroupId"] for g in found.get("SecurityGroups") or ()],
        "metadataOptions": fields(found.get("MetadataOptions") or {}, _METADATA),
        "rootBlockDevice": _root_disk(call, found),
        "disableApiTermination": bool(_attribute(call, instance, "disableApiTermination")),
        "instanceInitiatedShutdownBehavior": _attribute(call, instance, "instanceInitiatedShutdownBehavior"),
        "primaryNetworkInterfaceId": interface.get("NetworkInterfaceId"),
        "associatePublicIpAddress": bool(interface.get("Association")),
        "arn": ec2.arn(call, call.account, "instance", instance),
        "tagsAll": tag_map(found.get("Tags")),
    }


def _attribute(call: Call, instance: str, name: str) -> Any:
    answer = call.api("ec2", "describe_instance_attribute", InstanceId=instance, Attribute=name)
    value = answer.get(name[0].upper() + name[1:])
    return value.get("Value") if isinstance(value, Mapping) else value


def _plain(encoded: str | None) -> str | None:
    try:
        return base64.b64decode(encoded or "").decode() or None
    except (binascii.Error, UnicodeDecodeError):
        return encoded


def _root_volume(found: Mapping[str, Any]) -> dict[str, Any] | None:
    mappings = found.get("BlockDeviceMappings") or []
    root = next((m for m in mappings if m["DeviceName"] == found.get("RootDeviceName")), None)
    return (root or (mappings[0] if mappings else {})).get("Ebs")


def _root_disk(call: Call, found: Mapping[str, Any]) -> Props | None:
    attached = _root_volume(found)
    if attached is None:
        return None
    volume = call.one("ec2", "describe_volumes", "Volumes", VolumeIds=[attached["VolumeId"]]) or {}
    disk = fields(volume, "volumeSize=Size volumeType encrypted kmsKeyId iops throughput volumeId")
    return disk | {
        "deleteOnTermination": attached.get("DeleteOnTermination"),
        "deviceName": found.get("RootDeviceName"),
        "tags": None,
    }


def _update(call: Call, instance: str, wanted: Props, changed: frozenset[str]) -> None:
    if "vpcSecurityGroupIds" in changed:
        _modify(call, instance, Groups=wanted.get("vpcSecurityGroupIds") or [])
    for key in changed & {"disableApiTermination", "sourceDestCheck"}:
        value = {"Value": bool(wanted.get(key, key == "sourceDestCheck"))}
        _modify(call, instance, **{key[0].upper() + key[1:]: value})
    if "instanceInitiatedShutdownBehavior" in changed:
        behavior = wanted.get("instanceInitiatedShutdownBehavior") or "stop"
        _modify(call, instance, InstanceInitiatedShutdownBehavior={"Value": behavior})
    if "metadataOptions" in changed and wanted.get("metadataOptions"):
        options = params(wanted["metadataOptions"], _METADATA)
        call.api("ec2", "modify_instance_metadata_options", InstanceId=instance, **options)
    if "monitoring" in changed:
        operation = "monitor_instances" if wanted.get("monitoring") else "unmonitor_instances"
        call.api("ec2", operation, InstanceIds=[instance])
    if "iamInstanceProfile" in changed:
        _change_profile(call, instance, wanted.get("iamInstanceProfile"))
    if "rootBlockDevice" in changed and wanted.get("rootBlockDevice"):
        _change_disk(call, instance, wanted["rootBlockDevice"])
    if changed & _STOPPED_CHANGES:
        _change_stopped(call, instance, wanted, changed)


def _modify(call: Call, instance: str, **change: Any) -> None:
    call.api("ec2", "modify_instance_attribute", InstanceId=instance, **change)


def _change_profile(call: Call, instance: str, profile: str | None) -> None:
    path, filters = "IamInstanceProfileAssociations", [{"Name": "instance-id", "Values": [instance]}]
    there = call.one("ec2", "describe_iam_instance_profile_associations", path, Filters=filters)
    named = {"Name": profile}
    if there and profile:
        association = there["AssociationId"]
        operation = "replace_iam_instance_profile_association"
        call.api("ec2", operation, AssociationId=association, IamInstanceProfile=named)
    elif there:
        call.api("ec2", "disassociate_iam_instance_profile", AssociationId=there["AssociationId"])
    elif profile:
        call.api("ec2", "associate_iam_instance_profile", InstanceId=instance, IamInstanceProfile=named)


def _change_disk(call: Call, instance: str, disk: Props) -> None:
    found = _instance(call, instance) or {}
    attached = _root_volume(found)
    if attached is None:
        raise refuse(f"{instance} has no root disk")
    volume = call.one("ec2", "describe_volumes", "Volumes", VolumeIds=[attached["VolumeId"]]) or {}
    change = params(disk, "volumeSize=Size volumeType iops throughput")
    change = {k: v for k, v in change.items() if volume.get(k) != v}
    if change:
        call.api("ec2", "modify_volume", VolumeId=attached["VolumeId"], **change)
    if "deleteOnTermination" in disk and disk["deleteOnTermination"] != attached.get("DeleteOnTermination"):
        ebs = {"DeleteOnTermination": disk["deleteOnTermination"]}
        _modify(call, instance, BlockDeviceMappings=[{"DeviceName": found["RootDeviceName"], "Ebs": ebs}])


def _change_stopped(call: Call, instance: str, wanted: Props, changed: frozenset[str]) -> None:
    call.api("ec2", "stop_instances", InstanceIds=[instance])
    _wait(call, instance, "stopped")
    if "instanceType" in changed:
        _modify(call, instance, InstanceType={"Value": wanted["instanceType"]})
    if changed & {"userData", "userDataBase64"}:
        _modify(call, instance, UserData={"Value": (_user_data(wanted) or "").encode()})
    call.api("ec2", "start_instances", InstanceIds=[instance])


def _wait(call: Call, instance: str, state: str) -> None:
    def look() -> bool | None:
        found = _instance(call, instance)
        now = found["State"]["Name"] if found else "terminated"
        if now == "terminated" and state != now:
            reason = ((found or {}).get("StateReason") or {}).get("Message")
            raise refuse(f"{instance} was terminated while it was to be {state}" + (f": {reason}" if reason else ""))
        return True if now == state else None

    call.poll(f"{instance} to be {state}", look)


def _ready(call: Call, instance: str, _wanted: Props) -> None:
    """Running, or stopped by somebody: a stopped machine is not started behind their back."""

    def look() -> bool | None:
        found = _instance(call, instance)
        now = found["State"]["Name"] if found else "terminated"
        if now in ("terminated", "shutting-down"):
            raise refuse(f"{instance} was terminated while it was to be running")
        return True if now in ("running", "stopped") else None

    call.poll(f"{instance} to be running", look)


def _delete(call: Call, instance: str, state: Props) -> None:
    if state.get("forceDestroy"):
        _modify(call, instance, DisableApiTermination={"Value": False})
    call.api("ec2", "terminate_instances", InstanceIds=[instance])
    call.poll(f"{instance} to be terminated", lambda: None if _present(call, instance) else True)


def _present(call: Call, instance: str) -> bool:
    found = _instance(call, instance)
    return found is not None and found["State"]["Name"] != "terminated"


def _complete(inputs: Props) -> list[str]:
    if "userData" in inputs and "userDataBase64" in inputs:
        return ["userData and userDataBase64 exclude each other"]
    if len(str(inputs.get("userData") or "").encode()) > 16 * 1024:
        return ["userData is longer than 16 KiB"]
    return []


INSTANCE = resource(
    "aws:ec2/instance:Instance",
    "ami instanceType subnetId availabilityZone privateIp associatePublicIpAddress keyName ebsOptimized "
    "vpcSecurityGroupIds iamInstanceProfile metadataOptions rootBlockDevice monitoring disableApiTermination "
    "instanceInitiatedShutdownBehavior sourceDestCheck userData userDataBase64 userDataReplaceOnChange forceDestroy",
    required="ami instanceType",
    force_new="ami subnetId availabilityZone privateIp associatePublicIpAddress keyName ebsOptimized "
    "rootBlockDevice.encrypted rootBlockDevice.kmsKeyId",
    defaults={"forceDestroy": False, "userDataReplaceOnChange": False, "sourceDestCheck": True},
    sets="vpcSecurityGroupIds",
    computed="subnetId availabilityZone privateIp associatePublicIpAddress ebsOptimized vpcSecurityGroupIds "
    "metadataOptions rootBlockDevice instanceInitiatedShutdownBehavior",
    make=_make,
    read=_read,
    update=_update,
    ready=_ready,
    delete=_delete,
    complete=_complete,
    replace_if=lambda news: {"userData", "userDataBase64"} if news.get("userDataReplaceOnChange") else set(),
    retag=ec2.retag,
    adopt=Adopt(tagged=_find),
)

TYPES = (INSTANCE,)
