"""What every kill test of `new-tenant` ends with."""

from tests.installation import Installation

STEPS = ("register", "check", "stack", "bootstrap", "migrate", "health", "finish")
ONE = {"machines": 1, "databases": 1, "vpcs": 1, "subnets": 4, "addresses": 1, "buckets": 1, "keys": 1}


def converges(installation: Installation, tenant: str) -> None:
    """The same command again ends well; then everything is there once."""
    answer = installation.run("new-tenant", tenant, "--tier", "trial")
    # Killed after its last record the tenant is complete: then the command says so.
    assert answer.code == 0 or (answer.code == 2 and "exists already (active)" in answer.stderr), answer.stderr
    shown = installation.show(tenant)
    assert (shown["state"], shown["health"]["status"]) == ("active", "healthy")
    census = installation.census(tenant)
    assert census == {**census, **ONE}
    assert installation.registry.read_text().count(f"  {tenant}:") == 1
