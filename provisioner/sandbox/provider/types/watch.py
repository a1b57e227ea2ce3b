"""Log groups, alarms, topics and who listens to them."""

from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props, words
from provisioner.sandbox.provider.errors import AwsError
from provisioner.sandbox.provider.resource import Adopt, Name, resource
from provisioner.sandbox.provider.types.common import by_arn, fields, new_tags, params, tag_map


def _make_logs(call: Call, wanted: Props) -> str:
    call.once(
        "logs",
        "create_log_group",
        logGroupName=wanted["name"],
        kmsKeyId=wanted.get("kmsKeyId"),
        logGroupClass=wanted.get("logGroupClass"),
        tags=wanted.get("tagsAll") or None,
    )
    return str(wanted["name"])


def _read_logs(call: Call, name: str, _known: Props) -> Props | None:
    groups = call.api("logs", "describe_log_groups", logGroupNamePrefix=name)["logGroups"]
    found = next((g for g in groups if g["logGroupName"] == name), None)
    if found is None:
        return None
    arn = str(found["arn"]).removesuffix(":*")
    return {
        "name": name,
        "retentionInDays": found.get("retentionInDays") or 0,
        "kmsKeyId": found.get("kmsKeyId"),
        "logGroupClass": found.get("logGroupClass") or "STANDARD",
        "arn": arn,
        "tagsAll": call.api("logs", "list_tags_for_resource", resourceArn=arn).get("tags") or {},
    }


def _update_logs(call: Call, name: str, wanted: Props, changed: frozenset[str]) -> None:
    if "retentionInDays" in changed:
        days = wanted.get("retentionInDays") or 0
        operation = "put_retention_policy" if days else "delete_retention_policy"
        call.api("logs", operation, logGroupName=name, retentionInDays=days or None)
    if "kmsKeyId" in changed:
        key = wanted.get("kmsKeyId")
        operation = "associate_kms_key" if key else "disassociate_kms_key"
        call.api("logs", operation, logGroupName=name, kmsKeyId=key)


def _retag_logs(call: Call, _id: str, state: Props, new: dict[str, str], gone: list[str]) -> None:
    if new:
        call.api("logs", "tag_resource", resourceArn=state["arn"], tags=new)
    if gone:
        call.api("logs", "untag_resource", resourceArn=state["arn"], tagKeys=gone)


def _delete_logs(call: Call, name: str, state: Props) -> None:
    if not state.get("skipDestroy"):
        call.api("logs", "delete_log_group", logGroupName=name)


LOGS = resource(
    "aws:cloudwatch/logGroup:LogGroup",
    "name retentionInDays kmsKeyId logGroupClass skipDestroy",
    force_new="name logGroupClass",
    defaults={"retentionInDays": 0, "skipDestroy": False},
    computed="logGroupClass",
    name=Name(longest=512),
    make=_make_logs,
    read=_read_logs,
    update=_update_logs,
    delete=_delete_logs,
    retag=_retag_logs,
    adopt=Adopt(duplicates=words("ResourceAlreadyExistsException"), existing=lambda _call, wanted: str(wanted["name"])),
)

_ALARM = (
    "name=AlarmName alarmDescription actionsEnabled okActions=OKActions alarmActions insufficientDataActions "
    "metricName namespace statistic extendedStatistic period unit evaluationPeriods datapointsToAlarm threshold "
    "comparisonOperator treatMissingData"
)


def _put_alarm(call: Call, wanted: Props, **rest: Any) -> None:
    dimensions = [{"Name": k, "Value": v} for k, v in (wanted.get("dimensions") or {}).items()]
    call.api("cloudwatch", "put_metric_alarm", **params(wanted, _ALARM), Dimensions=dimensions, **rest)


def _make_alarm(call: Call, wanted: Props) -> str:
    """PutMetricAlarm replaces what has the name: another stack's alarm must not be taken over in silence."""
    name = wanted["name"]
    if call.one("cloudwatch", "describe_alarms", "MetricAlarms", AlarmNames=[name]):
        raise AwsError("cloudwatch put_metric_alarm", _ALARM_EXISTS, f"the alarm {name} exists", 400)
    _put_alarm(call, wanted, Tags=new_tags(wanted))
    return str(name)


