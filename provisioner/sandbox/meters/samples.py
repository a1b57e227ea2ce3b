"""Measurements in a file beside moto's state: moto's own metrics are pickled as a whole at every change."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

_HOUR = 3600
_FINE_FOR = 3 * 24 * _HOUR
_KEPT_FOR = 100 * 24 * _HOUR
STATISTICS = {
    "Average": "AVG(value)",
    "Minimum": "MIN(value)",
    "Maximum": "MAX(value)",
    "Sum": "SUM(value)",
    "SampleCount": "COUNT(value)",
}


class Sample(NamedTuple):
    """One measurement of a series; `at` in seconds since 1970."""

    series: str
    at: int
    value: float


def series(namespace: str, metric: str, dimensions: Mapping[str, str]) -> str:
    """The name of a series: CloudWatch tells them apart by all dimensions together."""
    return " ".join([namespace, metric, *(f"{name}={value}" for name, value in sorted(dimensions.items()))])


class Samples:
    """The file. All methods may be called from any thread."""

    def __init__(self, file: Path) -> None:
        self._file = file
        with self._open() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS samples (series TEXT, at INTEGER, value REAL, PRIMARY KEY (series, at)) "
                "WITHOUT ROWID"
            )

    def add(self, samples: Iterable[Sample]) -> None:
        """Keep them; a series has one value for a second."""
        with self._open() as connection:
            connection.executemany("INSERT OR REPLACE INTO samples VALUES (?, ?, ?)", samples)

    def has(self, name: str) -> bool:
        """Whether a series was ever measured."""
        with self._open() as connection:
            return connection.execute("SELECT 1 FROM samples WHERE series = ? LIMIT 1", [name]).fetchone() is not None

    def read(self, name: str, start: int, end: int, period: int, statistic: str) -> list[tuple[int, float]]:
        """Begin of each period that has values, from `start` and before `end`, with their statistic: one of
        `STATISTICS`."""
        query = (
            f"SELECT at / :period * :period AS begin, {STATISTICS[statistic]} FROM samples "  # noqa: S608 - of the table
            "WHERE series = :name AND at >= :start AND at < :end GROUP BY begin ORDER BY begin"
        )
        with self._open() as connection:
            return connection.execute(
                query, {"period": period, "name": name, "start": start // period * period, "end": end}
            ).fetchall()

    def thin(self, now: int) -> None:
        """After some days the first value of each hour is enough, and after some months none, as CloudWatch does it."""
        with self._open() as connection:
            connection.execute("DELETE FROM samples WHERE at < ?", [now - _KEPT_FOR])
            connection.execute(
                "DELETE FROM samples WHERE at < :old AND EXISTS (SELECT 1 FROM samples AS earlier WHERE "
                "earlier.series = samples.series AND earlier.at >= samples.at / :hour * :hour AND "
                "earlier.at < samples.at)",
                {"old": now - _FINE_FOR, "hour": _HOUR},
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._file, timeout=10)) as connection, connection:
            yield connection
