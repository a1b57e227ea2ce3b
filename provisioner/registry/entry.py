"""What every mapping of the registry with fixed keys is."""

from pydantic import BaseModel, ConfigDict

from provisioner.registry.policy import live

RECORD = live("it is read at use and reaches no cloud", "nothing: it holds at once")


class Entry(BaseModel):
    """Strict types, no unknown keys, no change after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
