"""The sandbox's authority."""

import socket
import ssl
from pathlib import Path
from threading import Thread

import pytest

from provisioner.sandbox.ca import Authority, Pair


def handshake(pair: Pair, trusted: Path, host: str, folder: Path) -> None:
    """A TLS connection to a server with `pair` from a client that trusts one authority and expects `host`."""
    for name, text in (("crt", pair.certificate), ("key", pair.key)):
        (folder / name).write_text(text)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "crt", folder / "key")
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()

    thread = Thread(target=serve)
    thread.start()
    try:
        ssl.create_default_context(cafile=str(trusted)).wrap_socket(ours, server_hostname=host).close()
    finally:
        ours.close()
        thread.join()


def test_servers_are_verified_by_address_and_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("127.9.1.1", ["localhost"])
    for host in ("127.9.1.1", "localhost"):
        handshake(pair, authority.pem, host, tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(pair, authority.pem, "127.9.1.2", tmp_path)


def test_the_authority_stays_and_is_not_anothers(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    pair = Authority(tmp_path).issue("127.9.1.1")
    handshake(pair, Authority(tmp_path).pem, "127.9.1.1", tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(pair, Authority(tmp_path / "other").pem, "127.9.1.1", tmp_path)


def test_only_the_certificate_is_for_everybody(tmp_path: Path) -> None:
    Authority(tmp_path)
    assert (tmp_path / "ca.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "ca.pem").stat().st_mode & 0o777 == 0o644
