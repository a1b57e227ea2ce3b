"""`provision export`: a tenant's data, for the customer: database, files, checksums, and how to load them."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.model.cloud import StoredFile
from provisioner.model.errors import ProvisionError, UsageError
from provisioner.model.json import JsonDict
from provisioner.model.ports import OperationDefinition, OperationStepDefinition, Progress, StepContext
from provisioner.ops.backup import active
from provisioner.ops.bundle.sums import lines
from provisioner.ops.desired import confirm_caller, freeze, present_args
from provisioner.ops.house import House
from provisioner.ops.machine import answer, master_allowed
from provisioner.ops.operations import new_id, unfinished
from provisioner.ops.places import reason, refuse_unwritable, written
from provisioner.ops.points import Points
from provisioner.ops.scripts import Login, export_readme, login_script

DUMP_DEADLINE = 6 * 3600.0
PREFIX = "provision-export/"
_MARK = ".unfinished"
"""In the folder of an export that isn't at its end: whose it is."""


@dataclass(frozen=True, slots=True)
class Exported:
    """Where the data lies, and what it belongs to. `files`: how many of the product's own."""

    folder: Path
    dump: Path
    release: str
    schema_version: int
    files: int
    size: int


def export(house: House, tenant_id: str, folder: Path, progress: Progress) -> Exported:
    """Export a tenant into a folder that isn't there yet, or holds an export of it that was cut off."""
    waiting = unfinished(house, tenant_id, "export")
    folder = folder.absolute()
    if waiting is not None and waiting.payload["folder"] == str(folder):
        operation_id, payload = waiting.id, waiting.payload
    else:
        refuse_folder(folder, tenant_id)
        registry, operation_id = house.registry().load(), new_id(house.clock)
        tenant = registry.tenant(tenant_id)
        args = present_args(house, registry, tenant, active(house, tenant_id, "exported"))
        payload = freeze(house, registry, tenant, args, folder=str(folder))
    confirm_caller(house, payload, progress)
    result: Any = house.operations.run("export", operation_id, tenant_id, payload, progress)
    return thaw_exported(result)


def thaw_exported(result: JsonDict) -> Exported:
    """From a step's result."""
    raw: Any = result
    folder = Path(raw["folder"])
    return Exported(folder, folder / "database.dump", raw["release"], raw["schema_version"], raw["files"], raw["size"])


def refuse_folder(folder: Path, tenant_id: str) -> None:
    """Raise UsageError where an export would mix with something else, or can't be written. What an export of the same
    tenant left that was cut off may be there."""
    with written(folder):
        there = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
        mark = folder / _MARK
        if there and not (mark.is_file() and mark.read_text() == tenant_id):
            raise UsageError(f"{folder} is there already and not empty", hint="name another folder")
    refuse_unwritable(folder)


