from __future__ import annotations

import random

import pytest

from buildkit.ledger import history, trails
from buildkit.ledger.record import Action, Release
from buildkit.model.image import Location, Published
from buildkit.support.errors import NothingSelectedError, UsageError
from tests.support import fakes, releases
from tests.support.releases import HOST, digest, image, move, release

ONE, TWO, THREE = (f"{n}.0-cpu-py311" for n in (1, 2, 3))
PUBLISHED = (
    release(image("1.0", "1"), moves=[move(None, "1", "1.0")]),
    release(image("2.0", "2"), moves=[move("1", "2", "2.0")]),
    release(image("3.0", "3"), moves=[move("2", "3", "3.0")]),
)


def back(before: str, after: str, version: str) -> Release:
    return release(action=Action.ROLLBACK, moves=[move(before, after, version)])


def forth(before: str, after: str, version: str) -> Release:
    return release(action=Action.PROMOTE, moves=[move(before, after, version)])


def trail(*records: Release) -> trails.Trail:
    return trails.trail(records, HOST, "demo", "latest")


@pytest.mark.parametrize(
    ("after", "now", "before", "held"),
    [
        pytest.param((), "3", "2", set(), id="three publications"),
        pytest.param((back("3", "2", "2.0"),), "2", "1", {THREE}, id="one back"),
        pytest.param(
            (back("3", "2", "2.0"), back("2", "1", "1.0")), "1", None, {THREE, TWO}, id="two back"
        ),
        pytest.param((back("3", "1", "1.0"),), "1", None, {THREE, TWO}, id="two back at once"),
        pytest.param(
            (back("3", "2", "2.0"), forth("2", "3", "3.0")), "3", "2", set(), id="back and forth"
        ),
        pytest.param(
            (back("3", "1", "1.0"), forth("1", "3", "3.0")), "3", "1", {TWO}, id="forth to one"
        ),
        pytest.param((forth("3", "1", "1.0"),), "1", "3", set(), id="promoted to an older one"),
        pytest.param(
            (back("3", "2", "2.0"), release(image("4.0", "4"), moves=[move("2", "4", "4.0")])),
            "4", "2", {THREE}, id="a publication after one back",
        ),
        pytest.param((), "f", "3", set(), id="moved by somebody else"),
        pytest.param(
            (back("f", "3", "3.0"),), "3", "2", set(), id="back from what is not in the ledger"
        ),
        pytest.param(
            (back("3", "3", "3.0"),), "3", "2", set(), id="back to where it is"
        ),
    ],
)  # fmt: skip
def test_an_alias_is_followed(
    after: tuple[Release, ...], now: str, before: str | None, held: set[str]
) -> None:
    found = trail(*PUBLISHED, *after)
    stop = found.before(digest(now))
    assert (stop and stop.digest) == (before and digest(before))
    assert found.held == held


def test_a_move_that_two_runs_put_on_record_is_one() -> None:
    again = release(moves=[move("2", "3", "3.0")])
    assert trail(*PUBLISHED, again) == trail(*PUBLISHED)
    new = release(moves=[move(None, "1", "1.0")])
    assert trail(new, new) == trail(new)


def test_where_aliases_of_a_repository_are_is_known_by_registry() -> None:
    other = release(moves=[move("3", "1", "1.0", host="other.example")])
    past = trails.past((*PUBLISHED, other, back("3", "2", "2.0")), HOST, "demo")
    assert past.held == {"latest": frozenset({THREE})}
    assert past.last == {"latest": digest("2")}
    assert past.published == {digest("1"), digest("2"), digest("3")}
    assert trails.past(PUBLISHED, HOST, "nobody") == trails.Past(held={}, last={})


def test_what_an_alias_was_at_before_the_ledger_is_remembered() -> None:
    found = trail(release(image("2.0", "2"), moves=[move("e", "2", "2.0")]))
    assert found.before(digest("2")) == trails.Stop(digest=digest("e"), tag=None)


def test_a_tag_is_held_back_also_if_the_alias_came_there_unrecorded() -> None:
    records = (release(image("1.0", "1"), image("2.0", "2")), back("2", "1", "1.0"))
    assert trails.trail(records, HOST, "demo", "latest").held == {TWO}


def test_what_an_alias_never_was_at_is_held_back_as_well_when_it_goes_back() -> None:
    """Else the next publication, of nothing new, would move it there: 1.5 is newer than 1.0."""
    backport = release(image("1.5", "5"))
    records = (*PUBLISHED, backport, back("3", "1", "1.0"))
    found = trails.trail(records, HOST, "demo", "latest").held
    assert found == {TWO, THREE, "1.5-cpu-py311"}
    later = release(image("1.6", "6"), moves=[move("1", "6", "1.6")])
    assert "1.6-cpu-py311" not in trails.trail((*records, later), HOST, "demo", "latest").held


