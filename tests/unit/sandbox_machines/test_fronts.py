"""The words of HTTP, the wheel of weights, and the thresholds of health."""

import asyncio
from collections import Counter

import pytest

from provisioner.sandbox.addresses import Address
from provisioner.sandbox.fronts import health, http
from provisioner.sandbox.fronts.forwarder import _weighted
from provisioner.sandbox.fronts.health import HEALTHY, INITIAL, Health, HealthChecks
from provisioner.sandbox.fronts.plan import Check, Forward, Group, Redirect, Target


def check(**settings: float) -> Check:
    base = {"interval": 30.0, "timeout": 5.0, "healthy_after": 3, "unhealthy_after": 2} | settings
    return Check("HTTP", "/healthz", **base, codes=((200, 299),))  # type: ignore[arg-type]  # all of them numbers


def redirect(**parts: str) -> str:
    defaults = {
        "protocol": "#{protocol}",
        "host": "#{host}",
        "port": "#{port}",
        "path": "/#{path}",
        "query": "#{query}",
    }
    action = Redirect(status=301, own_port=8080, **(defaults | parts))
    answer = http.redirect(action, b"GET /a/b?c=d HTTP/1.1\r\nhost: shop.test:8080\r\n\r\n").decode()
    assert answer.startswith("HTTP/1.1 301 Moved Permanently\r\n")
    return next(line for line in answer.split("\r\n") if line.startswith("Location: "))


@pytest.mark.parametrize(
    ("parts", "location"),
    [
        ({}, "http://shop.test:8080/a/b?c=d"),
        ({"protocol": "HTTPS", "port": "443"}, "https://shop.test/a/b?c=d"),
        ({"port": "80", "query": ""}, "http://shop.test/a/b"),
        ({"host": "www.#{host}", "path": "/new/#{path}"}, "http://www.shop.test:8080/new/a/b?c=d"),
    ],
)
def test_redirects_expand_their_placeholders(parts: dict[str, str], location: str) -> None:
    assert redirect(**parts) == f"Location: {location}"


def test_weights_share_turns() -> None:
    action = Forward((("a", 3), ("b", 1), ("never", 0)), http=True)
    assert Counter(_weighted(action, turn) for turn in range(40)) == {"a": 30, "b": 10}
    assert _weighted(Forward((), http=True), 0) is None


def test_thresholds() -> None:
    sick = Health("unhealthy")
    assert health._needed(INITIAL, HEALTHY, check()) == 1
    assert health._needed(HEALTHY, sick, check()) == 2
    assert health._needed(sick, HEALTHY, check()) == 3
    assert health._needed(INITIAL, sick, check()) == 10, "a new target has as long as two of the group's intervals"


def test_matcher() -> None:
    ranged = Check("HTTP", "/", 1, 1, 1, 1, ((200, 299), (404, 404)))
    assert [s for s in (199, 200, 299, 300, 404, 500) if ranged.accepts(s)] == [200, 299, 404]


def test_targets_are_watched_as_long_as_they_are_planned() -> None:
    async def scenario() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            here = Address(*server.sockets[0].getsockname()[:2])
            target = Target("i-1", here, here)
            group = Group("tg", check(), (target, Target("i-2", here, here, idle="stopped")))
            checks = HealthChecks()
            checks.follow((group,))
            assert checks.of("tg", "i-1") == INITIAL
            async with asyncio.timeout(20):
                while checks.of("tg", "i-1") != HEALTHY:
                    await asyncio.sleep(0.01)
            assert checks.healthy(group) == [target]
            assert checks.of("tg", "i-2") is None
            checks.follow(())
            assert checks.of("tg", "i-1") is None

    asyncio.run(scenario())
