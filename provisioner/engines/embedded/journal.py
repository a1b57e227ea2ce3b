"""The state during a run: what the run found, what it made so far, what is begun. Writes the checkpoint."""

import threading
from collections.abc import Callable, Collection

from provisioner.engines.embedded.checkpoint import Pending, Snapshot, Writer
from provisioner.engines.embedded.state import Resource

Write = Callable[[str], None]


class Journal:
    """The base (what was there) and the news of a run, merged into one snapshot (pkg/backend/snapshot.go).

    An operation is durable before its call leaves, its outcome before the step counts as done. Concurrent writers
    share one write. Without `write` (a preview) everything stays in memory.
    """

    def __init__(self, base: Snapshot, writer: Writer, write: Write | None) -> None:
        self.base = base.resources
        self._pending = list(base.pending)
        self._writer = writer
        self._write = write
        self._news: list[Resource] = []
        self._done: set[Resource] = set()
        self._lock = threading.Lock()
        self._io = threading.Lock()
        self._changes = 0
        self._written = 0

    def snapshot(self) -> Snapshot:
        """News in the order they were made, then what is left of the base: dependencies stay before dependents."""
        resources = [r for r in (*self._news, *self.base) if r not in self._done]
        return Snapshot(resources, list(self._pending))

    def pending(self) -> list[Pending]:
        """Operations that were begun and not ended."""
        with self._lock:
            return list(self._pending)

    def known_ids(self, urns: Collection[str]) -> list[str]:
        """Ids that the state holds for a resource under these names."""
        with self._lock:
            return [r.id for r in self.snapshot().resources if r.id and r.urn in urns]

    def begin(self, kind: str, resource: Resource) -> None:
        """Durably note that an operation is about to start."""
        with self._lock:
            self._pending.append(Pending(kind, resource))
            self._changes += 1
        self.flush()

    def end(
        self,
        begun: Resource | None = None,
        *,
        done: Resource | None = None,
        new: Resource | None = None,
        condemned: Resource | None = None,
        replaced: Resource | None = None,
        keep_pending: bool = False,
        write: bool = True,
    ) -> None:
        """Note an outcome: `begun` has ended, `done` is gone from the state, `new` is in it, `condemned` waits for its
        deletion, `replaced` is deleted and waits for its successor. Durable with `write`, otherwise it goes with the
        next write. `keep_pending` is for an operation of which nobody knows the outcome."""
        with self._lock:
            if begun is not None:
                self._writer.forget(begun)
                if not keep_pending:
                    self._pending = [p for p in self._pending if p.resource is not begun]
            if done is not None:
                self._done.add(done)
            if condemned is not None:
                condemned.delete = True
                self._writer.forget(condemned)
            if replaced is not None:
                replaced.pending_replacement = True
                self._writer.forget(replaced)
            if new is not None:
                self._news.append(new)
            self._changes += 1
        if write:
            self.flush()

    def replace(self, old: Resource, new: Resource, *, write: bool) -> None:
        """An unchanged resource: `new` stands for `old` from now on. Without `write` the file is still right."""
        with self._lock:
            self._done.add(old)
            self._news.append(new)
            self._changes += write

    def touched(self, resource: Resource) -> None:
        """A resource of the state was changed in place."""
        with self._lock:
            self._writer.forget(resource)
            self._changes += 1

    def rebase(self, resources: list[Resource], pending: list[Pending] | None = None, *, changed: bool = True) -> None:
        """Put another base in place, before any news."""
        with self._lock:
            self.base = resources
            if pending is not None:
                self._pending = list(pending)
            self._changes += changed

    def flush(self) -> None:
        """Write what has changed. Returns when all changes up to now are on the disk."""
        if self._write is None:
            return
        with self._lock:
            wanted = self._changes
        with self._io:
            if self._written >= wanted:
                return
            with self._lock:
                wanted = self._changes
                text = self._writer.text(self.snapshot())
            self._write(text)
            self._written = wanted
