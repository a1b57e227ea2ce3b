"""Moto's backends to bytes and back, as one graph: RDS and load balancers hold objects of EC2, and the identity of
those must survive.

Plain pickle stops at private keys, certificates, locks, local functions and one dict of SSM's: each has a reducer here.
The reducers are named in the file, so that this module must stay importable under its name.
"""

import io
import pickle
import threading
from collections.abc import Callable, Iterator
from functools import cache
from types import FunctionType
from typing import Any

import cloudpickle
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from moto.backends import get_backend
from moto.core.base_backend import BackendDict
from moto.s3.models import s3_backends
from moto.ssm.models import ParameterDict

_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_Reduced = tuple[Callable[..., Any], tuple[Any, ...]]
# The tagging API has nothing of its own but the pages that it is in the middle of giving out, which are generators.
_NOT_STATE = {"moto_api", "instance_metadata", "resourcegroupstaggingapi"}


def dump() -> bytes:
    """Every backend in use. Call it under the world's lock. Raises what pickle raises for what it can't take."""
    out = io.BytesIO()
    state = {"backends": list(_backends()), "buckets": s3_backends.bucket_accounts}
    _Pickler(out, protocol=pickle.HIGHEST_PROTOCOL).dump(state)
    return out.getvalue()


def restore(payload: bytes) -> None:
    """Put what `dump` gave into moto. The file is the daemon's own, 0600: it is as trusted as the code."""
    state = pickle.loads(payload)  # noqa: S301
    s3_backends.bucket_accounts.update(state["buckets"])
    for service, account, region, backend in state["backends"]:
        # Not `[region] = ...`: that would make the region's backend first, and throw it away.
        dict.__setitem__(get_backend(service)[account], region, backend)


def _backends() -> Iterator[tuple[str, str, str, Any]]:
    for backends in BackendDict._instances:  # type: ignore[misc]  # noqa: SLF001 - moto's own list of what is in use
        if backends.service_name not in _NOT_STATE:
            for account, region, backend in backends.iter_backends():
                yield backends.service_name, account, region, backend


def load_key(der: bytes) -> Any:
    """A private key from its DER. RSA keys are our own: checking their primes again costs 90 ms each."""
    return load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)


def load_certificate(der: bytes) -> x509.Certificate:
    """A certificate from its DER. (cryptography's own function has no importable name.)"""
    return x509.load_der_x509_certificate(der)


def load_function(data: bytes) -> Any:
    """A local function from cloudpickle's bytes."""
    return pickle.loads(data)  # noqa: S301


def load_parameters(account: str, region: str, state: dict[str, Any], items: list[tuple[str, Any]]) -> ParameterDict:
    """SSM's dict of parameters, with the factory that makes the first version of a new one."""
    parameters = ParameterDict(account, region)
    parameters.__dict__.update(state)
    for name, versions in items:
        dict.__setitem__(parameters, name, versions)
    return parameters


def load_lock(kind: str) -> Any:
    """A fresh lock, not held: whoever held the old one is gone."""
    return getattr(threading, kind)()


def _reduce_key(key: _Key) -> _Reduced:
    return load_key, (key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),)


def _reduce_certificate(certificate: x509.Certificate) -> _Reduced:
    return load_certificate, (certificate.public_bytes(Encoding.DER),)


def _reduce_parameters(parameters: ParameterDict) -> _Reduced:
    items = list(dict.items(parameters))
    return load_parameters, (parameters.account_id, parameters.region_name, dict(parameters.__dict__), items)


@cache
def _reducer(kind: type) -> Callable[[Any], _Reduced] | None:
    if issubclass(kind, _Key):
        return _reduce_key
    if issubclass(kind, x509.Certificate):
        return _reduce_certificate
    if kind is ParameterDict:
        return _reduce_parameters
    for name in ("Lock", "RLock"):
        if kind is type(getattr(threading, name)()):
            return lambda _: (load_lock, (name,))
    return None


class _Pickler(pickle.Pickler):
    """The C pickler, which asks here for each object that isn't a plain value."""

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is FunctionType:
            local = "<" in obj.__qualname__  # <lambda>, <locals>: no name to import it by
            return (load_function, (cloudpickle.dumps(obj),)) if local else NotImplemented
        reduce = _reducer(type(obj))  # type: ignore[arg-type]  # a class is hashable
        return reduce(obj) if reduce else NotImplemented
