"""Where things are: flag > environment > default. Values only; nothing is opened here."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.model.errors import UsageError

ENGINES = ("embedded", "pulumi")


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one command. `home` holds all local state; `target` overrides the registry's default; `ledger` is
    a URL (None: SQLite in the home); `engine`: "embedded" or "pulumi" (None: what fits the target)."""

    home: Path
    registry: Path
    target: str | None = None
    ledger: str | None = None
    engine: str | None = None

    @staticmethod
    def read(
        *,
        registry: Path | None = None,
        target: str | None = None,
        engine: str | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> "Settings":
        """From flags and the environment (PROVISION_HOME, _REGISTRY, _TARGET, _LEDGER, _ENGINE)."""
        home = environ.get("PROVISION_HOME")
        engine = engine or environ.get("PROVISION_ENGINE") or None
        if engine not in (None, *ENGINES):
            raise UsageError(f"there is no engine {engine}", hint=f"set PROVISION_ENGINE to {' or '.join(ENGINES)}")
        return Settings(
            home=Path(home).expanduser().absolute() if home else _default_home(),
            registry=(registry or Path(environ.get("PROVISION_REGISTRY") or "tenants.yaml")).absolute(),
            target=target or environ.get("PROVISION_TARGET") or None,
            ledger=environ.get("PROVISION_LEDGER") or None,
            engine=engine,
        )

    def environment(self) -> dict[str, str]:
        """Variables by which another process reads the same settings."""
        found = {
            "PROVISION_HOME": str(self.home),
            "PROVISION_REGISTRY": str(self.registry),
            "PROVISION_TARGET": self.target,
            "PROVISION_LEDGER": self.ledger,
            "PROVISION_ENGINE": self.engine,
        }
        return {name: value for name, value in found.items() if value is not None}

    def folder(self, *parts: str) -> Path:
        """A folder below the home, for this user only."""
        path = self.home.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path


def _default_home() -> Path:
    import platformdirs

    return platformdirs.user_state_path("provision")


def private(path: str, flags: int) -> int:
    """An opener for `open`: the file is readable by this user only from its first moment on."""
    return os.open(path, flags, 0o600)
