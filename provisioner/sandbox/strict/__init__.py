"""Tightens moto where it is laxer than AWS and no body is involved: what it lets pass here would fail there."""

from provisioner.sandbox.strict import idempotency, instances, policies, transport, usage, volumes


def install() -> None:
    """Wrap moto's operations. Call it after the parts have hooked theirs: a refusal has to come before a body moves."""
    for module in (instances, policies, transport, usage, volumes, idempotency):  # the last is the outermost
        module.install()
