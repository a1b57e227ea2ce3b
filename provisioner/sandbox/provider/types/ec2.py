"""What all EC2 types share: tags, finding by tags, describing one."""

from collections.abc import Callable, Mapping
from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props
from provisioner.sandbox.provider.types.common import has_tags, tag_list


def specification(kind: str, props: Props) -> list[dict[str, Any]] | None:
    """TagSpecifications of a create call."""
    tags = tag_list(props.get("tagsAll"))
    return [{"ResourceType": kind, "Tags": tags}] if tags else None


def retag(call: Call, resource_id: str, _state: Props, new: dict[str, str], gone: list[str]) -> None:
    """Change tags of anything that has an EC2 id."""
    if new:
        call.api("ec2", "create_tags", Resources=[resource_id], Tags=tag_list(new))
    if gone:
        call.api("ec2", "delete_tags", Resources=[resource_id], Tags=[{"Key": k} for k in gone])


def tagged(
    operation: str,
    path: str,
    key: str,
    *,
    filters: str = "Filters",
    alive: Callable[[Mapping[str, Any]], bool] = lambda _item: True,
) -> Callable[[Call, Mapping[str, str]], list[str]]:
    """A search by tags with a Describe operation. Tags are compared again here: not every filter is honoured."""

    def find(call: Call, tags: Mapping[str, str]) -> list[str]:
        wanted = [{"Name": f"tag:{k}", "Values": [v]} for k, v in tags.items()]
        found = call.api("ec2", operation, **{filters: wanted})[path]
        return [item[key] for item in found if has_tags(item, tags) and alive(item)]

    return find


def arn(call: Call, owner: str, kind: str, resource_id: str) -> str:
    """The ARN of something with an EC2 id."""
    return f"arn:aws:ec2:{call.region}:{owner}:{kind}/{resource_id}"
