"""A customer who writes all the time: 20 notes a second through the product, whatever happens to it."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Collection
from types import TracebackType

PER_SECOND = 20.0
_TIMEOUT = 5.0


class Writer:
    """Writes to one product as long as the body runs. `kept`: notes that the product said it has, in order; `refused`:
    when and why a request failed. Nothing is sent twice."""

    def __init__(self, url: str, mark: str) -> None:
        self._url = url + "/notes"
        self._mark = mark
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._times: list[float] = []
        self.kept: list[str] = []
        self.refused: list[tuple[float, str]] = []

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    @property
    def gap(self) -> float:
        """The longest time in which nothing was taken, in seconds."""
        return max(b - a for a, b in zip(self._times, self._times[1:], strict=False))

    def told(self) -> str:
        """In words."""
        return f"{len(self.kept)} writes, longest gap {self.gap:.2f} s, {len(self.refused)} requests failed"

    def check(self, there: Collection[str]) -> None:
        """What the product said it has is there, once. `there`: all notes of its database."""
        assert len(self.kept) > PER_SECOND, "it wrote for more than a second"
        counted = Counter(there)
        lost = [note for note in self.kept if counted[note] == 0]
        assert not lost, f"{len(lost)} of {len(self.kept)} writes are lost: {lost[:5]}; {self.told()}"
        assert all(counted[note] == 1 for note in self.kept)

    def _run(self) -> None:
        number, due = 0, time.monotonic()
        while not self._over.is_set():
            number += 1
            self._send(f"{self._mark}-{number}")
            due = max(due + 1 / PER_SECOND, time.monotonic())
            self._over.wait(due - time.monotonic())

    def _send(self, note: str) -> None:
        body = json.dumps({"body": note}).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
                json.load(answer)
        except (OSError, ValueError) as error:
            self.refused.append((time.monotonic(), str(error)))
        else:
            self._times.append(time.monotonic())
            self.kept.append(note)
