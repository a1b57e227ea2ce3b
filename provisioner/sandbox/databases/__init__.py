"""RDS instances of the sandbox as real PostgreSQL servers."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from provisioner.sandbox.databases.keeper import BodyKeeper
    from provisioner.sandbox.world import Part, World


class Databases:
    """The part of the daemon that keeps the databases."""

    name = "databases"

    def __init__(self) -> None:
        self._keeper: BodyKeeper | None = None

    def install(self, world: "World") -> None:
        """Hook moto's RDS. Raises SandboxError where PostgreSQL is not installed."""
        from provisioner.sandbox.databases import backend, binaries, keeper, offers

        binaries.find()
        self._keeper = keeper.BodyKeeper(world)
        backend.hook(self._keeper)
        offers.install()

    def restore(self) -> None:
        """Adopt the servers that live, start those that should, carry on what was under way."""
        if self._keeper:
            self._keeper.restore()

    def status(self) -> list[dict[str, Any]]:
        """A row for each instance."""
        return self._keeper.rows() if self._keeper else []

    def stop(self) -> None:
        """Shut all servers down in order; their data stays."""
        if self._keeper:
            self._keeper.stop()


def parts() -> "list[Part]":
    """What the daemon takes from here."""
    return [Databases()]
