"""The table by which a difference is judged: what was changed by hand, from what to what, and what that means.

A rule names types and a path of the property, both with `*`, and asks of the two values. The first rule that fits
decides, so exceptions stand above what they are exceptions of. What no rule fits is unknown: to be called harmless, a
change must be known to be.

Paths are written with dots: `metadataOptions.httpTokens`, `tags.owner`, `parameters.rds.force_ssl`. Beside Pulumi's
own properties there are those that `provision` looks up itself (`ops/by_hand.py`): `ingress` and `egress` of a
security group hold rules that the stack doesn't know, and `instanceState` and `status` whether it runs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from provisioner.model.json import Json

Test = Callable[[Any, Any], bool]
"""Of the state's value and the cloud's."""


class Weight(StrEnum):
    """How bad a difference is. Outage: it is known, isn't about security, and something doesn't serve."""

    REGRESSION = "security regression"
    OUTAGE = "outage"
    UNKNOWN = "unknown"
    HARMLESS = "harmless"


GONE = "(gone)"
"""The path of a resource that isn't there any more."""

_EC2 = "aws:ec2/instance:Instance"
_RDS = "aws:rds/instance:Instance"
_PARAMETERS = "aws:rds/parameterGroup:ParameterGroup"
_KEY = "aws:kms/key:Key"
_BUCKET = "aws:s3/bucket:Bucket"
_BALANCER = "aws:lb/loadBalancer:LoadBalancer"
_LISTENER = "aws:lb/listener:Listener"
_GROUP = "aws:ec2/securityGroup:SecurityGroup"
_RULE = "aws:vpc/securityGroup*Rule"
_ANY = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """Of these types, at this path, with these values: that weight, because `why`."""

    types: str
    path: str
    test: Test
    weight: Weight
    why: str

    def fits(self, type_: str, path: str, before: Json, after: Json) -> bool:
        """Whether it decides."""
        return fnmatchcase(type_, self.types) and fnmatchcase(path, self.path) and self.test(before, after)


def _any(_before: Any, _after: Any) -> bool:
    return True


def _off(_before: Any, after: Any) -> bool:
    """It is off now: false, unset, or the text that says so."""
    return after in (None, False, "", 0) or str(after).lower() in ("false", "0", "disabled", "off", "suspended")


def _on(_before: Any, after: Any) -> bool:
    return after is not None and not _off(None, after)


def _less(before: Any, after: Any) -> bool:
    return _number(after) < _number(before)


def _sooner(before: Any, after: Any) -> bool:
    """Less, where unset is for ever."""
    return after is not None and _less(before, after)


def _more(before: Any, after: Any) -> bool:
    return _number(after) > _number(before)


def _number(value: Any) -> float:
    """Unset counts as nothing, so that to unset a limit is to lower it."""
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return float("nan")


def _now(*values: str) -> Test:
    return lambda _before, after: after in values


def _not_any_more(value: str) -> Test:
    return lambda before, after: before == value and after != value


def _regression(types: str, path: str, why: str, test: Test = _any) -> Rule:
    return Rule(types, path, test, Weight.REGRESSION, why)


def _outage(types: str, path: str, why: str, test: Test = _any) -> Rule:
    return Rule(types, path, test, Weight.OUTAGE, why)


def _harmless(types: str, path: str, why: str, test: Test = _any) -> Rule:
    return Rule(types, path, test, Weight.HARMLESS, why)


