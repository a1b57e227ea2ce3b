"""A process of its own that waits for the database's password and leaves it in the pgpass file.

boto3 takes more memory than the whole product; this process gives it back as soon as the password is there.
Each line on stdout says why it still waits. Arguments: the secret's ARN, the file.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_PAUSE, _LONGEST = 0.3, 3.0


def main(secret: str, file: Path) -> None:
    """Ask until there is an answer, or until nobody waits for it any more."""
    parent = os.getppid()
    config = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1})
    pause, last, client = _PAUSE, "", None
    while os.getppid() == parent:
        try:
            client = client or boto3.session.Session().client("secretsmanager", config=config)
            value = json.loads(client.get_secret_value(SecretId=secret)["SecretString"])
            return write(file, value["password"])
        except ClientError as error:
            reason = error.response.get("Error", {}).get("Code", "ClientError")
        except (BotoCoreError, KeyError, ValueError) as error:
            reason = type(error).__name__
        if reason != "ResourceNotFoundException":
            client = None  # credentials may come, or change, later than this process
        if reason != last:
            print(reason, flush=True)  # noqa: T201 - the parent reads it
        last = reason
        time.sleep(pause)
        pause = min(pause * 1.1, _LONGEST)
    return None


def write(file: Path, password: str) -> None:
    """Replace the file in one step; it is never readable for others, nor half there."""
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".pgpass-")
    with os.fdopen(handle, "w") as out:
        if os.geteuid() == 0:
            # A command of the operator's may come first; the product reads the file under its own name.
            owner = file.parent.stat()
            os.fchown(out.fileno(), owner.st_uid, owner.st_gid)
        out.write(f"*:*:*:*:{escaped}\n")
    Path(name).replace(file)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
