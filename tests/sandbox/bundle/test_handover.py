"""The whole way: a tenant of the sandbox is handed over, and its data is found on a machine without any cloud."""

from pathlib import Path

import pytest

from tests.installation import Installation, only_exhaustive, post
from tests.sandbox.bundle.conftest import Site, unpacked
from tests.unit.notes.conftest import wait_for

BODIES = ["first note", "Notiz: ÄÖÜ", "it's a 'quote'"]


@pytest.mark.sandbox
@pytest.mark.timeout(300)
@only_exhaustive
def test_a_tenant_of_the_sandbox_is_handed_over(installation: Installation, site: Site, tmp_path: Path) -> None:
    installation.ok("new-tenant", "acme", "--tier", "trial", "--yes")
    url = installation.show("acme")["url"]
    for body in BODIES:
        post(f"{url}/notes", {"body": body})
    s3 = installation.client("s3")
    (bucket,) = (b["Name"] for b in s3.list_buckets()["Buckets"] if "-acme-" in b["Name"])
    s3.put_object(Bucket=bucket, Key="reports/2026 spring.txt", Body=b"warm")

    tar = tmp_path / "acme.tar.gz"
    killed = installation.start("export-bundle", "acme", "--to", str(tar))
    wait_for((tmp_path / ".acme.tar.gz.export").exists, "it exports", 60)
    killed.kill()
    killed.communicate()
    assert not tar.exists()
    installation.ok("export-bundle", "acme", "--to", str(tar))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["acme.tar.gz", "site"]

    installation.control.stop()  # from here on there is no cloud
    site.installed(unpacked(tar, tmp_path / "unpacked"))
    served = site.serve()
    assert served.health()[1]["tenant"] == "acme"
    assert [n["body"] for n in served.notes()] == BODIES[::-1]
    assert site.files() == {"reports/2026 spring.txt": b"warm"}
