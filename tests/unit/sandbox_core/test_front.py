"""The front without a daemon: what becomes of a failure of moto."""

import io
from pathlib import Path
from threading import Event, RLock
from typing import Any

import pytest

from provisioner.sandbox.faults import Faults
from provisioner.sandbox.front import Front
from provisioner.sandbox.store import Store

_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=sandbox/20260101/eu-west-1/ssm/aws4_request, SignedHeaders=host, Signature=0"
)


def _ask(front: Front) -> tuple[str, bytes]:
    answer: list[str] = []
    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/", "QUERY_STRING": "", "HTTP_AUTHORIZATION": _AUTHORIZATION,
        "HTTP_X_AMZ_TARGET": "AmazonSSM.PutParameter", "CONTENT_LENGTH": "2", "wsgi.input": io.BytesIO(b"{}"),
    }  # fmt: skip
    body = b"".join(front(environ, lambda status, _headers: answer.append(status)))
    return answer[0], body


@pytest.fixture
def front(tmp_path: Path) -> Front:
    lock = RLock()
    return Front(Store(tmp_path / "state.bin", lock), Faults(), lock, Event())


def _moto_raises(front: Front, error: Exception) -> None:
    def app(_environ: dict[str, Any], _start_response: Any) -> Any:
        raise error

    front._moto = app  # type: ignore[assignment]


def test_a_bug_of_moto_is_an_internal_failure_and_logged(front: Front, caplog: pytest.LogCaptureFixture) -> None:
    _moto_raises(front, KeyError("no such thing"))
    status, body = _ask(front)
    assert status == "500 Internal Server Error"
    assert b'"__type": "InternalFailure"' in body
    assert b"moto failed in ssm.PutParameter" in body
    assert "no such thing" in caplog.text


def test_what_moto_lacks_is_not_supported(front: Front) -> None:
    _moto_raises(front, NotImplementedError("The put_parameter action has not been implemented"))
    status, body = _ask(front)
    assert status == "501 Not Implemented"
    assert b"ssm.PutParameter is not supported by the sandbox" in body


def test_a_stopping_sandbox_does_nothing_more(front: Front) -> None:
    front._stopping.set()
    status, body = _ask(front)
    assert status == "503 Service Unavailable"
    assert b"the sandbox is stopping" in body
