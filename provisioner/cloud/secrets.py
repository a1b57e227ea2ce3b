"""The product's password, and who may read the master's for a moment."""

import json
import uuid
from datetime import UTC, datetime, timedelta

from provisioner.cloud.session import Clients, translated

_BOOTSTRAP_POLICY = "provision-bootstrap"


def ensure_password(clients: Clients, secret_arn: str, username: str) -> None:
    """Give the secret a random password as its first version.

    The version's token is derived from the ARN: two processes at once, or a second try after a lost reply, can't make
    two passwords (Secrets Manager answers ResourceExistsException to the same token with another value).
    """
    manager = clients["secretsmanager"]
    with translated("secretsmanager DescribeSecret"):
        if manager.describe_secret(SecretId=secret_arn).get("VersionIdsToStages"):
            return
    with translated("secretsmanager PutSecretValue"):
        password = manager.get_random_password(PasswordLength=40, ExcludePunctuation=True)["RandomPassword"]
        try:
            manager.put_secret_value(
                SecretId=secret_arn,
                SecretString=json.dumps({"username": username, "password": password}),
                ClientRequestToken=str(uuid.uuid5(uuid.NAMESPACE_URL, secret_arn)),
            )
        except manager.exceptions.ResourceExistsException:
            return


def allow_secret(clients: Clients, role: str, secret_arn: str, minutes: int) -> None:
    """An inline policy that ends by itself: `aws:CurrentTime` stops it even where nobody takes it back."""
    until = (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    statement = {
        "Effect": "Allow",
        "Action": "secretsmanager:GetSecretValue",
        "Resource": secret_arn,
        "Condition": {"DateLessThan": {"aws:CurrentTime": until}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    with translated("iam PutRolePolicy"):
        clients["iam"].put_role_policy(RoleName=role, PolicyName=_BOOTSTRAP_POLICY, PolicyDocument=document)


def forbid_secret(clients: Clients, role: str) -> None:
    """Take the policy back; what is gone already is success."""
    with translated("iam DeleteRolePolicy"):
        try:
            clients["iam"].delete_role_policy(RoleName=role, PolicyName=_BOOTSTRAP_POLICY)
        except clients["iam"].exceptions.NoSuchEntityException:
            return
