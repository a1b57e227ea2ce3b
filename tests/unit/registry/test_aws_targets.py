"""Targets on AWS: what they must say, and how a tenant's own account and role come in."""

import pytest

from provisioner.model.errors import RegistryError
from provisioner.registry.registry import Registry
from tests.unit.registry.samples import HEAD, loaded

ACCOUNT, OTHER = "111122223333", "444455556666"
TARGET = f"""\
  production:
    cloud: aws
    regions: [eu-west-1]
    domain: example.com
    account: "{ACCOUNT}"
    state: s3://example-state
    secrets: awskms://alias/provision?region=eu-west-1
    ledger: postgresql://provision@db.example.com/ledger
    role: arn:aws:iam::{ACCOUNT}:role/provision-deployer
"""
IMAGES = "    images: {sandbox: releases/%s, eu-west-1: ami-0123456789abcdef0}"


def registry(target: str = TARGET, tenant: str = "") -> str:
    text = HEAD.replace("targets:\n", f"targets:\n{target}")
    for version in ("1.0.0", "1.1.0"):
        text = text.replace(f"    images: {{sandbox: releases/{version}}}", IMAGES % version)
    return f"{text}tenants:\n  globex:\n    target: production\n{tenant}"


def load(text: str) -> Registry:
    return loaded(text)


def problems(text: str) -> list[str]:
    with pytest.raises(RegistryError) as caught:
        load(text)
    return [str(p).split(": ", 1)[1] for p in caught.value.problems]


def test_a_tenant_of_a_target_with_a_role_is_its_session_s_tag() -> None:
    target = load(registry()).tenant("globex").target
    assert (target.account, target.role, target.tenant) == (
        ACCOUNT,
        f"arn:aws:iam::{ACCOUNT}:role/provision-deployer",
        "globex",
    )
    assert target.ledger == "postgresql://provision@db.example.com/ledger"


def test_a_tenant_may_have_an_account_of_its_own() -> None:
    own = f'    account: "{OTHER}"\n    role: arn:aws:iam::{OTHER}:role/provision-deployer\n'
    target = load(registry(tenant=own)).tenant("globex").target
    assert (target.account, target.role) == (OTHER, f"arn:aws:iam::{OTHER}:role/provision-deployer")


def test_without_a_role_nothing_is_tagged() -> None:
    plain = "".join(line for line in TARGET.splitlines(keepends=True) if "role:" not in line)
    target = load(registry(plain)).tenant("globex").target
    assert (target.role, target.tenant) == (None, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (registry(TARGET.replace(f'"{ACCOUNT}"', f'"{OTHER}"')), f"is a role of account {ACCOUNT}, not of {OTHER}"),
        (registry(tenant=f'    account: "{OTHER}"\n'), "an account of its own needs a role there"),
        (
            registry(tenant=f"    role: arn:aws:iam::{OTHER}:role/x\n"),
            f"is a role of account {OTHER}, not of {ACCOUNT}",
        ),
        (registry(tenant="    role: deployer\n"), "arn:aws:iam::ACCOUNT:role/NAME"),
        (registry(TARGET.replace("s3://", "gs://")), "s3://BUCKET, postgres://HOST/DATABASE or file://FOLDER"),
        (registry(TARGET.replace("awskms://", "gcpkms://")), "awskms://KEY"),
        (registry(TARGET.replace("s3://example-state", "postgres://me:pw@db/x")), "must not contain a password"),
        (registry(tenant="    region: us-west-2\n"), "target production has no region 'us-west-2'"),
    ],
)
def test_what_does_not_fit_is_refused(text: str, said: str) -> None:
    found = problems(text)
    assert len(found) == 1
    assert said in found[0]


def test_roles_have_no_meaning_on_the_sandbox() -> None:
    text = registry(tenant="").replace("    target: production\n", f"    role: arn:aws:iam::{OTHER}:role/x\n")
    assert "has no meaning on the sandbox" in problems(text)[0]
