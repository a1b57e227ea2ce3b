"""What a machine printed goes on the record without passwords and without customers' data."""

import pytest

from provisioner.ledger.guard import refuse_secrets
from provisioner.model.redact import redact


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("at postgresql://product:pw@host/db", "at postgresql://***@host/db"),
        ("postgresql+psycopg://product:p%40w@h:5433/db", "postgresql+psycopg://***@h:5433/db"),
        ("redis://:pw@cache:6379", "redis://***@cache:6379"),
        ("could not log in: password=hunter2 host=x", "could not log in: password=*** host=x"),
        ("{'user': 'a', 'password': 'hunt er2'}", "{'user': 'a', 'password': ***}"),
        ('{"SecretString": "abc", "token":"t"}', '{"SecretString": ***, "token":***}'),
        ("PGPASSWORD=abc psql", "PGPASSWORD=*** psql"),
        ("Failing row contains (1, Anna, anna@x.org).", "Failing row contains <row>."),
        ("ERROR:  bad\nDETAIL:  Failing row contains (1, a (b)\nc).\nHINT: x", "ERROR:  bad\nDETAIL:  <data>\nHINT: x"),
        ("DETAIL:  Key (email)=(anna@x.org) already exists.", "DETAIL:  <data>"),
        ("Key (email)=(anna@x.org) already exists.", "Key (email)=<data> already exists."),
        ('invalid input syntax for type integer: "4711"', "invalid input syntax for type integer: <data>"),
        ('CONTEXT:  COPY notes, line 3: "secret note"', "CONTEXT:  <data>"),
        ("[SQL: UPDATE x]\n[parameters: {'body': 'mine'}]", "[SQL: UPDATE x]\n[parameters: <data>]"),
        ('check constraint "content_fits" is violated', 'check constraint "content_fits" is violated'),
        ("http://127.0.0.1:8080/healthz: HTTP 503", "http://127.0.0.1:8080/healthz: HTTP 503"),
        ("the secret arn:aws:secretsmanager:x is gone", "the secret arn:aws:secretsmanager:x is gone"),
        ("password authentication failed for user", "password authentication failed for user"),
    ],
)
def test_what_is_left(text: str, told: str) -> None:
    assert redact(text) == told
    assert redact(told) == told
    refuse_secrets(redact(text), "it")
