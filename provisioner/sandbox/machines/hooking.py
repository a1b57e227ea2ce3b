"""Moved to provisioner/sandbox/hooking.py, which strict/ and the databases use as well."""
from provisioner.sandbox.hooking import Refusal, around, not_supported, parameter  # noqa: F401