class Export:
    """Steps of `export`, over one house. `offboard` takes the same. `closed`: the product can't log in."""

    def __init__(self, house: House, *, closed: bool = False) -> None:
        self._house = house
        self._closed = closed
        self._points = Points(house)

    def definitions(self) -> dict[str, OperationDefinition]:
        """The kind by name."""
        return {"export": OperationDefinition("export", "its data is being exported", self.steps())}

    def steps(self) -> tuple[OperationStepDefinition, ...]:
        """In order."""
        return tuple(OperationStepDefinition(name, getattr(self, name)) for name in ("dump", "fetch", "tidy"))

    def dump(self, ctx: StepContext) -> JsonDict:
        """`pg_dump` on the tenant's machine, into the tenant's own bucket."""
        _, cloud = self._points.place(ctx)
        outputs = self._points.outputs(ctx)
        login = Login.master(outputs) if self._closed else Login.product(outputs)
        script = login_script("export", login, prefix=PREFIX, schema=outputs.database_user)
        with master_allowed(cloud, outputs.role_name, login.secret) if self._closed else nullcontext():
            found = answer(ctx, cloud, outputs.machine_id, script, "export", DUMP_DEADLINE)
        return {"size": int(found["size"]), "sha256": str(found["sha256"])}

    def fetch(self, ctx: StepContext) -> JsonDict:
        """Dump and files come here, are compared, and get their checksums. Raises ProvisionError where there is no room
        for them."""
        folder = Path(str(ctx.payload["folder"]))
        refuse_folder(folder, ctx.tenant)
        with _room(ctx, folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write(folder / _MARK, ctx.tenant)
            return self._fetch(ctx, folder)

    def tidy(self, ctx: StepContext) -> JsonDict:
        """The dump leaves the bucket, once it is on record that it arrived."""
        _, cloud = self._points.place(ctx)
        folder = Path(str(ctx.payload["folder"]))
        cloud.delete_files(self._points.outputs(ctx).files_bucket, PREFIX)
        with _room(ctx, folder):
            (folder / _MARK).unlink(missing_ok=True)
        return dict(ctx.results["fetch"])

    def _fetch(self, ctx: StepContext, folder: Path) -> JsonDict:
        args, cloud = self._points.place(ctx)
        bucket = self._points.outputs(ctx).files_bucket
        dump = self._fetched(ctx, folder, bucket)
        # All are fetched at each try, and none stays that isn't in the bucket any more.
        if (folder / "files").exists():
            shutil.rmtree(folder / "files")
        files = cloud.fetch_files(bucket, "", folder / "files", without=PREFIX)
        described = {
            "format": 1,
            "tenant": ctx.tenant,
            "release": args.release,
            "schema_version": args.schema,
            "exported_at": self._house.clock.now().isoformat(timespec="seconds"),
            "database": {"file": "database.dump", "size": dump.size, "sha256": dump.sha256},
            "files": [{"path": f"files/{f.path}", "size": f.size, "sha256": f.sha256} for f in files],
        }
        write(folder / "manifest.json", json.dumps(described, indent=2) + "\n")
        write(folder / "README.md", export_readme(described))
        sums(folder, [dump], files)
        return {
            "folder": str(folder),
            "release": args.release,
            "schema_version": args.schema,
            "files": len(files),
            "size": dump.size + sum(f.size for f in files),
            "manifest": file_digest(folder / "manifest.json"),
        }

    def _fetched(self, ctx: StepContext, folder: Path, bucket: str) -> StoredFile:
        """The dump, fetched now or by an earlier try, and made again where the bucket has it no more. Raises
        ProvisionError where it isn't what was written."""
        path, expected = folder / "database.dump", str(ctx.results["dump"]["sha256"])
        _, cloud = self._points.place(ctx)
        for again in (False, True):
            if again:
                expected = str(self.dump(ctx)["sha256"])
            if not _is(path, expected):
                cloud.fetch_files(bucket, PREFIX, folder)
            if _is(path, expected):
                return StoredFile("database.dump", path.stat().st_size, expected)
        raise ProvisionError(
            f"the dump of {ctx.tenant} did not arrive whole in {path} (SHA-256 must be {expected})",
            hint="the same command again",
        )


@contextmanager
def _room(ctx: StepContext, folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ProvisionError(
            f"the export of {ctx.tenant} can't be written to {folder}: {reason(error)}; nothing is lost",
            hint="make room there, then the same command again",
        ) from error


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and file_digest(path) == digest


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(path: Path, text: str) -> None:
    """A file for its owner alone, whole or not at all."""
    draft = path.with_name(f".{path.name}.part")
    with open(draft, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
        out.write(text)
    draft.replace(path)


def sums(folder: Path, dump: list[StoredFile], files: list[StoredFile]) -> None:
    """`SHA256SUMS`, as `sha256sum --check` reads it."""
    known = {f.path: f.sha256 for f in dump} | {f"files/{f.path}": f.sha256 for f in files}
    for name in ("manifest.json", "README.md"):
        known[name] = file_digest(folder / name)
    write(folder / "SHA256SUMS", lines(known))
