"""Webhooks: what is posted, signed and tried again; secrets stay where they are; no operation waits for one."""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from provisioner.cloud.webhooks import HttpMessenger
from provisioner.model.errors import UsageError
from provisioner.model.fleet.needs import Weight
from provisioner.model.fleet.notice import MOST_TRIES, Endpoint, NoticeStatus
from provisioner.ops.lanes import NOTHING
from provisioner.ops.notices.tell import read, tell
from provisioner.ops.worker import due, tick
from tests.unit.ops.fakes import FakeHouse
from tests.unit.ops.people import made, quiet

SECRET = "a very secret key"


@dataclass
class FakeMessenger:
    """What was posted; `troubles` are what posts end with, one after the other."""

    posts: list[tuple[str, bytes, Mapping[str, str]]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, timeout: float) -> str | None:
        self.posts.append((url, body, headers))
        return self.troubles.pop(0) if self.troubles else None


@pytest.fixture
def told(house: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> FakeMessenger:
    """Acme is there, and someone is told."""
    monkeypatch.setenv("CHAT_KEY", SECRET)
    house.file.notices = (Endpoint("chat", "https://chat.example.com/hook", "env:CHAT_KEY"),)
    messenger = FakeMessenger()
    house.messenger = messenger
    made(house, "acme")
    return messenger


def ill(house: FakeHouse) -> None:
    house.ledger.observe("acme", "health", {"status": "unreachable", "detail": "refused"})


def round_(house: FakeHouse, *, after: timedelta = timedelta()) -> Any:
    house.clock.at += after
    return tell(house, house.file)


def test_who_is_well_is_not_told_of_and_who_is_ill_is_once(house: FakeHouse, told: FakeMessenger) -> None:
    assert round_(house).put == 0
    ill(house)
    assert (round_(house).sent, round_(house).sent) == (1, 0)
    ((url, body, headers),) = told.posts
    assert url == "https://chat.example.com/hook"
    sent = json.loads(body)
    assert sent["text"] == "acme: its product is unreachable: refused (provision show acme)"
    assert headers["Provision-Notice"] == sent["id"]
    moment, signature = (part.partition("=")[2] for part in headers["Provision-Signature"].split(","))
    assert signature == hmac.new(SECRET.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    house.ledger.observe("acme", "health", {"status": "healthy", "release": "1.0.0"})
    round_(house)
    assert round_(house, after=timedelta(minutes=11)).sent == 1
    assert json.loads(told.posts[-1][1])["changes"][0]["turn"] == "over"


def test_quiet_by_default_and_less_where_it_is_asked_for(house: FakeHouse, told: FakeMessenger) -> None:
    house.ledger.observe("acme", "patch", {"critical": 1})
    assert round_(house).put == 0, "soon is not now"
    loud = Endpoint("chat", "https://chat.example.com/hook", "env:CHAT_KEY", Weight.SOON)
    house.file.notices = (loud,)
    assert round_(house).put == 0, "who is added later isn't told of what is old"


def test_tried_again_less_often_then_given_up(house: FakeHouse, told: FakeMessenger) -> None:
    told.troubles = ["HTTP 503 of https://chat.example.com/hook"] * (3 * MOST_TRIES)  # of later needs, too
    ill(house)
    first = round_(house)
    assert first.trouble == ("chat: HTTP 503 of <url>; tried again in 1 min",)
    assert round_(house).trouble == (), "not yet"
    for _ in range(MOST_TRIES - 1):
        last = round_(house, after=timedelta(hours=6))
    assert "chat: HTTP 503 of <url>; it is given up" in last.trouble
    notice = house.ledger.notices()[-1]
    assert (notice.status, notice.attempts) == (NoticeStatus.GIVEN_UP, MOST_TRIES)


def test_what_the_registry_lost_is_dropped(house: FakeHouse, told: FakeMessenger) -> None:
    told.troubles = ["HTTP 503"]
    ill(house)
    round_(house)
    house.file.notices = ()
    round_(house, after=timedelta(minutes=2))
    (notice,) = house.ledger.notices()
    assert (notice.status, len(told.posts)) == (NoticeStatus.DROPPED, 1)


def test_a_lost_secret_is_trouble_and_no_end(
    house: FakeHouse, told: FakeMessenger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHAT_KEY")
    ill(house)
    assert round_(house).trouble == ("chat: env:CHAT_KEY is empty; tried again in 1 min",)
    monkeypatch.setenv("CHAT_KEY", SECRET)
    assert round_(house, after=timedelta(minutes=2)).sent == 1


def test_the_secret_is_in_no_ledger(house: FakeHouse, told: FakeMessenger, tmp_path: Path) -> None:
    ill(house)
    round_(house)
    assert SECRET.encode() not in b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())


def test_a_worker_tells_and_its_failure_stops_nothing(house: FakeHouse, told: FakeMessenger) -> None:
    assert "notices" in [j.what for j in due(house, house.file)]
    ill(house)
    told.troubles = ["HTTP 500"]
    ends = {d.what: d.outcome for d in tick(house, quiet)}
    assert (ends["notices"], ends["backup"]) == ("failed", "done")
    [job] = [j for j in due(house, house.file) if j.what == "notices"]
    assert job.run(quiet) is NOTHING


def test_references(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{SECRET}\n")
    assert read(f"file:{path}") == SECRET
    with pytest.raises(UsageError, match="can't be read: FileNotFoundError"):
        read(f"file:{path}.gone")


class _Receiver(BaseHTTPRequestHandler):
    answer: ClassVar[int] = 204
    got: ClassVar[list[tuple[str, bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, body))
        self.send_response(self.answer)
        if self.answer == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(_Receiver, "got", [])
    server = HTTPServer(("127.0.0.1", 0), _Receiver)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("answer", "trouble"), [(204, None), (500, "HTTP 500"), (302, "HTTP 302")])
def test_a_real_post(receiver: str, monkeypatch: pytest.MonkeyPatch, answer: int, trouble: str | None) -> None:
    monkeypatch.setattr(_Receiver, "answer", answer)
    assert HttpMessenger().post(receiver, b"{}", {"X": "y"}, timeout=5) == trouble
    assert _Receiver.got == [("/hook", b"{}")], "no redirect is followed"


def test_nobody_there(receiver: str) -> None:
    trouble = HttpMessenger().post("http://127.0.0.1:9/hook", b"{}", {}, timeout=2)
    assert trouble is not None
    assert "URLError" in trouble


@pytest.mark.parametrize(
    "url", ["http://localhost.example.com/x", "http://10.0.0.1/x", "file:///etc/passwd", "https:[x"]
)
def test_an_address_in_a_file_is_held_to_the_same(
    house: FakeHouse, told: FakeMessenger, tmp_path: Path, url: str
) -> None:
    path = tmp_path / "url"
    path.write_text(url)
    house.file.notices = (Endpoint("chat", f"file:{path}", "env:CHAT_KEY"),)
    ill(house)
    assert round_(house).trouble == ("chat: its address isn't https://; tried again in 1 min",)
    assert told.posts == []
