"""Controls of what holds data: key, secret, database, bucket, log groups."""

from collections.abc import Iterator
from typing import Any

from provisioner.model.stack import DatabaseArgs
from tests.stacks.control import REMOVED, Mutation, at, control, required
from tests.stacks.recorder import Recording, Resource

_HOURS = "a drill's copy is there for some hours, serves nobody, and must go without a trace"
QUARANTINE = {"quarantine-aws": _HOURS, "quarantine-sandbox": _HOURS}
_ONE_ZONE = "small customers pay for one zone"
ONE_ZONE = {"trial-aws": _ONE_ZONE, "trial-sandbox": _ONE_ZONE, "guarded-address-aws": _ONE_ZONE, **QUARANTINE}
_TRIAL = "a trial ends by itself, and offboarding switches protection off first"
_TRIALS = {"trial-aws": _TRIAL, "trial-sandbox": _TRIAL, "unguarded-balancer-aws": _TRIAL}
UNGUARDED = {**_TRIALS, **QUARANTINE}

STATEFUL = ("rds:Instance", "kms:Key", "s3:Bucket", "secretsmanager:Secret")
_KEYED = {
    "rds:Instance": ("kmsKeyId", "masterUserSecretKmsKeyId", "performanceInsightsKmsKeyId"),
    "ec2:Instance": ("rootBlockDevice.kmsKeyId",),
    "secretsmanager:Secret": ("kmsKeyId",),
    "cloudwatch:LogGroup": ("kmsKeyId",),
    "sns:Topic": ("kmsMasterKeyId",),
    "s3:BucketServerSideEncryptionConfiguration": ("rules.0.applyServerSideEncryptionByDefault.kmsMasterKeyId",),
}


def _at_least(least: int) -> Any:
    return lambda value: isinstance(value, (int, float)) and value >= least


def database_of(recording: Recording, resource: Resource) -> DatabaseArgs | None:
    """What an RDS instance was asked to be; None for any other resource."""
    named = {recording.args.identifier(d): d for d in recording.args.databases}
    return named[resource.inputs["identifier"]] if resource.type == "aws:rds/instance:Instance" else None


def serves(recording: Recording, resource: Resource) -> bool:
    """Whether that database is the product's. One that waits for its end, or for its turn, may be away for a while."""
    return database_of(recording, resource) is recording.args.serving


def stays(recording: Recording, resource: Resource) -> bool:
    """Whether it may not be deleted: all but a database whose end was asked for, with a final snapshot's name."""
    database = database_of(recording, resource)
    return database is None or database.final is None


# The key
required("KMS.4", "kms:Key", "enableKeyRotation", True, False)
required("KMS.3", "kms:Key", "deletionWindowInDays", 30, 7)


