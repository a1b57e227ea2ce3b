"""Words shared by the types: property names, tags, and how services tag."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props
from provisioner.sandbox.provider.errors import ProviderError

Retag = Callable[[Call, str, Props, dict[str, str], list[str]], None]


def params(props: Props, names: str) -> dict[str, Any]:
    """Parameters of an API call: the named properties that are set, `vpcId` as `VpcId`, `a=B` as `B`."""
    pairs = (_pair(word) for word in names.split())
    return {theirs: props[ours] for ours, theirs in pairs if props.get(ours) not in (None, "")}


def fields(answer: Mapping[str, Any], names: str) -> Props:
    """Properties out of an API's answer, named as in `params`; None where the answer has them not."""
    return {ours: answer.get(theirs) for ours, theirs in map(_pair, names.split())}


def _pair(word: str) -> tuple[str, str]:
    ours, _, theirs = word.partition("=")
    return ours, theirs or ours[0].upper() + ours[1:]


def tag_list(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    """Tags as most APIs take them."""
    return [{"Key": k, "Value": v} for k, v in (tags or {}).items()]


def tag_map(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags as most APIs give them."""
    return {t["Key"]: t["Value"] for t in tags or ()}


def new_tags(props: Props) -> list[dict[str, str]] | None:
    """Tags for a create call; None where there are none."""
    return tag_list(props.get("tagsAll")) or None


def has_tags(item: Mapping[str, Any], tags: Mapping[str, str], key: str = "Tags") -> bool:
    """Whether an API's item has all these tags."""
    theirs = tag_map(item.get(key))
    return all(theirs.get(k) == v for k, v in tags.items())


def by_arn(service: str, arn: str = "ResourceArn", add: str = "tag_resource", remove: str = "untag_resource") -> Retag:
    """Retag for services that tag by ARN; `arn` is the name of that parameter. The id may be the ARN itself."""

    def retag(call: Call, resource_id: str, state: Props, new: dict[str, str], gone: list[str]) -> None:
        target = {arn: state.get("arn") or resource_id}
        if new:
            call.api(service, add, **target, Tags=tag_list(new))
        if gone:
            call.api(service, remove, **target, TagKeys=gone)

    return retag


def tagged_by_api(resource_type: str) -> Callable[[Call, Mapping[str, str]], list[str]]:
    """Find ARNs by tags through the Resource Groups Tagging API: for services that can't filter by tags."""

    def find(call: Call, tags: Mapping[str, str]) -> list[str]:
        filters = [{"Key": k, "Values": [v]} for k, v in tags.items()]
        answer = call.api(
            "resourcegroupstaggingapi", "get_resources", TagFilters=filters, ResourceTypeFilters=[resource_type]
        )
        return [item["ResourceARN"] for item in answer["ResourceTagMappingList"]]

    return find


def refuse(message: str, hint: str | None = None) -> ProviderError:
    """A refusal of ours, where the real provider or AWS would refuse."""
    return ProviderError(message, hint=hint)
