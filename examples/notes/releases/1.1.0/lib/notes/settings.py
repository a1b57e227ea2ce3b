"""What the machine says: the environment, and below it the file that `provision` wrote."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_IMAGE = Path(__file__).resolve().parents[2]
_FILE = "/etc/provision/product.env"


@dataclass(frozen=True)
class Settings:
    """`release` and `schema_version` are the image's own, not what somebody wants them to be. `purpose`: production; in
    a drill everything is a copy, and nothing may reach the people who are in it."""

    tenant: str
    purpose: str
    release: str
    schema_version: int
    listen: tuple[str, int]
    state: Path
    secret: str
    database: Mapping[str, str]

    @property
    def passfile(self) -> Path:
        """Where libpq finds the password: mode 0600, nowhere else on disk."""
        return self.state / "pgpass"


def load() -> Settings:
    """Raises KeyError for a variable that is missing."""
    values = {**_from_file(Path(os.environ.get("PROVISION_ENV", _FILE))), **os.environ}
    image = json.loads((_IMAGE / "release.json").read_text())
    state = Path(values.get("STATE_DIR", "/var/lib/product"))
    database = {
        "host": values["DATABASE_HOST"],
        "port": values["DATABASE_PORT"],
        "dbname": values["DATABASE_NAME"],
        "user": values["DATABASE_USER"],
        "sslmode": values.get("PGSSLMODE", "verify-full"),
        "passfile": str(state / "pgpass"),
        "connect_timeout": "2",
        "tcp_user_timeout": "2000",
        "options": "-c statement_timeout=5s",
        "application_name": f"{image['product']} {image['version']}",
    }
    if values.get("PGSSLROOTCERT"):
        database["sslrootcert"] = values["PGSSLROOTCERT"]
    return Settings(
        tenant=values["TENANT"],
        purpose=values.get("PURPOSE", "production"),
        release=image["version"],
        schema_version=image["schema_version"],
        listen=(values.get("LISTEN_ADDRESS", "0.0.0.0"), int(values.get("LISTEN_PORT", "8080"))),  # noqa: S104 - security groups decide
        state=state,
        secret=values["DATABASE_SECRET"],
        database=database,
    )


def _from_file(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
