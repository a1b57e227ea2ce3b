"""Makes moto's import cheap, and its objects mortal; it has to run before moto or boto3 is imported anywhere.

Measured: of 1.6 s, 0.6 go into reading botocore's endpoints and EC2's model once for each session, and 0.3 into tables
of which instance types are offered in which of 30 regions, of which a sandbox uses one or two. Each further service
reads its model, up to 0.1 s, only to learn its regions.
"""

import functools
import os
from pathlib import Path
from typing import Any

_TABLES = "instance_type_offerings"


def make_cheap() -> None:
    """Import moto's EC2 with one botocore loader for all sessions, every service in every region, and with tables that
    are read on demand."""
    import botocore.loaders

    botocore.loaders.create_loader = functools.cache(botocore.loaders.create_loader)
    import boto3

    boto3.Session.get_available_regions = _all_regions  # type: ignore[assignment]
    listdir = os.listdir
    # Moto reads all tables while it is imported: it finds none, and gets dicts that read them instead.
    os.listdir = lambda path=".": [] if str(path).endswith(_TABLES) else listdir(path)  # type: ignore[assignment]
    try:
        from moto.core.common_models import BaseModel
        from moto.ec2.models import instance_types
    finally:
        os.listdir = listdir
    BaseModel.__new__ = staticmethod(_untracked)  # type: ignore[method-assign]
    for table in Path(instance_types.root, instance_types.offerings_path).iterdir():
        instance_types.INSTANCE_TYPE_OFFERINGS[table.name] = _Offerings(table)


def _untracked(cls: Any, *_args: Any, **_kwargs: Any) -> Any:
    """Moto keeps every object that it ever made, for its dashboard; a daemon would only grow."""
    from moto.core.common_models import BaseModel

    return super(BaseModel, cls).__new__(cls)


def _all_regions(
    session: Any, service_name: str, partition_name: str = "aws", allow_non_regional: bool = False
) -> list[str]:
    del service_name, allow_non_regional
    partitions = session._session.get_component("data_loader").load_data("endpoints")["partitions"]  # noqa: SLF001
    return [region for p in partitions if p["partition"] == partition_name for region in p["regions"]]


class _Offerings(dict[str, list[dict[str, Any]]]):
    """Region -> instance types offered there, read from moto's file of that region when it is asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __missing__(self, region: str) -> list[dict[str, Any]]:
        from moto.utilities.utils import load_resource

        try:
            found = load_resource(f"ec2/resources/{_TABLES}/{self._folder.name}/{region}.json")
        except FileNotFoundError:
            raise KeyError(region) from None
        self[region] = [{**offer, "LocationType": self._folder.name} for offer in found]
        return self[region]

    def get(self, region: str, default: Any = None) -> Any:
        """As dict's, which doesn't ask `__missing__`."""
        try:
            return self[region]
        except KeyError:
            return default