@control("KMS.5", "own-key-policy", covers="kms:Key", spoiled_by=(Mutation("kms:Key", "policy", REMOVED),))
def only_the_account_and_its_logs_and_alarms_use_the_key(recording: Recording) -> Iterator[str]:
    account = recording.args.account
    own = [recording.args.tenant, *(recording.args.identifier(d) for d in recording.args.databases)]
    for key in recording.of("kms:Key"):
        if "policy" not in key.inputs:
            yield f"{key.name} has AWS's default policy"
            continue
        for statement in key.policy():
            who = statement["Principal"]
            if who == {"AWS": f"arn:aws:iam::{account}:root"}:
                continue
            if who == {"Service": f"logs.{recording.args.region}.amazonaws.com"}:
                groups = statement["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
                if not all(any(f"/{name}/" in group for name in own) for group in groups):
                    yield f"{key.name}: log groups of others may use it"
            elif who != {"Service": "cloudwatch.amazonaws.com"}:
                yield f"{key.name}: {who} may use it"


@control(
    "RDS.3",
    "EC2.3",
    "SNS.1",
    "own-tenant-key",
    covers=tuple(_KEYED),
    spoiled_by=tuple(Mutation(kind, path, "alias/aws/x") for kind, paths in _KEYED.items() for path in paths),
)
def all_data_is_under_the_tenants_key(recording: Recording) -> Iterator[str]:
    arns: list[Any] = [f"arn:aws:{key.type}:{key.name}" for key in recording.of("kms:Key")] or [recording.args.key_arn]
    for kind, paths in _KEYED.items():
        for resource in recording.of(kind):
            for path in paths:
                off = path.startswith("performance") and not resource.inputs["performanceInsightsEnabled"]
                if not off and [at(resource.inputs, path)] != arns:
                    yield f"{kind} {resource.name}: {path} is {at(resource.inputs, path)!r}"


@control("own-alias", covers="kms:Alias", spoiled_by=(Mutation("kms:Alias", "name", "alias/provision/someone-else"),))
def the_alias_names_the_tenant(recording: Recording) -> Iterator[str]:
    for alias in recording.of("kms:Alias"):
        if alias.inputs["name"] != f"alias/provision/{recording.args.tenant}":
            yield f"{alias.inputs['name']}"


# The product's secret
@control(
    "own-no-passwords",
    covers=("secretsmanager:Secret", "rds:Instance"),
    spoiled_by=(
        Mutation("rds:Instance", "password", "x"),
        Mutation("rds:Instance", "manageMasterUserPassword", False),
    ),
)
def no_password_passes_through_pulumi(recording: Recording) -> Iterator[str]:
    for resource in recording.resources:
        secret = {"password", "passwordWo", "secretString", "secretBinary"} & resource.inputs.keys()
        if secret or "SecretVersion" in resource.type:
            yield f"{resource.type} {resource.name} has a secret value"
    for database in recording.of("rds:Instance"):
        if database.inputs.get("manageMasterUserPassword") is not True:
            yield f"{database.name}: the master's password isn't RDS's own"


# The database
required("RDS.2", "rds:Instance", "publiclyAccessible", False, True)
required("RDS.3", "rds:Instance", "storageEncrypted", True, False)
required("RDS.5", "rds:Instance", "multiAz", True, False, ONE_ZONE, among=serves)
required("RDS.6", "rds:Instance", "monitoringInterval", _at_least(1), 0, ONE_ZONE, among=serves)
required("RDS.8", "rds:Instance", "deletionProtection", True, False, UNGUARDED, among=stays)
required(
    "RDS.9 RDS.36",
    "rds:Instance",
    "enabledCloudwatchLogsExports",
    lambda logs: set(logs or ()) == {"postgresql", "upgrade"},
    ["upgrade"],
    QUARANTINE,
)
required("RDS.10", "rds:Instance", "iamDatabaseAuthenticationEnabled", True, False)
required("RDS.11", "rds:Instance", "backupRetentionPeriod", _at_least(7), 1, QUARANTINE)
required("RDS.17", "rds:Instance", "copyTagsToSnapshot", True, False)
required("RDS.23", "rds:Instance", "port", lambda port: port not in (None, 5432), 5432)
required(
    "RDS.25", "rds:Instance", "username", lambda user: user not in (None, "postgres", "admin", "rdsadmin"), "postgres"
)
required("own-ca", "rds:Instance", "caCertIdentifier", "rds-ca-rsa2048-g1", "rds-ca-2019")
required(
    "own-extended-support",
    "rds:Instance",
    "engineLifecycleSupport",
    "open-source-rds-extended-support-disabled",
    "open-source-rds-extended-support",
)
required("own-storage-grows", "rds:Instance", "maxAllocatedStorage", _at_least(50), 0, QUARANTINE)
required("own-final-snapshot", "rds:Instance", "skipFinalSnapshot", False, True, UNGUARDED)
required("own-backups-outlive", "rds:Instance", "deleteAutomatedBackups", False, True, UNGUARDED, among=stays)
# Without a subnet group RDS takes the account's default network.
required("RDS.18", "rds:Instance", "dbSubnetGroupName", bool)


@control(
    "own-final-snapshot",
    covers="rds:Instance",
    spoiled_by=(
        Mutation("rds:Instance", "finalSnapshotIdentifier", "acme-final"),
        Mutation("rds:Instance", "finalSnapshotIdentifier", REMOVED),
    ),
    shape="ending-aws",
)
def every_final_snapshot_has_a_name_of_its_own(recording: Recording) -> Iterator[str]:
    names = [database.inputs.get("finalSnapshotIdentifier") for database in recording.of("rds:Instance")]
    wanted = [d.final or f"{recording.args.identifier(d)}-final" for d in recording.args.databases]
    if sorted(map(str, names)) != sorted(wanted):
        yield f"{names}, not {wanted}"


@control("RDS.13", covers="rds:Instance", spoiled_by=(Mutation("rds:Instance", "engineVersion", "17"),))
def minor_upgrades_are_automatic_or_ours(recording: Recording) -> Iterator[str]:
    for database in recording.of("rds:Instance"):
        # In a quarantine it is whatever the backup is.
        exact = "." in database.inputs.get("engineVersion", recording.args.sizing.database_version)
        if database.inputs["autoMinorVersionUpgrade"] is exact:
            yield f"{database.name}: a version {database.inputs['engineVersion']} would drift or stay behind"


@control(
    "RDS.38",
    covers="rds:ParameterGroup",
    spoiled_by=(Mutation("rds:ParameterGroup", "parameters", []), Mutation("rds:ParameterGroup", "", REMOVED)),
)
def tls_is_forced(recording: Recording) -> Iterator[str]:
    groups = {g.inputs["name"]: g for g in recording.of("rds:ParameterGroup")}
    for database in recording.of("rds:Instance"):
        group = groups.get(database.inputs["parameterGroupName"])
        parameters = {p["name"]: p["value"] for p in group.inputs["parameters"]} if group else {}
        if parameters.get("rds.force_ssl") != "1":
            yield f"{database.name} takes plaintext"


@control(
    "RDS.18",
    "own-private-database",
    covers=("rds:SubnetGroup",),
    spoiled_by=(Mutation("rds:SubnetGroup", "subnetIds", ["public-a-id", "private-b-id"]),),
)
def the_database_is_in_private_subnets_of_two_zones(recording: Recording) -> Iterator[str]:
    for group in recording.of("rds:SubnetGroup"):
        if sorted(group.inputs["subnetIds"]) != ["private-a-id", "private-b-id"]:
            yield f"{group.name}: {group.inputs['subnetIds']}"


@control(
    "RDS.6",
    covers=("iam:RolePolicyAttachment",),
    spoiled_by=(
        Mutation("rds:Instance", "monitoringRoleArn", "arn:aws:iam::1:role/x"),
        Mutation("rds:Instance", "@depends_on", frozenset()),
    ),
)
def monitoring_has_its_role(recording: Recording) -> Iterator[str]:
    monitored = [d for d in recording.of("rds:Instance") if d.inputs["monitoringInterval"]]
    for database in monitored:
        role = recording.named("database-monitoring-role", "iam:Role")
        attached = [a for a in recording.of("iam:RolePolicyAttachment") if a.inputs["role"] == role.inputs["name"]]
        if database.inputs["monitoringRoleArn"] != f"arn:aws:{role.type}:{role.name}":
            yield f"{database.name} has another role"
        if not {a.urn for a in attached} & database.depends_on:
            yield f"{database.name} may be made before its role may write"


# The bucket
_BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
for _block in _BLOCKS:
    required("S3.8", "s3:BucketPublicAccessBlock", _block, True, False)
required("S3.14", "s3:BucketVersioning", "versioningConfiguration.status", "Enabled", "Suspended")
required("S3.12", "s3:BucketOwnershipControls", "rule.objectOwnership", "BucketOwnerEnforced", "ObjectWriter")
required(
    "S3.17",
    "s3:BucketServerSideEncryptionConfiguration",
    "rules.0.applyServerSideEncryptionByDefault.sseAlgorithm",
    "aws:kms",
    "AES256",
)
required(
    "S3.10 S3.13",
    "s3:BucketLifecycleConfiguration",
    "rules.0.noncurrentVersionExpiration.noncurrentDays",
    _at_least(30),
    1,
)
required(
    "S3.10 S3.13",
    "s3:BucketLifecycleConfiguration",
    "rules.0.abortIncompleteMultipartUpload.daysAfterInitiation",
    _at_least(1),
)
required("own-force-destroy", "s3:Bucket", "forceDestroy", False, True, _TRIALS)


@control("S3.5", covers="s3:BucketPolicy", spoiled_by=(Mutation("s3:BucketPolicy", "policy", '{"Statement": []}'),))
def the_bucket_wants_tls(recording: Recording) -> Iterator[str]:
    for policy in recording.of("s3:BucketPolicy"):
        denies = [s for s in policy.policy() if s["Effect"] == "Deny" and s["Principal"] == "*"]
        if not any(
            s["Condition"] == {"Bool": {"aws:SecureTransport": "false"}} and s["Action"] == ["s3:*"] for s in denies
        ):
            yield f"{policy.name} lets plaintext in"


_BUCKET_PARTS = (
    "s3:BucketPublicAccessBlock",
    "s3:BucketVersioning",
    "s3:BucketOwnershipControls",
    "s3:BucketServerSideEncryptionConfiguration",
    "s3:BucketLifecycleConfiguration",
    "s3:BucketPolicy",
)


@control(
    "own-complete-bucket",
    covers=("s3:Bucket", *_BUCKET_PARTS),
    spoiled_by=tuple(Mutation(kind, "", REMOVED) for kind in _BUCKET_PARTS),
)
def every_bucket_has_all_its_settings(recording: Recording) -> Iterator[str]:
    for bucket in recording.of("s3:Bucket"):
        for kind in _BUCKET_PARTS:
            if not any(part.inputs["bucket"] == f"{bucket.name}-id" for part in recording.of(kind)):
                yield f"{bucket.name} has no {kind}"


# Logs
required("own-retention", "cloudwatch:LogGroup", "retentionInDays", lambda days: bool(days) and 1 <= days <= 3653, 0)


@control(
    "CloudWatch.16",
    covers="cloudwatch:LogGroup",
    spoiled_by=(Mutation("cloudwatch:LogGroup", "retentionInDays", 90),),
    exempt={"trial-aws": "a trial has no year to look back at", "trial-sandbox": "a trial has no year to look back at"},
)
def logs_are_kept_for_a_year(recording: Recording) -> Iterator[str]:
    for group in recording.of("cloudwatch:LogGroup"):
        if group.inputs["retentionInDays"] < 365:
            yield f"{group.name}: {group.inputs['retentionInDays']} days"


@control(
    "own-log-groups-first",
    covers="cloudwatch:LogGroup",
    spoiled_by=(Mutation("rds:Instance", "@depends_on", frozenset()), Mutation("cloudwatch:LogGroup", "", REMOVED)),
)
def log_groups_of_the_database_are_there_before_it_writes(recording: Recording) -> Iterator[str]:
    for database in recording.of("rds:Instance"):
        for export in database.inputs.get("enabledCloudwatchLogsExports", ()):
            path = f"/aws/rds/instance/{database.inputs['identifier']}/{export}"
            groups = [g for g in recording.of("cloudwatch:LogGroup") if g.inputs["name"] == path]
            if not groups or groups[0].urn not in database.depends_on:
                yield f"RDS would make {path} itself, and keep it for ever"


# Protection
@control(
    "own-protect",
    covers=(*STATEFUL, "ec2:Eip"),
    spoiled_by=tuple(Mutation(kind, "@protect", False) for kind in (*STATEFUL, "ec2:Eip")),
    exempt=UNGUARDED,
)
def what_holds_data_or_is_known_outside_is_protected(recording: Recording) -> Iterator[str]:
    for resource in recording.of(*STATEFUL, "ec2:Eip"):
        if not resource.protect and stays(recording, resource):
            yield f"{resource.type} {resource.name} may be deleted"


@control(
    "own-recovery-window",
    covers="secretsmanager:Secret",
    spoiled_by=(Mutation("secretsmanager:Secret", "recoveryWindowInDays", 0),),
    exempt=UNGUARDED,
)
def a_deleted_secret_can_be_had_back(recording: Recording) -> Iterator[str]:
    for secret in recording.of("secretsmanager:Secret"):
        if secret.inputs["recoveryWindowInDays"] != 30:
            yield f"{secret.name}: {secret.inputs['recoveryWindowInDays']} days"