def _read_alarm(call: Call, name: str, _known: Props) -> Props | None:
    found = call.one("cloudwatch", "describe_alarms", "MetricAlarms", AlarmNames=[name])
    if found is None:
        return None
    arn = found["AlarmArn"]
    return fields(found, _ALARM) | {
        "dimensions": {d["Name"]: d["Value"] for d in found.get("Dimensions") or ()},
        "treatMissingData": found.get("TreatMissingData") or "missing",
        "arn": arn,
        "tagsAll": tag_map(call.api("cloudwatch", "list_tags_for_resource", ResourceARN=arn).get("Tags")),
    }


def _update_alarm(call: Call, _id: str, wanted: Props, _changed: frozenset[str]) -> None:
    _put_alarm(call, wanted)


_ALARM_EXISTS = "ResourceAlreadyExists"
ALARM = resource(
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "name alarmDescription actionsEnabled okActions alarmActions insufficientDataActions metricName namespace "
    "statistic extendedStatistic period unit evaluationPeriods datapointsToAlarm threshold comparisonOperator "
    "treatMissingData dimensions",
    required="comparisonOperator evaluationPeriods",
    force_new="name",
    defaults={"actionsEnabled": True, "treatMissingData": "missing"},
    sets="okActions alarmActions insufficientDataActions",
    name=Name(),
    make=_make_alarm,
    read=_read_alarm,
    update=_update_alarm,
    delete=lambda call, name, _state: call.api("cloudwatch", "delete_alarms", AlarmNames=[name]),
    retag=by_arn("cloudwatch", arn="ResourceARN"),
    adopt=Adopt(duplicates=words(_ALARM_EXISTS), existing=lambda _call, wanted: str(wanted["name"])),
)

_TOPIC = {
    "displayName": "DisplayName",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "policy": "Policy",
    "deliveryPolicy": "DeliveryPolicy",
}


def _attributes(call: Call, arn: str) -> dict[str, str] | None:
    try:
        found: dict[str, str] = call.api("sns", "get_topic_attributes", TopicArn=arn)["Attributes"]
    except AwsError as error:
        if error.missing:
            return None
        raise
    return found


def _topic_arn(call: Call, wanted: Props) -> str:
    return f"arn:aws:sns:{call.region}:{call.account}:{wanted['name']}"


def _make_topic(call: Call, wanted: Props) -> str:
    """CreateTopic gives back what has the name, whoever's it is: so look first."""
    arn = _topic_arn(call, wanted)
    if _attributes(call, arn):
        raise AwsError("sns create_topic", _TOPIC_EXISTS, f"the topic {arn} exists", 400)
    fifo = {"FifoTopic": "true"} if wanted.get("fifoTopic") else {}
    attributes = {theirs: str(wanted[ours]) for ours, theirs in _TOPIC.items() if wanted.get(ours)} | fifo
    call.once("sns", "create_topic", Name=wanted["name"], Attributes=attributes, Tags=new_tags(wanted))
    return arn


def _read_topic(call: Call, arn: str, known: Props) -> Props | None:
    found = _attributes(call, arn)
    if found is None:
        return None
    state: Props = {ours: found.get(theirs) or None for ours, theirs in _TOPIC.items()}
    if "policy" not in known:  # AWS gives every topic one; a TopicPolicy changes it beside this resource
        del state["policy"]
    return state | {
        "name": arn.rpartition(":")[2],
        "fifoTopic": found.get("FifoTopic") == "true",
        "owner": found.get("Owner"),
        "arn": arn,
        "tagsAll": tag_map(call.api("sns", "list_tags_for_resource", ResourceArn=arn).get("Tags")),
    }


def _update_topic(call: Call, arn: str, wanted: Props, changed: frozenset[str]) -> None:
    for key in changed & _TOPIC.keys():
        value = str(wanted.get(key) or "")
        call.api("sns", "set_topic_attributes", TopicArn=arn, AttributeName=_TOPIC[key], AttributeValue=value)


