"""Strategies, freezes, holds and pins: what they become, and what is refused."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from provisioner import registry
from provisioner.model.errors import RegistryError, UsageError
from provisioner.model.rollout.strategy import Gate, Strategy
from provisioner.model.tenant import Freeze, Hold, Pin
from tests.unit.registry.samples import HEAD, SAMPLE, TODAY, loaded

ROOT = Path(__file__).parents[3]


def problems(text: str) -> list[str]:
    with pytest.raises(RegistryError) as caught:
        loaded(text)
    return [str(p) for p in caught.value.problems]


def strategy(*lines: str) -> str:
    """The head, and in line 41 on a strategy `careful` of these lines (from 43 on)."""
    return HEAD + "strategies:\n  careful:\n" + "".join(f"    {line}\n" for line in lines)


def freeze(entry: str) -> str:
    """The head, and in line 42 a freeze."""
    return HEAD + f"freezes:\n  - {{{entry}, reason: why, name: Jane}}\n"


def test_a_registry_without_any_has_the_built_in_strategy() -> None:
    found = loaded(SAMPLE)
    assert found.strategy() == Strategy()
    assert (dict(found.strategies), found.freezes) == ({}, ())
    assert found.strategy().waves == ("ring 0", "1%", "10%", "50%", "rest")
    assert [found.strategy().bake(n) for n in range(5)] == [60, 720, 240, 120, 120]


def test_a_strategy_says_everything_itself() -> None:
    text = strategy(
        "waves: [ring 1, 50%, rest]",
        "bake_minutes: [5, 0]",
        "max_concurrency: 20",
        "ramp: false",
        "per_region: 2",
        "max_errors: 5%",
        "max_errors_total: 3",
        "strict: false",
        "rehearse: first-wave",
        "max_wait_days: 3",
        "gate: {samples: 4, good: 3, seconds: 5, warm_up: 6, settle: 7}",
    )
    found = loaded(text.replace("  channel: stable\n", "  channel: stable\n  strategy: careful\n"))
    assert found.strategy() == found.strategy("careful")
    assert found.strategy() == Strategy(
        "careful", ("ring 1", "50%", "rest"), (5, 0), 20, False, 2, "5%", 3, False, "first-wave", 3, Gate(4, 3, 5, 6, 7)
    )
    with pytest.raises(UsageError) as caught:
        found.strategy("carful")
    assert (caught.value.message, caught.value.hint) == (
        "there is no strategy 'carful' in /registry/tenants.yaml",
        "did you mean 'careful'?",
    )


def test_a_strategy_that_says_nothing_is_the_usual_one() -> None:
    assert loaded(strategy()).strategy("careful") == Strategy("careful")


@pytest.mark.parametrize(
    ("most", "of", "budget"), [(0, 100, 0), (2, 1, 2), ("5%", 19, 0), ("5%", 20, 1), ("5%", 59, 2), ("0%", 100, 0)]
)
def test_a_share_of_errors_is_rounded_down(most: int | str, of: int, budget: int) -> None:
    assert Strategy(max_errors=most).wave_budget(of) == budget
    assert Strategy(max_errors=most).total_budget(of) == budget
    assert Strategy(max_errors=most, max_errors_total=7).total_budget(of) == 7


def test_a_hasty_strategy_has_a_reason_and_short_bake_times() -> None:
    fast = Strategy(bake_minutes=(60, 5)).fast("CVE-2026-1")
    assert (fast.bake_minutes, fast.hasty) == ((10, 5), "CVE-2026-1")


@pytest.mark.parametrize(
    ("entry", "start", "end"),
    [
        ("from: 2026-12-19, until: 2027-01-04", (2026, 12, 19), (2027, 1, 5)),
        ("from: 2026-12-19, until: 2026-12-19", (2026, 12, 19), (2026, 12, 20)),
        ('from: "2026-12-19T18:00Z", until: "2026-12-19T20:30Z"', (2026, 12, 19, 18), (2026, 12, 19, 20, 30)),
        ('from: "2026-12-19T18:00Z", until: 2026-12-19', (2026, 12, 19, 18), (2026, 12, 20)),
    ],
)
def test_a_freeze_s_last_day_belongs_to_it(entry: str, start: tuple[int, ...], end: tuple[int, ...]) -> None:
    (found,) = loaded(freeze(entry)).freezes
    assert (found.start, found.end) == (datetime(*start, tzinfo=UTC), datetime(*end, tzinfo=UTC))  # type: ignore[misc, arg-type]


def test_a_freeze_may_be_of_some_rings_and_written_in_lines() -> None:
    text = HEAD + (
        "freezes:\n  - from: 2026-12-19T18:00Z\n    until: 2027-01-04\n"
        "    reason: peak\n    name: Jane\n    rings: [2, 3]\n"
    )
    start, end = datetime(2026, 12, 19, 18, tzinfo=UTC), datetime(2027, 1, 5, tzinfo=UTC)
    assert loaded(text).freezes == (Freeze(start, end, "peak", "Jane", (2, 3)),)


@pytest.mark.parametrize("text", ["freezes:\n", "freezes: []\n", "strategies:\n"])
def test_sections_may_be_empty(text: str) -> None:
    assert loaded(HEAD + text).freezes == ()


def test_a_tenant_has_its_channel_or_its_pin_and_its_hold() -> None:
    found = loaded(
        HEAD
        + "tenants:\n  acme:\n    hold: {until: 2026-11-22, reason: audit, name: Jane}\n"
        + '  globex: {release: "1.0.0"}\n  initech: {release: "1.0.0", pin: {reason: why, expires: 2027-01-01}}\n'
    )
    acme, globex, initech = found.tenants()
    assert (acme.channel, acme.pin, acme.hold) == ("stable", None, Hold(date(2026, 11, 22), "audit", "Jane"))
    assert (globex.channel, globex.pin, globex.hold) == (None, Pin(), None)
    assert initech.pin == Pin("why", None, date(2027, 1, 1))
    assert found.warnings == ()


def test_a_hold_that_is_over_is_a_warning() -> None:
    found = loaded(HEAD + "tenants:\n  acme:\n    hold: {until: 2026-11-21, reason: audit, name: Jane}\n")
    assert [str(w) for w in found.warnings] == [
        (
            "tenants.yaml:43:19: tenants/acme/hold/until: this hold is over, and is ignored "
            "(delete it, or give it a later date)"
        )
    ]
    assert found.tenant("acme").hold is not None


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ("waves: [ring 0, 10%]", "bake_minutes: [1]"),
            "43:12: strategies/careful/waves: leave tenants out, of the rings 1, 2, 3 (let rest be the last wave)",
        ),
        (
            ("waves: [ring 0, rest, 10%]", "bake_minutes: [1]"),
            "43:27: strategies/careful/waves/2: nobody is left after rest (let it be the last wave)",
        ),
        (
            ("waves: [60%, 50%, rest]", "bake_minutes: [1]"),
            "43:12: strategies/careful/waves: are 110% together (each share is of all tenants: 100% at most)",
        ),
        (
            ("waves: [ring 4, rest]",),
            ("43:13: strategies/careful/waves/0: must be ring 0 to ring 3, a share like 10%, or rest, not ring 4"),
        ),
        (("waves: [rest, rest]",), "43:12: strategies/careful/waves: has rest twice (keep one of them)"),
        (("waves: []",), "43:12: strategies/careful/waves: must not be empty"),
        (
            ("waves: [ring 0, rest]", "bake_minutes: [1, 2, 3]"),
            (
                "44:19: strategies/careful/bake_minutes: has 3 times for 2 waves; nothing is watched after the last "
                "one (take 2 out)"
            ),
        ),
        (
            ("bake_minutes: [-1]",),
            "43:20: strategies/careful/bake_minutes/0: must be 0..20160, not -1",
        ),
        *(
            (
                (f"max_errors: {wrong}",),
                (
                    "43:17: strategies/careful/max_errors: must be a number of tenants, or a share of them like 5%, "
                    f"not {wrong}"
                ),
            )
            for wrong in ("-1", "true", "100%", "five", "1.5")
        ),
        (
            ("gate: {samples: 2, good: 3}",),
            "43:30: strategies/careful/gate/good: must be at most the 2 samples, not 3 (or ask for more samples)",
        ),
        (
            ("rehearse: first_wave",),
            (
                "43:15: strategies/careful/rehearse: must be one of none, first-wave, all, not first_wave (did you "
                "mean 'first-wave'?)"
            ),
        ),
        (("strcit: true",), "43:5: strategies/careful/strcit: unknown key (did you mean 'strict'?)"),
    ],
)
def test_what_is_refused_of_a_strategy(lines: tuple[str, ...], said: str) -> None:
    assert problems(strategy(*lines)) == [f"tenants.yaml:{said}"]


def test_the_four_rings_are_everybody() -> None:
    waves = "waves: [ring 0, ring 1, ring 2, ring 3]"
    assert loaded(strategy(waves)).strategy("careful").waves[-1] == "ring 3"


@pytest.mark.parametrize("there", [True, False])
def test_an_unknown_default_strategy(there: bool) -> None:
    text = (strategy() if there else HEAD).replace("  channel: stable\n", "  channel: stable\n  strategy: carefull\n")
    hint = "did you mean 'careful'?" if there else "there are no strategies yet"
    assert problems(text) == [f"tenants.yaml:14:13: defaults/strategy: unknown strategy 'carefull' ({hint})"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            "from: 2026-12-19, until: 2026-12-18",
            (
                "42:31: freezes/0/until: must be after 2026-12-19, where the freeze begins, not 2026-12-18 (exchange "
                "them, or correct the year)"
            ),
        ),
        (
            'from: "2026-12-19T18:00Z", until: "2026-12-19T18:00Z"',
            (
                "42:40: freezes/0/until: must be after 2026-12-19T18:00Z, where the freeze begins, not "
                "2026-12-19T18:00Z (exchange them, or correct the year)"
            ),
        ),
        (
            "from: 2026-02-29, until: 2026-03-01",
            "42:12: freezes/0/from: 2026-02-29 is no time: day is out of range for month",
        ),
        (
            "from: tomorrow, until: 2026-03-01",
            (
                "42:12: freezes/0/from: must be a day like 2027-01-31, or a time in UTC like 2027-01-31T18:00Z, not "
                "tomorrow"
            ),
        ),
        (
            "until: 2026-03-01",
            "42:5: freezes/0/from: is missing (First day of it, or the time in UTC: 2027-01-31T18:00Z)",
        ),
        ("from: 2026-03-01, until: 2026-03-01, ring: 3", "42:43: freezes/0/ring: unknown key (did you mean 'rings'?)"),
        (
            "from: 2026-03-01, until: 2026-03-01, rings: [4]",
            "42:51: freezes/0/rings/0: must be 0..3, not 4",
        ),
    ],
)
def test_what_is_refused_of_a_freeze(entry: str, said: str) -> None:
    assert problems(freeze(entry)) == [f"tenants.yaml:{said}"]


def test_everything_wrong_is_told_at_once() -> None:
    """Also what is wrong between the entries that are sound by themselves."""
    text = freeze("from: 2026-12-19, until: 2026-12-18").replace("freezes:\n", "freezes:\n  - {from: x}\n")
    text = text.replace("  channel: stable\n", "  channel: stable\n  strategy: none\n")
    assert [p.split(":")[3].strip() for p in problems(text)] == [
        "defaults/strategy",
        "freezes/0/name",
        "freezes/0/reason",
        "freezes/0/until",
        "freezes/0/from",
    ]


def test_the_freeze_of_the_sample_s_comment_can_be_had() -> None:
    text = (ROOT / "tenants.yaml").read_text()
    lines = text[text.index("#   - from") : text.index("freezes: []")].splitlines()
    found = loaded(text.replace("freezes: []", "freezes:\n" + "\n".join(line[1:] for line in lines)))
    assert found.freezes[0].rings == (2, 3)
    assert found.strategy() == Strategy("default")


def test_the_wide_strategy_of_the_sample_s_comment_can_be_had() -> None:
    text = (ROOT / "tenants.yaml").read_text()
    start = text.index("  # wide:")
    end = text.index("\n\n", start)
    found = loaded(text[:start] + text[start:end].replace("  # ", "  ") + text[end:])
    assert found.strategy("wide") == Strategy("wide", max_errors="2%", strict=False, per_region=5)


def test_a_kept_reading_has_them_too(tmp_path: Path) -> None:
    path = tmp_path / "tenants.yaml"
    path.write_text(freeze("from: 2026-12-19, until: 2027-01-04") + "strategies: {careful: {max_errors: 5%}}\n")
    first = registry.load(path, today=TODAY, cache=tmp_path / "cache")
    again = registry.load(path, today=TODAY, cache=tmp_path / "cache")
    assert again.freezes == first.freezes
    assert again.strategy("careful") == first.strategy("careful") == Strategy("careful", max_errors="5%")


def test_format_keeps_them() -> None:
    path = ROOT / "tenants.yaml"
    assert not registry.format_file(path, check=True)
