"""The secret in AWS Secrets Manager, read with the machine's role."""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


class Manager:
    """One secret, asked for again and again until it is there."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._config = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1})
        self._client: Any = None

    def ask(self) -> str:
        """The secret's text. Raises LookupError with AWS's word for why not."""
        try:
            self._client = self._client or boto3.session.Session().client("secretsmanager", config=self._config)
            return str(self._client.get_secret_value(SecretId=self._secret)["SecretString"])
        except ClientError as error:
            reason = error.response.get("Error", {}).get("Code", "ClientError")
        except (BotoCoreError, KeyError, ValueError) as error:
            reason = type(error).__name__
        if reason != "ResourceNotFoundException":
            self._client = None  # credentials may come, or change, later than this process
        raise LookupError(reason)
