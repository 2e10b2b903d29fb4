"""Numbers in brackets are the rules of docs/reference/aliases.md."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildkit.aliases import rules
from buildkit.aliases.rules import Move
from tests.support import alias_oracle, projects
from tests.support.alias_oracle import REFUSED, SUFFIX
from tests.support.thorough import THOROUGH

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from random import Random

    from buildkit.model.target import Target

LATEST = "latest" + SUFFIX


def family(version: str = "1.2.3", *patterns: str) -> Target:
    text = projects.MINIMAL.replace("1.0", version)
    names = [f"{pattern}-{{device}}-{{py}}" for pattern in (*patterns, "latest")]
    return projects.target(f"{text}\naliases = {names}")


TARGET = family("1.2.3", "{major}.{minor}", "{major}")
SIMPLE = family()


def decided(
    tags: Sequence[str], held_back: Collection[str] = (), target: Target = TARGET
) -> dict[str, str]:
    """Where each alias goes, or REFUSED; `held_back` from all of them."""
    decision = rules.decide(
        target, tags, dict.fromkeys(projects.aliases_of(target), frozenset(held_back))
    )
    return {
        **{move.alias: move.tag for move in decision.moves},
        **{refusal.alias: REFUSED for refusal in decision.refusals},
    }


def latest(*versions: str) -> str | None:
    """The version, as its tag spells it, that `latest` goes to; there is no other alias."""
    tag = decided([version + SUFFIX for version in versions], target=SIMPLE).get(LATEST)
    return tag and tag.removesuffix(SUFFIX)


def test_each_alias_goes_to_the_newest_tag_that_would_have_it() -> None:
    tags = ["1.2.3", "1.2.10", "1.10.0", "2.0.0", "1.2", "1", "latest"]
    assert decided([tag + SUFFIX for tag in tags]) == {
        "1.2" + SUFFIX: "1.2.10" + SUFFIX,
        "1" + SUFFIX: "1.10.0" + SUFFIX,
        LATEST: "2.0.0" + SUFFIX,
    }


@pytest.mark.parametrize(
    ("versions", "wanted"),
    [
        pytest.param(["1.2.9", "1.2.10"], "1.2.10", id="numbers, not texts [6]"),
        pytest.param(["1.7.2", "1.7.2-1"], "1.7.2-1", id="a revision is no pre-release [5]"),
        pytest.param(["1.7.2-9", "1.7.2-10"], "1.7.2-10", id="revisions are numbers [9]"),
        pytest.param(["1.7.2-0", "1.7.2"], "1.7.2-0", id="no revision is the lowest [9]"),
        pytest.param(["1.7.2-5", "1.7.3"], "1.7.3", id="the version before the revision [9]"),
        pytest.param(["2.0.0-rc.1", "1.9.0"], "1.9.0", id="semver: finals first [8]"),
        pytest.param(["2.0rc1", "1.9"], "1.9", id="PEP 440: finals first [8]"),
        pytest.param(["2.0.dev1", "1.9"], "1.9", id="a development release is none [8]"),
        pytest.param(["2.0.post1", "2.0"], "2.0.post1", id="a post-release is final [8]"),
        pytest.param(["2.0.0-rc.2", "2.0.0-rc.10"], "2.0.0-rc.10", id="no final yet [8]"),
        pytest.param(["1.0", "1.0.0"], "1.0.0", id="equal: the longer spelling [10]"),
        pytest.param(["1.0-1", "1.0.0"], "1.0-1", id="equal: the revision before the spelling [9]"),
        pytest.param(["2.1.0.cu121", "2.1.0.cu124"], "2.1.0.cu124", id="builds: as texts [10]"),
        pytest.param(["2.1.0.cu121", "2.1.0-1"], "2.1.0-1", id="builds do not count [7]"),
        pytest.param(["2.1.cu121", "2.1-1"], "2.1.cu121", id="local versions do count [7]"),
        pytest.param(["2.1.cu121", "2.1.cpu", "2.0"], "2.1.cu121", id="a `+` came as a dot [5]"),
        pytest.param(["20240101", "20231231"], "20240101", id="dates"),
        pytest.param(["1.0.0", "0.9rc1"], "1.0.0", id="semver and PEP 440, all PEP 440 [6]"),
        pytest.param(["1.0.0", "nightly"], REFUSED, id="neither [11]"),
        pytest.param(["nightly"], REFUSED, id="neither, and alone [11]"),
        pytest.param(["1.0.0-gpu", "1.0"], REFUSED, id="one of each [11]"),
        pytest.param([], None, id="nothing is there [4]"),
    ],
)
def test_the_newest(versions: list[str], wanted: str | None) -> None:
    assert latest(*versions) == latest(*reversed(versions)) == wanted


def test_an_alias_with_a_word_that_the_version_lacks_is_left_out() -> None:
    patterns = ("{major}.{minor}", "{major}")
    assert projects.aliases_of(family("20240101-1", *patterns)) == ("20240101" + SUFFIX, LATEST)
    assert projects.aliases_of(family("nightly", *patterns)) == (LATEST,)


def test_a_tag_is_held_back_from_one_alias_alone() -> None:
    tags = ["1.2.3" + SUFFIX, "1.2.4" + SUFFIX]
    moves = rules.decide(TARGET, tags, {LATEST: {"1.2.4" + SUFFIX}}).moves
    assert moves == (
        Move(alias="1.2" + SUFFIX, tag="1.2.4" + SUFFIX),
        Move(alias="1" + SUFFIX, tag="1.2.4" + SUFFIX),
        Move(alias=LATEST, tag="1.2.3" + SUFFIX),
    )


def test_what_cannot_be_ordered_holds_up_its_own_aliases_until_it_is_held_back() -> None:
    tags = ["1.2.3" + SUFFIX, "nightly" + SUFFIX]
    assert decided(tags)[LATEST] == REFUSED
    assert decided(tags)["1" + SUFFIX] == "1.2.3" + SUFFIX
    assert decided(tags, ["nightly" + SUFFIX])[LATEST] == "1.2.3" + SUFFIX


@pytest.mark.parametrize(
    ("versions", "named"),
    [
        pytest.param(["1.0.0", "nightly"], ["`nightly` is neither"], id="neither"),
        pytest.param(
            ["1.0.0-gpu", "1.0"], ["`1.0` is not a sem", "`1.0.0-gpu` is not a Python"], id="both"
        ),
    ],
)
def test_a_refusal_names_the_alias_and_the_version_and_what_to_do(
    versions: list[str], named: list[str]
) -> None:
    decision = rules.decide(SIMPLE, [version + SUFFIX for version in versions], {})
    (refusal,) = decision.refusals
    assert all(text in refusal.message for text in [LATEST, *named])
    assert f"`{versions[-1] if len(named) == 1 else versions[0]}{SUFFIX}`" in refusal.hint


def test_a_target_without_aliases_has_nothing_to_move() -> None:
    assert rules.decide(projects.target(), ["1.0-cpu-py311"], {}) == rules.Decision(
        moves=(), refusals=()
    )


RELEASES = ("1.2.3", "1.2.10", "1.10.0", "1.2.0", "2.0.0", "1.0.0", "1", "1.0", "1.2", "0.9", "1.2.3.4", "01.2", "20240101")  # fmt: skip
SEMANTIC_PARTS = ("", "", "", ".cpu", ".cu121", ".cu121.2", "-rc.2", "-rc.10", "-alpha", "-alpha.1.x", "-beta.3", "-rc.2.cpu", "-gpu")  # fmt: skip
PYTHON_PARTS = ("", "", "rc1", "a2", ".post1", ".dev3", "rc2.post1.dev1", ".cpu", ".cu121.2")
REVISIONS = ("", "", "-0", "-1", "-2", "-10", "-01")
ENDS = (SUFFIX,) * 4 + ("-gpu-py311", "-cpu-py313", "-cpu-py311-training", "")
ODD = ("latest", "nightly", "v1.2.3", "sha256-1f.sig", "_", "")

ANY = [
    "".join(parts) for parts in product(RELEASES, SEMANTIC_PARTS + PYTHON_PARTS, REVISIONS, ENDS)
]
ANY += [odd + end for odd in ODD for end in ENDS] * 50
PYTHON = ["".join(parts) + SUFFIX for parts in product(RELEASES, PYTHON_PARTS, REVISIONS)]
SEMANTIC = ["".join(parts) + SUFFIX for parts in product(RELEASES[:6], SEMANTIC_PARTS, REVISIONS)]
POOLS = (ANY, PYTHON, SEMANTIC)

EACH = 4
WIDTH = 15
VERSION_SETS = 10_000 if THOROUGH else 1_000
many = settings(
    max_examples=VERSION_SETS // EACH,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],  # a slow machine is no fault of the cases
)
few = settings(many, max_examples=VERSION_SETS // 10)


@dataclass(frozen=True, kw_only=True)
class Case:
    tags: list[str]
    held_back: set[str]
    full: bool


def case(drawn: bytes) -> Case:
    """Up to six tags of a pool. Bytes are drawn many times as fast as a list of choices."""
    choice, held, many, tags = drawn[0], drawn[1], drawn[2] % 7, drawn[3:]
    pool = POOLS[choice % 3]
    chosen = [pool[(256 * tags[2 * at] + tags[2 * at + 1]) % len(pool)] for at in range(many)]
    held_back = {tag for at, tag in enumerate(chosen) if choice % 4 == 0 and held >> at & 1}
    return Case(tags=chosen, held_back=held_back, full=choice < 170)


CASES = st.binary(min_size=WIDTH, max_size=WIDTH).map(case)
MANY_CASES = st.binary(min_size=EACH * WIDTH, max_size=EACH * WIDTH).map(
    lambda drawn: [case(drawn[at : at + WIDTH]) for at in range(0, EACH * WIDTH, WIDTH)]
)


@many
@given(MANY_CASES)
def test_version_sets_go_where_the_specification_says(cases: list[Case]) -> None:
    for case in cases:
        wanted = {
            alias: alias_oracle.expected(alias, case.tags, case.held_back, case.full)
            for alias in alias_oracle.aliases_of("1.2.3", case.full)
        }
        there = {alias: tag for alias, tag in wanted.items() if tag}
        assert decided(case.tags, case.held_back, TARGET if case.full else SIMPLE) == there


@few
@given(CASES, CASES)
def test_a_publish_never_moves_an_alias_to_an_older_version(before: Case, added: Case) -> None:
    tags = [*before.tags, *added.tags]
    old, new = decided(before.tags), decided(tags)
    assert old.keys() <= new.keys()
    for alias, tag in old.items():
        newer = alias_oracle.order_of(alias_oracle.candidates(alias, tags, set()))
        if newer and tag != REFUSED:
            assert alias_oracle.newest([tag, new[alias]], newer) == new[alias]


@few
@given(CASES, st.randoms(use_true_random=False))
def test_the_order_of_the_tags_does_not_matter(case: Case, chance: Random) -> None:
    shuffled = chance.sample(case.tags, len(case.tags))
    assert decided(shuffled, case.held_back) == decided(case.tags, case.held_back)


@few
@given(CASES)
def test_an_alias_goes_to_exact_tags_of_its_family_alone(case: Case) -> None:
    exact = {tag for tag in case.tags if tag.endswith(SUFFIX)} - case.held_back
    chosen = set(decided(case.tags, case.held_back).values()) - {REFUSED}
    assert chosen <= exact - {alias for tag in case.tags for alias in alias_oracle.aliases_of(tag)}
