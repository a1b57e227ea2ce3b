"""The tenant's machine: an instance of the release's image. It holds nothing that a new one couldn't have again."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import ascii_letters, digits

import jinja2
import pulumi
import pulumi_aws as aws

from stacks.scope import Scope

_TEMPLATES = Path(__file__).parent.parent / "templates"
_PLAIN = frozenset(ascii_letters + digits + "@%+=:,./_-")


@dataclass(frozen=True, slots=True)
class MachineArgs:
    """`scope`: of the machine's own release. `environment`: lines of `/etc/provision/product.env`, no secrets. `needs`:
    what must be there before it boots. `public_address`: it boots with one, where no gateway gives it a way out."""

    scope: Scope
    key_arn: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    group_id: pulumi.Input[str]
    profile_name: pulumi.Input[str]
    environment: Mapping[str, pulumi.Input[str]]
    needs: list[pulumi.Resource]
    public_address: bool = False


class Machine(pulumi.ComponentResource):
    """One EC2 instance: IMDSv2 only, disk encrypted with the tenant's key, managed by SSM, no SSH key."""

    machine_id: pulumi.Output[str]

    def __init__(self, name: str, args: MachineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("provision:tenant:Machine", name, None, opts)
        scope = args.scope
        instance = aws.ec2.Instance(
            name,
            ami=scope.args.image_id,
            instance_type=scope.sizing.instance_type,
            subnet_id=args.subnet_id,
            vpc_security_group_ids=[args.group_id],
            associate_public_ip_address=True if args.public_address else None,
            iam_instance_profile=args.profile_name,
            metadata_options=aws.ec2.InstanceMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            root_block_device=aws.ec2.InstanceRootBlockDeviceArgs(
                volume_type="gp3",
                volume_size=scope.sizing.root_disk_gib,
                encrypted=True,
                kms_key_id=args.key_arn,
                delete_on_termination=True,
            ),
            monitoring=True,
            disable_api_termination=scope.guarded,
            # Each release replaces the machine: the termination protection stops people and scripts, not this program.
            force_destroy=True,
            user_data=pulumi.Output.all(**args.environment).apply(user_data),
            # cloud-init writes files at an instance's first boot only, so changed user data needs a new instance.
            user_data_replace_on_change=True,
            tags=scope.tags(name) | {"provision:release": scope.args.release},
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=args.needs,
                # EC2 takes it back when the tenant's own address comes, and gives none when that goes elsewhere.
                ignore_changes=["associatePublicIpAddress"],
            ),
        )
        self.machine_id = instance.id
        self.register_outputs({"machine_id": instance.id})


def machine_name(suffix: str) -> str:
    """The logical name of one of a tenant's machines."""
    return f"machine-{suffix}" if suffix else "machine"


def user_data(environment: Mapping[str, object]) -> str:
    """The cloud-config that writes the product's environment. Raises ValueError for a value that a shell would read."""
    lines = {key: str(value) for key, value in environment.items()}
    for key, value in lines.items():
        if not _PLAIN.issuperset(value):
            raise ValueError(f"{key} has characters that are not safe in an environment file")
    return _template().render(environment=lines)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - it renders YAML, of values that user_data has checked
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("cloud-init.yaml.j2")