def test_other_registries_repositories_and_aliases_do_not_count() -> None:
    rolled = back("3", "2", "2.0")
    records = (*PUBLISHED, rolled)
    assert trails.trail(records, HOST, "demo", "latest").held == {THREE}
    assert trails.trail(records, "other.example", "demo", "latest").held == frozenset()
    assert trails.trail(records, HOST, "other", "latest").held == frozenset()
    assert trails.trail(records, HOST, "demo", "stable").held == frozenset()


def test_going_back_step_by_step_never_meets_a_held_tag_and_ends() -> None:
    """Any order of publications, promotions and rollbacks."""
    chance = random.Random(20261121)
    for _ in range(300):
        records = [release(*(image(f"{n}.0", f"{n}") for n in range(1, 6)))]
        now: str | None = None
        for _ in range(chance.randrange(1, 15)):
            to = str(chance.randrange(1, 6))
            action = chance.choice(list(Action))
            records.append(release(action=action, moves=[move(now, to, f"{to}.0")]))
            now = to
        for steps in range(20):
            found = trail(*records)
            assert now is not None
            assert found.stops[-1].digest == digest(now)
            assert found.stops[-1].tag not in found.held
            stop = found.before(digest(now))
            if stop is None:
                break
            assert stop.tag is not None
            assert steps < 19
            to = stop.digest[-1]
            records.append(back(now, to, f"{to}.0"))
            assert f"{now}.0-cpu-py311" in trail(*records).held or now in {
                each.digest[-1] for each in trail(*records).stops
            }
            now = to


def test_an_image_is_found_by_the_beginning_of_its_digest() -> None:
    copy = releases.image("1.0", "1", repository="other")
    records = (*PUBLISHED, release(copy, action=Action.PROMOTE))
    for text in (digest("1"), digest("1")[:19], "1" * 12):
        assert history.by_digest(records, text) == (copy, PUBLISHED[0].images[0])


@pytest.mark.parametrize(
    ("text", "error", "wanted"),
    [
        pytest.param("sha256:12", UsageError, "at least 12", id="short"),
        pytest.param("1.0-cpu-py311", UsageError, "is not a digest", id="a tag"),
        pytest.param("a" * 12, NothingSelectedError, "not found in the ledger", id="unknown"),
        pytest.param("9" * 12, UsageError, "matches 2 digests", id="ambiguous"),
    ],
)
def test_a_digest_that_names_no_image_is_told(
    text: str, error: type[Exception], wanted: str
) -> None:
    twins = [image("8.0", "9"), image("9.0", "9", digest=f"sha256:{'9' * 63}a")]
    with pytest.raises(error, match=wanted):
        history.by_digest((*PUBLISHED, release(*twins)), text)


def test_near_digests_are_offered() -> None:
    wrong = "1" * 20 + "2" + "1" * 43
    with pytest.raises(NothingSelectedError) as caught:
        history.by_digest(PUBLISHED, wrong)
    assert caught.value.details == f"  {digest('1')}  demo-1.0-cpu-py311"


def test_the_latest_image_of_a_target_is_a_published_one() -> None:
    again, copy = image("1.0", "4"), image("1.0", "1", repository="other")
    records = (*PUBLISHED, release(again), release(copy, action=Action.PROMOTE))
    assert history.latest(records, "demo-1.0-cpu-py311") == again
    assert history.latest(records, "nobody") is None


def test_a_record_is_found_by_the_beginning_of_its_id() -> None:
    one, two = release(id="20260101T000000-00000001"), release(id="20260101T000000-00000002")
    assert history.by_id((one, two), "20260101T000000-00000002") == two
    with pytest.raises(UsageError, match="matches 2 records"):
        history.by_id((one, two), "20260101")
    for text in ("2025", ""):
        with pytest.raises((NothingSelectedError, UsageError)):
            history.by_id((one, two), text)


@pytest.mark.parametrize(
    ("places", "wanted"),
    [([HOST], True), ([HOST, "two.example"], False), (["two.example"], False)],
)
def test_an_image_is_known_where_it_is_on_record(places: list[str], wanted: bool) -> None:
    published = Published(
        verified=fakes.verified(),
        digest=digest("1"),
        size=3,
        manifest_size=2,
        locations=tuple(Location(uri=f"{host}/demo:{ONE}", pushed=False) for host in places),
    )
    assert history.knows(PUBLISHED, published) is wanted
    assert not history.knows(PUBLISHED[1:], published)
