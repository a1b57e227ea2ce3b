import pytest

from provisioner.model.errors import UsageError
from provisioner.model.selector import Selector, select
from provisioner.model.tenant import Tenant
from tests.unit.registry.samples import HEAD, loaded

TENANTS = """\
tenants:
  acme: {ring: 0, tier: standard, labels: {industry: retail, vip: "yes"}}
  globex: {ring: 1, tier: trial, region: us-east-1, organization: umbrella}
  initech: {ring: 1, tier: standard, organization: umbrella, labels: {industry: health}}
"""


@pytest.fixture(scope="module")
def fleet() -> list[Tenant]:
    return loaded(HEAD + TENANTS).tenants()


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (Selector(all=True), ["acme", "globex", "initech"]),
        (Selector(), []),
        (Selector(tenants=("initech", "acme")), ["acme", "initech"]),
        (Selector(rings=(1,)), ["globex", "initech"]),
        (Selector(rings=(0, 1)), ["acme", "globex", "initech"]),
        (Selector(rings=(1,), tiers=("standard",)), ["initech"]),
        (Selector(regions=("us-east-1",)), ["globex"]),
        (Selector(organizations=("umbrella",), regions=("eu-west-1",)), ["initech"]),
        (Selector(labels=("industry",)), ["acme", "initech"]),
        (Selector(labels=("industry=retail",)), ["acme"]),
        (Selector(labels=("industry=health", "vip")), ["acme", "initech"]),
    ],
    ids=str,
)
def test_values_of_a_kind_are_alternatives_and_kinds_narrow(
    fleet: list[Tenant], selector: Selector, expected: list[str]
) -> None:
    assert [t.id for t in select(fleet, selector)] == expected


@pytest.mark.parametrize(
    ("selector", "message", "hint"),
    [
        (Selector(tenants=("acne",)), "there is no tenant 'acne' in the registry", "did you mean 'acme'?"),
        (
            Selector(tenants=("x1", "acme", "x2")),
            "there is no tenant 'x1', 'x2' in the registry",
            "tenants: acme, globex, initech",
        ),
        (Selector(tiers=("standrad",)), "no tenant matches --tier standrad", "--tier: did you mean 'standard'?"),
        (Selector(rings=(3,)), "no tenant matches --ring 3", "rings of tenants: 0, 1"),
        (
            Selector(labels=("industry=retial",)),
            "no tenant matches --label industry=retial",
            "--label: did you mean 'industry=retail'?",
        ),
        (
            Selector(rings=(0,), tiers=("trial",)),
            "no tenant matches --ring 0 --tier trial",
            "--tier left nobody of those that the other words select; see `provision list`",
        ),
        (
            Selector(tenants=("acme",), all=True),
            "--all --tenant acme contradicts itself",
            "leave --all out, or use nothing but --all",
        ),
    ],
    ids=str,
)
def test_a_selector_that_selects_nobody_is_told_why(
    fleet: list[Tenant], selector: Selector, message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        select(fleet, selector)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_all_of_nobody_is_nobody() -> None:
    assert select([], Selector(all=True)) == []
    with pytest.raises(UsageError, match="no tenant matches --ring 1") as caught:
        select([], Selector(rings=(1,)))
    assert caught.value.hint == "there are no rings of tenants yet"


def test_narrows_is_false_only_where_nothing_is_said() -> None:
    assert not Selector().narrows
    assert not Selector(all=True).narrows
    assert Selector(rings=(0,)).narrows
