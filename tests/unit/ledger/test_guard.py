"""What the guard refuses, and what it must let through."""

import pytest

from provisioner.ledger.guard import refuse_secrets
from provisioner.model.errors import ProvisionError
from provisioner.model.json import Json


@pytest.mark.parametrize(
    "value",
    [
        {"password": "x"},
        {"master_password": "x"},
        {"MasterUserPassword": "x"},
        {"SecretString": "x"},
        {"secret": "x"},
        {"SessionToken": "x"},
        {"secret_access_key": "x"},
        {"privateKey": "x"},
        {"outer": [{"passphrase": "x"}]},
        {"ledger": "postgresql://ops:hunter2@db.example.com/ledger"},
    ],
)
def test_refused(value: Json) -> None:
    with pytest.raises(ProvisionError) as caught:
        refuse_secrets(value, "payload")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        {"master_secret_arn": "arn:aws:secretsmanager:eu-central-1:1:secret:x"},
        {"DATABASE_SECRET": "arn:aws:secretsmanager:eu-central-1:1:secret:x"},
        {"secrets": "awskms:///alias/provision"},
        {"token": 5, "password": None},
        {"secret": ""},
        {"ledger": "postgresql://ops@db.example.com:5432/ledger", "url": "http://127.0.0.1:8080/a@b"},
        None,
    ],
)
def test_welcome(value: Json) -> None:
    refuse_secrets(value, "payload")
