"""The tenant's bucket: private, versioned, encrypted with the tenant's key, reached by TLS only."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks.policies import document
from stacks.scope import Scope

_KEEP_OLD_VERSIONS_DAYS = 90
_ABORT_UPLOADS_DAYS = 7


@dataclass(frozen=True, slots=True)
class FilesArgs:
    """`key_arn` encrypts the objects."""

    scope: Scope
    key_arn: pulumi.Input[str]


class Files(pulumi.ComponentResource):
    """One S3 bucket and its settings, which S3 takes one after the other."""

    bucket: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: FilesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("provision:tenant:Files", name, None, opts)
        scope = args.scope
        bucket = aws.s3.Bucket(
            "files",
            bucket=f"{scope.args.account}-{scope.args.tenant}-files",
            force_destroy=not scope.guarded,
            tags=scope.tags("files"),
            opts=pulumi.ResourceOptions(parent=self, protect=scope.guarded, delete_before_replace=True),
        )
        child = pulumi.ResourceOptions(parent=self)
        _encrypt(bucket, args.key_arn, child)
        _keep_versions(bucket, child)
        closed = _close(bucket, child)
        _require_tls(bucket, pulumi.ResourceOptions(parent=self, depends_on=[closed]))
        self.bucket = bucket.bucket
        self.arn = bucket.arn
        self.register_outputs({"bucket": self.bucket})


def _encrypt(bucket: aws.s3.Bucket, key_arn: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
    aws.s3.BucketServerSideEncryptionConfiguration(
        "files-encryption",
        bucket=bucket.id,
        rules=[
            aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                apply_server_side_encryption_by_default=(
                    aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                        sse_algorithm="aws:kms", kms_master_key_id=key_arn
                    )
                ),
                bucket_key_enabled=True,
            )
        ],
        opts=opts,
    )


def _keep_versions(bucket: aws.s3.Bucket, opts: pulumi.ResourceOptions) -> None:
    versioning = aws.s3.BucketVersioning(
        "files-versioning",
        bucket=bucket.id,
        versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
        opts=opts,
    )
    rule = aws.s3.BucketLifecycleConfigurationRuleArgs(
        id="old-versions",
        status="Enabled",
        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
        noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
            noncurrent_days=_KEEP_OLD_VERSIONS_DAYS
        ),
        abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
            days_after_initiation=_ABORT_UPLOADS_DAYS
        ),
    )
    aws.s3.BucketLifecycleConfiguration(
        "files-lifecycle",
        bucket=bucket.id,
        rules=[rule],
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[versioning])),
    )


def _close(bucket: aws.s3.Bucket, opts: pulumi.ResourceOptions) -> aws.s3.BucketPublicAccessBlock:
    ownership = aws.s3.BucketOwnershipControls(
        "files-ownership",
        bucket=bucket.id,
        rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
        opts=opts,
    )
    return aws.s3.BucketPublicAccessBlock(
        "files-private",
        bucket=bucket.id,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[ownership])),
    )


def _require_tls(bucket: aws.s3.Bucket, opts: pulumi.ResourceOptions) -> None:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:*"],
        "Resource": [bucket.arn, pulumi.Output.concat(bucket.arn, "/*")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    aws.s3.BucketPolicy("files-tls", bucket=bucket.id, policy=document(statement), opts=opts)
