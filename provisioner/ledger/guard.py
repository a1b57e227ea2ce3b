"""Defence in depth: no secret enters the ledger under a name that says it is one, or within a URL.

Rooms keep secrets out by construction (docs/architecture.md). This catches the mistake of passing a whole AWS answer
on, and names the path, never the value. An ARN or a name that points to a secret is welcome.
"""

import re
from collections.abc import Mapping

from provisioner.model.errors import ProvisionError
from provisioner.model.json import Json
from provisioner.model.redact import URL_PASSWORD

_SECRET_KEY = re.compile(
    r"(password|passwd|passphrase|secret|secret_?(string|value|binary)|secret_?access_?key|private_?key|api_?key|token)$",
    re.IGNORECASE,
)


def refuse_secrets(value: Json, where: str) -> None:
    """Raise ProvisionError for a text under a key such as `password`, `SecretString` or `session_token`, and for a
    URL with a password."""
    if isinstance(value, str) and URL_PASSWORD.search(value):
        raise ProvisionError(
            f"refused to record {where}: it is a URL with a password in it",
            hint="give the password in a file: PGPASSFILE for PostgreSQL; nothing was written",
        )
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, str) and inner and not inner.startswith("arn:") and _SECRET_KEY.search(key):
                raise ProvisionError(
                    f"refused to record {where}.{key}: its name says that it is a secret",
                    hint="record the ARN of the secret in its place; nothing was written",
                )
            refuse_secrets(inner, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            refuse_secrets(inner, f"{where}[{number}]")