_REACH = (
    _regression(_GROUP, "ingress", "a port was opened: who could not come in can"),
    _regression(_GROUP, "egress", "a way out was opened: what is inside can be sent out"),
    _regression("aws:ec2/defaultSecurityGroup*", "ingress*", "the group that must be empty lets somebody in"),
    _regression("aws:ec2/defaultSecurityGroup*", "egress*", "the group that must be empty lets something out"),
    _regression(_RULE, "cidrIpv4", "a rule lets other addresses in or out"),
    _regression(_RULE, "cidrIpv6", "a rule lets other addresses in or out"),
    _regression(_RULE, "prefixListId", "a rule lets other addresses in or out"),
    _regression(_RULE, "referencedSecurityGroupId", "a rule lets another group in or out"),
    _regression(_RULE, "fromPort", "a rule is about other ports"),
    _regression(_RULE, "toPort", "a rule is about other ports"),
    _regression(_RULE, "ipProtocol", "a rule is about another protocol"),
    _outage(_RULE, GONE, "who may come in or go out can't any more"),
    _regression(_EC2, "vpcSecurityGroupIds*", "other rules say who reaches the machine"),
    _regression(_EC2, "sourceDestCheck", "the machine may pass on what isn't for it", _off),
    _regression(_RDS, "vpcSecurityGroupIds*", "other rules say who reaches the database"),
    _regression(_RDS, "publiclyAccessible", "the database has a public address", _on),
    _regression(_BALANCER, "securityGroups*", "other rules say who reaches the balancer"),
    _regression("aws:ec2/route:Route", "*Id", "packets are sent elsewhere"),
    _regression("aws:ec2/routeTableAssociation*", "routeTableId", "packets are sent elsewhere"),
    _regression("aws:ec2/subnet:Subnet", "mapPublicIpOnLaunch", "machines get a public address by themselves", _on),
)
_ENCRYPTION = (
    _regression(_ANY, "storageEncrypted", "the data isn't encrypted", _off),
    _regression(_ANY, "rootBlockDevice.encrypted", "the disk isn't encrypted", _off),
    _regression(_ANY, "kmsKeyId", "it is encrypted with another key, or none"),
    _regression(_ANY, "*.kmsKeyId", "it is encrypted with another key, or none"),
    _regression(_ANY, "*KmsKeyId", "it is encrypted with another key, or none"),
    _regression(_ANY, "kmsMasterKeyId", "it is encrypted with another key, or none"),
    _regression("aws:s3/bucketServerSideEncryptionConfiguration*", "*", "objects are encrypted otherwise"),
    _regression(_KEY, "enableKeyRotation", "the key isn't rotated any more", _off),
    _regression(_KEY, "policy", "others may use or administer the key"),
    _regression(_KEY, "isEnabled", "the key was switched off", _off),
    _regression("aws:kms/alias:Alias", "targetKeyId", "the name leads to another key"),
    _regression(_PARAMETERS, "parameters.rds.force_ssl", "the database takes connections without TLS", _off),
    _regression(_RDS, "parameterGroupName", "the database has other settings, TLS among them"),
    _regression(_RDS, "caCertIdentifier", "the database shows another certificate"),
    _regression(_LISTENER, "sslPolicy", "the balancer speaks other versions of TLS"),
    _regression(_LISTENER, "protocol", "the balancer doesn't speak TLS", _not_any_more("HTTPS")),
    _regression(_LISTENER, "certificateArn", "the balancer shows another certificate"),
    _regression(_LISTENER, "defaultActions*", "requests are sent elsewhere, or aren't sent on to TLS"),
)
_PROTECTION = (
    _regression(_ANY, "deletionProtection", "it can be deleted", _off),
    _regression(_ANY, "enableDeletionProtection", "it can be deleted", _off),
    _regression(_EC2, "disableApiTermination", "the machine can be terminated", _off),
    _regression(_RDS, "deleteAutomatedBackups", "its backups would go with it", _on),
    _regression(_RDS, "skipFinalSnapshot", "its last snapshot would not be made", _on),
    _regression(_RDS, "backupRetentionPeriod", "backups reach back less far", _less),
    _regression("aws:s3/bucketVersioning*", "versioningConfiguration.status", "what is deleted is lost",
                _not_any_more("Enabled")),
    _regression("aws:s3/bucketVersioning*", GONE, "what is deleted is lost"),
    _regression("aws:s3/bucketLifecycleConfiguration*", "rules*", "old versions are kept for another time"),
    _regression(_KEY, "deletionWindowInDays", "a key that is deleted is gone sooner", _less),
)  # fmt: skip
_ACCESS = (
    _regression(_EC2, "metadataOptions.httpTokens", "IMDSv1 is allowed: a forged request reads the machine's keys",
                _now("optional")),
    _regression(_EC2, "metadataOptions.httpPutResponseHopLimit", "the machine's keys reach further", _more),
    _regression(_EC2, "metadataOptions.instanceMetadataTags", "tags can be read on the machine", _now("enabled")),
    _regression(_EC2, "iamInstanceProfile", "the machine is somebody else to AWS"),
    _regression(_EC2, "keyName", "somebody may come in with a key", _on),
    _regression(_EC2, "userData*", "another script runs at its first boot"),
    _regression(_RDS, "iamDatabaseAuthenticationEnabled", "people need a password again", _off),
    _regression(_RDS, "manageMasterUserPassword", "the master's password isn't RDS's own any more", _off),
    _regression("aws:s3/bucketPublicAccessBlock*", "*", "the bucket may become public", _off),
    _regression("aws:s3/bucketOwnershipControls*", "*", "others may own objects, and grant access to them"),
    _regression("aws:s3/bucketPolicy:BucketPolicy", "policy", "other access to the bucket, or without TLS"),
    _regression("aws:s3/bucketPolicy:BucketPolicy", GONE, "the bucket may be reached without TLS"),
    _regression("aws:iam/role:Role", "assumeRolePolicy", "others may take on the role"),
    _regression("aws:iam/role:Role", "permissionsBoundary", "the role isn't kept inside the tenant"),
    _regression("aws:iam/rolePolicy:RolePolicy", "policy", "the role may do other things"),
    _regression("aws:iam/policy:Policy", "policy", "the most that the machine may do is another"),
    _regression("aws:sns/topicPolicy:TopicPolicy", "policy", "others may write to the alarms' topic, or read it"),
    _regression("aws:secretsmanager/secret:Secret", "policy", "others may read the secret"),
    _regression(_BALANCER, "dropInvalidHeaderFields", "malformed requests reach the product", _off),
    _regression(_BALANCER, "desyncMitigationMode", "malformed requests reach the product",
                _not_any_more("defensive")),
    _regression(_BALANCER, "internal", "who reaches the balancer has changed"),
)  # fmt: skip
_RECORD = (
    _regression("aws:ec2/flowLog:FlowLog", GONE, "nobody records who spoke to whom"),
    _regression("aws:ec2/flowLog:FlowLog", "trafficType", "only a part of the traffic is recorded",
                _not_any_more("ALL")),
    _regression("aws:ec2/flowLog:FlowLog", "logDestination", "the record goes elsewhere"),
    _regression("aws:cloudwatch/logGroup:LogGroup", GONE, "a log is gone"),
    _regression("aws:cloudwatch/logGroup:LogGroup", "retentionInDays", "logs are deleted sooner", _sooner),
    _regression(_RDS, "enabledCloudwatchLogsExports*", "the database's logs are kept otherwise"),
    _regression(_PARAMETERS, "parameters.log_*", "the database logs otherwise"),
    _regression("aws:cloudwatch/metricAlarm:MetricAlarm", GONE, "nobody is told"),
    _regression("aws:cloudwatch/metricAlarm:MetricAlarm", "alarmActions*", "somebody else is told, or nobody"),
    _regression("aws:cloudwatch/metricAlarm:MetricAlarm", "actionsEnabled", "nobody is told", _off),
    _regression("aws:sns/topic:Topic", GONE, "nobody is told of alarms"),
)  # fmt: skip
_SERVICE = (
    _outage(_EC2, "instanceState", "the machine was stopped", _now("stopped", "stopping")),
    _outage(_EC2, GONE, "the machine is gone"),
    _outage(_RDS, "status", "the database was stopped", _now("stopped", "stopping")),
    _outage(_RDS, GONE, "the database is gone, with its data"),
    _outage(_BALANCER, GONE, "nobody reaches the product"),
    _outage("aws:lb/*", GONE, "requests don't reach the product"),
    _outage("aws:ec2/eip*", GONE, "the address is gone"),
    _outage("aws:ec2/route*", GONE, "packets don't find their way"),
    _outage("aws:ec2/internetGateway*", GONE, "nothing comes in or goes out"),
    _outage("aws:ec2/natGateway*", GONE, "nothing goes out"),
    _outage("aws:route53/record:Record", GONE, "the product's name leads nowhere"),
    _outage("aws:route53/record:Record", "records*", "the product's name leads elsewhere"),
    _outage(_KEY, GONE, "what the key encrypts can't be read"),
    _outage(_BUCKET, GONE, "the product's files are gone"),
)
_WORDS = (
    # By these a session of the deployer is kept inside a tenant.
    _regression(_ANY, "tags.provision:tenant", "the tag that keeps other tenants' sessions away was changed"),
    _regression(_ANY, "tags.provision:purpose", "the tag that tells a drill's from a tenant's own was changed"),
    # Not harmless: what a lost reply made is found again by them, and what they now say isn't known to be right.
    Rule(_ANY, "tags.provision:stack", _any, Weight.UNKNOWN, "by this tag provision finds what is its own"),
    Rule(_ANY, "tags.provision:resource", _any, Weight.UNKNOWN, "by this tag provision finds what is its own"),
    _harmless(_ANY, "tags.*", "a tag"),
    _harmless(_ANY, "description", "words for people"),
    _harmless(_ANY, "alarmDescription", "words for people"),
    _harmless(_EC2, "monitoring", "figures come more often", _on),
    _harmless(_RDS, "deletionProtection", "it is protected better than asked for", _on),
    _harmless(_RDS, "backupRetentionPeriod", "backups reach back further", _more),
    _harmless(_RDS, "copyTagsToSnapshot", "tags of snapshots"),
    _harmless("aws:cloudwatch/logGroup:LogGroup", "retentionInDays", "logs are kept longer", _more),
)
RULES: tuple[Rule, ...] = (*_REACH, *_ENCRYPTION, *_PROTECTION, *_ACCESS, *_RECORD, *_SERVICE, *_WORDS)
