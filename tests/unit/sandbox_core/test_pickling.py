"""What plain pickle can't take, through the pickler and back."""

import io
import pickle
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from moto.backends import get_backend
from moto.ssm.models import ParameterDict

from provisioner.sandbox.pickling import _Pickler, dump


def _through(value: Any) -> Any:
    out = io.BytesIO()
    _Pickler(out, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
    return pickle.loads(out.getvalue())


def test_an_rsa_key_signs_as_before() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signature = _through(key).sign(b"m", padding.PKCS1v15(), hashes.SHA256())
    key.public_key().verify(signature, b"m", padding.PKCS1v15(), hashes.SHA256())


def test_other_keys_and_certificates() -> None:
    curve, edwards = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    assert _through(curve).private_numbers() == curve.private_numbers()
    assert _through(edwards).private_bytes_raw() == edwards.private_bytes_raw()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "c")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, curve.public_key(), 1, now, now + timedelta(days=1))
        .sign(curve, hashes.SHA256())
    )  # fmt: skip
    assert _through(certificate) == certificate


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_a_lock_comes_back_free(kind: str) -> None:
    lock = getattr(threading, kind)()
    lock.acquire()
    copy = _through(lock)
    assert type(copy) is type(lock)
    assert copy.acquire(blocking=False)


def test_local_functions_and_lambdas() -> None:
    base = 40

    def add(n: int) -> int:
        return base + n

    assert _through(add)(2) == 42
    assert _through(lambda n: n + base)(2) == 42
    assert _through(pickle.dumps) is pickle.dumps, "one with a name is found by it"


def test_ssms_dict_makes_first_versions_again() -> None:
    parameters = ParameterDict("123456789012", "eu-west-1")
    parameters["/a"].append("version 1")  # type: ignore[arg-type]
    copy = _through(parameters)
    assert copy["/a"] == ["version 1"]
    copy["/new"].append("version 1")
    assert copy["/new"] == ["version 1"]
    assert (copy.account_id, copy.region_name) == ("123456789012", "eu-west-1")


def test_identity_survives() -> None:
    shared: dict[str, Any] = {"lock": threading.Lock()}
    one, two = _through([shared, shared])
    assert one is two


def test_pages_that_the_tagging_api_is_giving_out_are_no_state() -> None:
    for number in range(60):
        name = f"/pages/{number}"
        get_backend("logs")["123456789012"]["eu-west-1"].create_log_group(name, {"tag": "value"})
    tagging = get_backend("resourcegroupstaggingapi")["123456789012"]["eu-west-1"]
    assert tagging.get_resources(resources_per_page=50)[0] is not None, "there is a second page"
    assert dump(), "its generators would stop every write of the state from then on"
