"""The sandbox's own certificate authority: what clients verify the servers of the sandbox against."""

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from provisioner.sandbox.launch import write_file

_LIFE = timedelta(days=3652)


class Pair(NamedTuple):
    """A certificate and its private key, both as PEM text."""

    certificate: str
    key: str


class Authority:
    """The authority of one home. `ca.pem` is for everybody, `ca.key` is the daemon's (0600)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.pem = folder / "ca.pem"
        if not self.pem.exists():
            self._found()
        self._certificate = x509.load_pem_x509_certificate(self.pem.read_bytes())
        self._key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)

    def issue(self, address: str, names: Iterable[str] = ()) -> Pair:
        """A server certificate for an IP address and names, valid for ten years."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = [x509.IPAddress(ip_address(address)), *(x509.DNSName(name) for name in names)]
        certificate = (
            _builder(address, self._certificate.subject, key.public_key())
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())  # type: ignore[arg-type]  # the loader's type names all kinds of key
        )
        return Pair(_pem(certificate), _private(key))

    def _found(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = f"provision sandbox CA {secrets.token_hex(4)}"  # so that clients can tell two homes' authorities apart
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        certificate = (
            _builder(name, _name(name), key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_file(self._folder / "ca.key", _private(key))
        write_file(self.pem, _pem(certificate), mode=0o644)  # last: its presence says that both are there


def _builder(subject: str, issuer: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    start = datetime.now(UTC) - timedelta(hours=1)  # clocks of one host may step back
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _LIFE)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _private(key: ec.EllipticCurvePrivateKey) -> str:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()
