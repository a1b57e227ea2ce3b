"""Listens on the fronts' addresses and forwards, on one event loop in a thread of its own."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from provisioner.sandbox.fronts import http
from provisioner.sandbox.fronts.health import HealthChecks
from provisioner.sandbox.fronts.plan import Answer, Direct, Forward, Front, Group, Plan, Redirect, Target

_CHUNK = 65_536
_CONNECT_SECONDS = 5.0
_DRAIN_POLL_SECONDS = 0.1


@dataclass(eq=False, slots=True)
class _Connection:
    """A client being served. `group` is None for an Elastic IP."""

    front: str
    group: str | None
    instance_id: str
    task: asyncio.Task[None]


@dataclass(slots=True)
class _Listening:
    """A front with its socket; `error` says why it has none."""

    front: Front
    server: asyncio.Server | None = None
    error: str | None = None
    turns: "count[int]" = field(default_factory=count)


class Forwarder:
    """Forwards as the last plan says. All methods but `failed`, `errors` and `drains` run on the event loop."""

    def __init__(self, health: HealthChecks) -> None:
        self._health = health
        self._fronts: dict[str, _Listening] = {}
        self._groups: dict[str, Group] = {}
        self._connections: set[_Connection] = set()
        self._failed: Counter[str] = Counter()
        self._draining: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def apply(self, plan: Plan) -> bool:
        """Listen and forward exactly as planned. False when a socket couldn't be bound: worth trying again."""
        self._groups = {g.arn: g for g in plan.groups}
        self._health.follow(plan.groups)
        wanted = {f.id: f for f in plan.fronts}
        for known in list(self._fronts.values()):
            now = wanted.get(known.front.id)
            if now is None or now.address != known.front.address:
                await self._close(known)
        for front in plan.fronts:
            await self._open(front)
        self._cut_strays()
        return not self.errors()

    def failed(self) -> Counter[str]:
        """Answers of the targets that were errors of theirs (5xx) since the last call, by group."""
        failed, self._failed = self._failed, Counter()
        return failed

    def errors(self) -> dict[str, str]:
        """Why fronts, by id, have no socket."""
        return {key: known.error for key, known in list(self._fronts.items()) if known.error}

    def drains(self, group: str, instance_id: str) -> bool:
        """Whether a deregistered target still has connections, and time for them."""
        return (group, instance_id) in self._draining

    def drain(self, group: str, instance_id: str, seconds: float) -> None:
        """Leave the connections of a deregistered target alone for so long, then cut them."""
        if self._of_target(group, instance_id):
            self._draining[group, instance_id] = asyncio.create_task(self._drain(group, instance_id, seconds))

    async def _drain(self, group: str, instance_id: str, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while self._of_target(group, instance_id):
                    await asyncio.sleep(_DRAIN_POLL_SECONDS)
        except TimeoutError:
            for connection in self._of_target(group, instance_id):
                connection.task.cancel()
        finally:
            self._draining.pop((group, instance_id), None)

    def _of_target(self, group: str, instance_id: str) -> list[_Connection]:
        return [c for c in self._connections if (c.group, c.instance_id) == (group, instance_id)]

    async def close(self) -> None:
        """Stop listening, cut every connection."""
        for known in list(self._fronts.values()):
            await self._close(known)

    async def _open(self, front: Front) -> None:
        known = self._fronts.setdefault(front.id, _Listening(front))
        known.front = front
        if known.server is None:
            try:
                known.server = await asyncio.start_server(
                    lambda reader, writer: self._serve(known, reader, writer), front.address.host, front.address.port
                )
                known.error = None
            except OSError as error:
                known.error = f"can't listen on {front.address.host}:{front.address.port}: {error.strerror or error}"

    async def _close(self, known: _Listening) -> None:
        self._fronts.pop(known.front.id, None)
        if known.server is not None:
            known.server.close()
        for connection in list(self._connections):
            if connection.front == known.front.id:
                connection.task.cancel()

    def _cut_strays(self) -> None:
        """An Elastic IP that moved takes its connections from the old machine, as the cloud does."""
        for connection in list(self._connections):
            action = self._fronts[connection.front].front.action if connection.front in self._fronts else None
            if isinstance(action, Direct) and action.instance_id != connection.instance_id:
                connection.task.cancel()

    async def _serve(self, known: _Listening, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            match known.front.action:
                case Direct(instance_id, upstream):
                    target = Target(instance_id, upstream, upstream)
                    await self._forward(known, None, target, reader, writer)
                case Forward() as action:
                    await self._balance(known, action, reader, writer)
                case Answer() as action:
                    if await http.read_head(reader):
                        writer.write(http.answer(action))
                case Redirect() as action:
                    if head := await http.read_head(reader):
                        writer.write(http.redirect(action, head))
            if not writer.transport.is_closing():
                await writer.drain()
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            writer.close()

    async def _balance(
        self, known: _Listening, action: Forward, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        turn = next(known.turns)
        arn = _weighted(action, turn)
        group = self._groups.get(arn) if arn else None
        targets = self._health.healthy(group) if group else []
        if group is None or not targets:
            await _refuse(action, http.UNAVAILABLE, reader, writer)
            return
        target = targets[turn % len(targets)]
        if not await self._forward(known, group.arn, target, reader, writer):
            await _refuse(action, http.BAD_GATEWAY, reader, writer)

    async def _forward(
        self,
        known: _Listening,
        group: str | None,
        target: Target,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Pipe both ways until both ends are done. False, and nothing consumed, where the target doesn't listen."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a stream's callback always runs in a task
        connection = _Connection(known.front.id, group, target.instance_id, task)
        self._connections.add(connection)
        try:
            try:
                there, back = await asyncio.wait_for(
                    asyncio.open_connection(target.address.host, target.address.port), _CONNECT_SECONDS
                )
            except (OSError, TimeoutError):
                if group is None:
                    writer.transport.abort()
                return False
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pipe(reader, back))
                    both.create_task(_pipe(there, writer, lambda data: self._heard(group, data)))
            except* OSError:
                writer.transport.abort()
            finally:
                back.transport.abort()
            return True
        finally:
            self._connections.discard(connection)

    def _heard(self, group: str | None, data: bytes) -> None:
        """Some of an answer: a head comes at the beginning of what a target sends."""
        if group is not None and data.startswith((b"HTTP/1.1 5", b"HTTP/1.0 5")):
            self._failed[group] += 1


def _weighted(action: Forward, turn: int) -> str | None:
    """The target group whose turn it is. Weights share turns as a wheel: 3 and 1 give a, a, a, b, a, ..."""
    total = sum(weight for _, weight in action.groups)
    position = turn % total if total else 0
    for arn, weight in action.groups:
        if position < weight:
            return arn
        position -= weight
    return None


async def _refuse(action: Forward, page: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if not action.http:
        writer.transport.abort()
    elif await http.read_head(reader):
        writer.write(page)


async def _pipe(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Callable[[bytes], None] | None = None
) -> None:
    while data := await reader.read(_CHUNK):
        if heard is not None:
            heard(data)
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
