"""Builds a bundle: pure work on files."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from provisioner.model.errors import ProvisionError, UsageError
from provisioner.ops.bundle import image, sums
from provisioner.ops.bundle.content import Entry, entries
from provisioner.ops.bundle.write import SUMS, beside, publish, write


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was built. `path`: tar or folder; `files`: without SHA256SUMS; `size`: bytes of all files;
    `sha256`: of its SHA256SUMS, and so of everything in it."""

    path: Path
    product: str
    release: str
    schema_version: int
    tenant: str | None
    files: int
    size: int
    sha256: str


def build(
    release_dir: Path, target: Path, *, data: Path | None = None, tenant: str | None = None, wheels: Path | None = None
) -> Bundle:
    """Make a bundle of a release's directory at `target`: a tar where it ends in .tar.gz or .tgz, else a folder.

    `data`: an export's folder, of the tenant `tenant`; `wheels`: a folder of Python wheels for machines without
    internet. The same again gives the same bytes. Killed, it leaves nothing at `target`; what it left beside goes
    with the next call. Raises UnsupportedError for what is no release's directory, UsageError where something
    else is at `target`, ProvisionError where the export isn't whole.
    """
    if (data is None) != (tenant is None):
        raise UsageError("data belongs to a tenant, and a tenant's bundle has its data")
    release = image.read(release_dir)
    listed = _listed(data) if data else {}
    origin = hashlib.sha256((data / "manifest.json").read_bytes()).hexdigest() if data else None
    found = entries(release, tenant=tenant, data=data, wheels=wheels, origin=origin)
    root = "-".join(filter(None, (tenant, release.product, release.version)))
    with beside(target) as work:
        digests = write(target, root, found, work)
        _compare(digests, listed)
        publish(target, work)
    return Bundle(
        path=target,
        product=release.product,
        release=release.version,
        schema_version=release.schema_version,
        tenant=tenant,
        files=len(found),
        size=sum(map(_size, found)),
        sha256=hashlib.sha256(sums.lines(digests).encode()).hexdigest(),
    )


def _size(entry: Entry) -> int:
    return len(entry.source) if isinstance(entry.source, bytes) else entry.source.stat().st_size


def _listed(data: Path) -> dict[str, str]:
    """What the export's own SHA256SUMS says."""
    try:
        return {f"data/{path.removeprefix('./')}": d for path, d in sums.parse((data / SUMS).read_text()).items()}
    except (OSError, ValueError) as error:
        raise ProvisionError(f"{data} is no whole export: {error}", hint="export it again") from None


def _compare(digests: dict[str, str], listed: dict[str, str]) -> None:
    """Raises ProvisionError unless the data that was written is what was exported, all of it."""
    bad = [p for p, d in digests.items() if p.startswith("data/") and p in listed and listed[p] != d]
    bad += [p for p in listed if p.startswith(("data/files/", "data/database.dump")) and p not in digests]
    bad += [p for p in digests if p.startswith(("data/files/", "data/database.dump")) and listed and p not in listed]
    if bad:
        raise ProvisionError(
            f"the export isn't what its SHA256SUMS says: {', '.join(sorted(bad)[:5])}", hint="export it again"
        )
