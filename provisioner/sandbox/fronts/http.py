"""The few words of HTTP that a balancer says itself: errors, fixed responses, redirects, health checks."""

import asyncio
from http import HTTPStatus

from provisioner.sandbox.addresses import Address
from provisioner.sandbox.fronts.plan import Answer, Redirect

_HEAD_LIMIT_SECONDS = 10.0
_CHECK_BODY_LIMIT = 65_536
_SERVER = "awselb/2.0 (sandbox)"


def _response(status: int, content_type: str, body: str, *headers: str) -> bytes:
    data = body.encode()
    reason = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"
    lines = [
        f"HTTP/1.1 {status} {reason}",
        f"Server: {_SERVER}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(data)}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def error(status: int, title: str) -> bytes:
    """An error page as an application load balancer sends it."""
    lines = [
        "<html>",
        f"<head><title>{title}</title></head>",
        "<body>",
        f"<center><h1>{title}</h1></center>",
        "</body>",
    ]
    page = "\r\n".join([*lines, "</html>", ""])
    return _response(status, "text/html", page)


BAD_GATEWAY = error(502, "502 Bad Gateway")
UNAVAILABLE = error(503, "503 Service Temporarily Unavailable")


def answer(action: Answer) -> bytes:
    """A fixed response."""
    return _response(action.status, action.content_type, action.body)


def redirect(action: Redirect, head: bytes) -> bytes:
    """A redirect of the request whose head is given."""
    lines = head.decode("latin-1").split("\r\n")
    target = [*lines[0].split(" "), "", "/"][1] or "/"
    path, _, query = target.partition("?")
    host = next((line[5:].strip() for line in lines[1:] if line.lower().startswith("host:")), "")
    values = {
        "#{protocol}": "http",
        "#{host}": host.partition(":")[0],
        "#{port}": str(action.own_port),
        "#{path}": path.lstrip("/"),
        "#{query}": query,
    }

    def expand(template: str) -> str:
        for name, value in values.items():
            template = template.replace(name, value)
        return template

    protocol = expand(action.protocol).lower()
    port = expand(action.port)
    location = f"{protocol}://{expand(action.host)}"
    if port and port != {"http": "80", "https": "443"}.get(protocol):
        location += f":{port}"
    location += expand(action.path)
    if expanded := expand(action.query):
        location += f"?{expanded}"
    return _response(action.status, "text/html", "", f"Location: {location}")


async def read_head(reader: asyncio.StreamReader) -> bytes:
    """The request's head. A client that sends none in time gets an empty one, and so a closed connection."""
    try:
        return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_LIMIT_SECONDS)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, OSError):
        return b""


async def get_status(address: Address, path: str, timeout: float) -> int:
    """HTTP status of one GET. Raises OSError, TimeoutError, or ValueError for an answer that is not HTTP."""
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        try:
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: {address.host}:{address.port}\r\n"
                "User-Agent: ELB-HealthChecker/2.0\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode()
            )
            line = await reader.readline()
            await reader.read(_CHECK_BODY_LIMIT)
        finally:
            writer.close()
    parts = line.split(b" ", 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/"):
        raise ValueError(f"not an HTTP answer: {line[:40]!r}")
    return int(parts[1])


async def connects(address: Address, timeout: float) -> None:
    """A TCP check: connect and close. Raises OSError or TimeoutError."""
    async with asyncio.timeout(timeout):
        _, writer = await asyncio.open_connection(address.host, address.port)
    writer.close()
