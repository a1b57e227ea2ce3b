"""What `provision export-bundle` asks for: checked first, then exported and built."""

import shutil
from pathlib import Path

from provisioner.model.errors import RefusedError, UsageError
from provisioner.model.ports import Progress
from provisioner.ops.bundle.assemble import Bundle, build
from provisioner.ops.bundle.image import folder_of, read
from provisioner.ops.bundle.write import occupied
from provisioner.ops.house import House
from provisioner.ops.operations import unfinished
from provisioner.ops.places import refuse_unwritable


def bundle_of_release(house: House, version: str, target: Path, *, wheels: Path | None = None) -> Bundle:
    """A bundle of a release alone. Raises UsageError for an unknown one, and as `build`."""
    return build(_folder(house, version), target, wheels=wheels)


def bundle_of_tenant(
    house: House, tenant_id: str, target: Path, progress: Progress, *, wheels: Path | None = None
) -> Bundle:
    """A bundle of the release that a tenant runs, with its data as it is now.

    Killed while it exports, the same command goes on with that export. Raises UsageError for an unknown tenant or where
    something is at `target`, UnsupportedError where its release has no directory: all before anything is exported.
    """
    from provisioner.ops.export import export

    version = assigned_release(house, tenant_id)
    folder, wanted = _folder(house, version), target.absolute()
    if target.exists():
        raise occupied(target)
    if not wanted.parent.is_dir():
        raise UsageError(f"{wanted.parent} is no folder", hint=f"mkdir -p {wanted.parent}")
    refuse_unwritable(wanted.parent)
    work = wanted.with_name(f".{wanted.name}.export")
    waiting = unfinished(house, tenant_id, "export")
    if waiting is None or waiting.payload["folder"] != str(work):
        shutil.rmtree(work, ignore_errors=True)  # of one that was killed after its export
    exported = export(house, tenant_id, work, progress)
    try:
        if exported.release != version or exported.schema_version > read(folder).schema_version:
            raise RefusedError(
                f"tenant {tenant_id} was exported as release {exported.release}, schema {exported.schema_version}: "
                f"release {version} can't be given with it",
                hint="the same command again",
            )
        return build(folder, target, data=exported.folder, tenant=tenant_id, wheels=wheels)
    finally:
        shutil.rmtree(work)


def assigned_release(house: House, tenant_id: str) -> str:
    """The release that a tenant runs. Raises UsageError for an unknown tenant, or one that runs nothing yet."""
    record = house.ledger.tenant(tenant_id)
    if record is None or record.assigned_release is None:
        house.registry().load().tenant(tenant_id)  # an unknown id gets near misses
        raise UsageError(f"tenant {tenant_id} runs no release yet", hint=f"provision show {tenant_id}")
    return record.assigned_release


def product_of(house: House, version: str) -> str:
    """The name of the product that a release is of. Raises as `bundle_of_release`."""
    return read(_folder(house, version)).product


def _folder(house: House, version: str) -> Path:
    folder = folder_of(house.registry().load().release(version))
    found = read(folder)
    if found.version != version:
        raise UsageError(
            f"release {version} of the registry points to {folder}, which is {found.product} {found.version}",
            hint=f"correct releases/{version}/images/sandbox",
        )
    return folder