_TOPIC_EXISTS = "TopicAlreadyExists"
TOPIC = resource(
    "aws:sns/topic:Topic",
    "name displayName kmsMasterKeyId policy deliveryPolicy fifoTopic",
    force_new="name fifoTopic",
    defaults={"fifoTopic": False},
    documents="policy deliveryPolicy",
    name=Name(longest=80),
    make=_make_topic,
    read=_read_topic,
    update=_update_topic,
    delete=lambda call, arn, _state: call.api("sns", "delete_topic", TopicArn=arn),
    retag=by_arn("sns"),
    adopt=Adopt(duplicates=words(_TOPIC_EXISTS), existing=_topic_arn),
)


def _put_topic_policy(call: Call, wanted: Props) -> str:
    arn = str(wanted["arn"])
    call.api("sns", "set_topic_attributes", TopicArn=arn, AttributeName="Policy", AttributeValue=wanted["policy"])
    return arn


def _read_topic_policy(call: Call, arn: str, _known: Props) -> Props | None:
    found = _attributes(call, arn)
    return {"arn": arn, "policy": found.get("Policy"), "owner": found.get("Owner")} if found else None


def _update_topic_policy(call: Call, _id: str, wanted: Props, _changed: frozenset[str]) -> None:
    _put_topic_policy(call, wanted)


def _close_topic(call: Call, arn: str, _state: Props) -> None:
    """A topic always has a policy: without this resource, the one that lets its own account use it."""
    statement = (
        '{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":["SNS:Publish",'
        f'"SNS:Subscribe"],"Resource":"{arn}","Condition":{{"StringEquals":{{"AWS:SourceOwner":"{call.account}"}}}}}}]}}'
    )
    call.api("sns", "set_topic_attributes", TopicArn=arn, AttributeName="Policy", AttributeValue=statement)


TOPIC_POLICY = resource(
    "aws:sns/topicPolicy:TopicPolicy",
    "arn policy",
    required="arn policy",
    force_new="arn",
    documents="policy",
    make=_put_topic_policy,
    read=_read_topic_policy,
    update=_update_topic_policy,
    delete=_close_topic,
)

_SUBSCRIPTION = {
    "filterPolicy": "FilterPolicy",
    "filterPolicyScope": "FilterPolicyScope",
    "rawMessageDelivery": "RawMessageDelivery",
}


def _subscribe(call: Call, wanted: Props) -> str:
    parameters = params(wanted, "topic=TopicArn protocol endpoint")
    return str(call.api("sns", "subscribe", **parameters, ReturnSubscriptionArn=True)["SubscriptionArn"])


def _read_subscription(call: Call, arn: str, _known: Props) -> Props | None:
    try:
        found = call.api("sns", "get_subscription_attributes", SubscriptionArn=arn)["Attributes"]
    except AwsError as error:
        if error.missing:
            return None
        raise
    return fields(found, "topic=TopicArn protocol endpoint ownerId=Owner filterPolicy filterPolicyScope") | {
        "rawMessageDelivery": found.get("RawMessageDelivery") == "true",
        "pendingConfirmation": found.get("PendingConfirmation") == "true",
        "arn": arn,
    }


def _update_subscription(call: Call, arn: str, wanted: Props, changed: frozenset[str]) -> None:
    for key in changed & _SUBSCRIPTION.keys():
        value = wanted.get(key)
        text = str(bool(value)).lower() if key == "rawMessageDelivery" else str(value or "")
        names = {"SubscriptionArn": arn, "AttributeName": _SUBSCRIPTION[key]}
        call.api("sns", "set_subscription_attributes", **names, AttributeValue=text)


SUBSCRIPTION = resource(
    "aws:sns/topicSubscription:TopicSubscription",
    "topic protocol endpoint " + " ".join(_SUBSCRIPTION),
    required="topic protocol endpoint",
    force_new="topic protocol endpoint",
    defaults={"rawMessageDelivery": False},
    documents="filterPolicy",
    make=_subscribe,
    read=_read_subscription,
    update=_update_subscription,
    delete=lambda call, arn, _state: call.api("sns", "unsubscribe", SubscriptionArn=arn),
)

TYPES = (LOGS, ALARM, TOPIC, TOPIC_POLICY, SUBSCRIPTION)
