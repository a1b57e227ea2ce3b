"""What needed a person at the last look, and the outbox of webhooks. Not journalled: seen and told, not decided."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from provisioner.ledger.guard import refuse_secrets
from provisioner.ledger.records import Records
from provisioner.ledger.schema import needs, notices
from provisioner.model.fleet.needs import Need, Weight
from provisioner.model.fleet.notice import Announce, Found, Notice, NoticeStatus, OpenNeed, turns
from provisioner.model.json import JsonDict, digest

_KEPT = timedelta(days=30)


class NoticeRecords(Records):
    """Look and telling are one transaction: of two workers that look at once, the second one finds nothing new."""

    def note_needs(self, found: Found, announce: Announce) -> int:
        """Keep what a look found, and put what is to be told of it into the outbox. How many were put there."""
        now = self._now()
        with self._database.write() as connection:
            after, changes = turns(_open(connection), found, now)
            connection.execute(sa.delete(needs))
            if after:
                connection.execute(sa.insert(needs), [_need_row(n) for n in after])
            told = announce(changes) if changes else ()
            for endpoint, body in told:
                self._put(connection, endpoint, body, now)
            old = (notices.c.status != NoticeStatus.WAITING) & (notices.c.made_at < now - _KEPT)
            connection.execute(sa.delete(notices).where(old))
            return len(told)

    def open_needs(self) -> list[OpenNeed]:
        """As the last look found them, and those that may not be over yet."""
        with self._database.read() as connection:
            return _open(connection)

    def take_notices(self, claim: timedelta, *, limit: int = 20) -> list[Notice]:
        """Those that are due, oldest first. They are this caller's for the time `claim`: then another may try them."""
        now = self._now()
        due = (notices.c.status == NoticeStatus.WAITING) & (notices.c.next_at <= now)
        with self._database.write() as connection:
            rows = connection.execute(sa.select(notices).where(due).order_by(notices.c.made_at).limit(limit)).mappings()
            taken = [_notice({**row, "attempts": row["attempts"] + 1, "next_at": now + claim}) for row in rows]
            for notice in taken:
                values = {"attempts": notice.attempts, "next_at": notice.next_at}
                connection.execute(sa.update(notices).where(notices.c.id == notice.id).values(**values))
            return taken

    def set_notice(self, notice_id: str, status: NoticeStatus, *, at: datetime, error: str | None = None) -> None:
        """How a try ended; `at`: when the next one is due."""
        values = {"status": status, "next_at": at, "error": error}
        with self._database.write() as connection:
            connection.execute(sa.update(notices).where(notices.c.id == notice_id).values(**values))

    def notices(self, *, due: bool = False, limit: int = 50) -> list[Notice]:
        """Newest first; with `due` only those that wait and may be tried now."""
        query = sa.select(notices).order_by(notices.c.made_at.desc(), notices.c.id).limit(limit)
        if due:
            query = query.where(notices.c.status == NoticeStatus.WAITING, notices.c.next_at <= self._now())
        with self._database.read() as connection:
            return [_notice(dict(row)) for row in connection.execute(query).mappings()]

    def _put(self, connection: sa.Connection, endpoint: str, body: JsonDict, now: datetime) -> None:
        refuse_secrets(body, "notice")
        notice_id = digest([endpoint, body, now.isoformat()])[:32]
        whole = {"id": notice_id, "made_at": now.isoformat(timespec="seconds"), **body}
        values = {"id": notice_id, "endpoint": endpoint, "body": whole, "made_at": now, "next_at": now}
        connection.execute(sa.insert(notices).values(**values, status=NoticeStatus.WAITING, attempts=0))


def _open(connection: sa.Connection) -> list[OpenNeed]:
    rows = connection.execute(sa.select(needs).order_by(needs.c.tenant, needs.c.key)).mappings()
    return [OpenNeed(r["tenant"], _need(r["key"], r["detail"]), r["since"], r["seen_at"]) for r in rows]


def _need(key: str, detail: Mapping[str, Any]) -> Need:
    return Need(key, detail["topic"], Weight(detail["weight"]), detail["why"], detail["next"])


def _need_row(item: OpenNeed) -> dict[str, Any]:
    need = item.need
    detail = {"topic": need.topic, "weight": int(need.weight), "why": need.why, "next": need.next}
    return {"tenant": item.tenant, "key": need.key, "detail": detail, "since": item.since, "seen_at": item.seen_at}


def _notice(row: Mapping[str, Any]) -> Notice:
    return Notice(**{**row, "status": NoticeStatus(row["status"])})
