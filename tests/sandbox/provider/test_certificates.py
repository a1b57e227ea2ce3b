"""A certificate is proven by a DNS record, and waited for."""

import pytest

from tests.sandbox.provider.world import Stack

pytestmark = pytest.mark.sandbox


def test_a_certificate_is_issued(stack: Stack) -> None:
    certificate = stack.get("certificate")
    proof = certificate.state["domainValidationOptions"][0]
    record = stack.make(
        "aws:route53/record:Record",
        "proof",
        {
            "zoneId": stack.id("zone"),
            "name": proof["resourceRecordName"],
            "type": proof["resourceRecordType"],
            "ttl": 60,
            "records": [proof["resourceRecordValue"]],
        },
        tagged=False,
    )
    token = "aws:acm/certificateValidation:CertificateValidation"
    inputs = {"certificateArn": certificate.id, "validationRecordFqdns": [record.state["fqdn"]]}
    checked = stack.engine.checked(token, "valid", inputs)
    made = stack.engine.create_checked(token, "valid", checked, timeout=100)
    assert made.id == certificate.id
    stack.engine.delete(made)
