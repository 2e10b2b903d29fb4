"""Where aliases belong is tests/unit/aliases/test_aliases.py's; here, how they get there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.aliases.follow import move
from buildkit.aliases.moves import Moves
from buildkit.ledger.record import Move
from buildkit.ledger.trails import Past
from buildkit.support.errors import ToolError
from tests.support import fakes, projects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit.aliases.follow import Known
    from buildkit.model.target import Target
    from buildkit.registry.manifests import Manifest

IMAGES = """
[image.demo]
versions = ["1.2.0", "1.3.0"]
base = "python:{python}-slim"
aliases = ["{major}-{py}", "latest-{py}"]
"""
OLD, NEW, OTHER = (fakes.manifest(config_digest=f"sha256:{digit * 64}") for digit in "123")
EXACT = {"demo:1.2.0-cpu-py311": OLD, "demo:1.3.0-cpu-py311": NEW}


def targets() -> tuple[Target, ...]:
    return projects.targets(IMAGES)


def nothing(_host: str, _repository: str) -> Past:
    return Past(held={}, last={})


def known(last: Mapping[str, Manifest], **held: str) -> Known:
    """What is on record: where aliases were last, and an exact tag that they are kept away from."""
    past = Past(
        held={alias.replace("_", "-"): frozenset({tag}) for alias, tag in held.items()},
        last={alias: each.digest for alias, each in last.items()},
    )
    return lambda _host, _repository: past


RIGHT = known({"1-py311": NEW})
BOTH_RIGHT = known({"1-py311": NEW, "latest-py311": NEW})


def there(**manifests: Manifest) -> fakes.FakeRegistry:
    more = {f"demo:{tag.replace('_', '-')}": each for tag, each in manifests.items()}
    return fakes.FakeRegistry(manifests={**EXACT, **more})


def test_new_aliases_are_given() -> None:
    registry = there()
    moves = move([registry], targets(), nothing)
    assert moves.errors == ()
    assert [(each.alias, each.tag, each.before, each.after) for each in moves.done] == [
        ("1-py311", "1.3.0-cpu-py311", None, NEW.digest),
        ("latest-py311", "1.3.0-cpu-py311", None, NEW.digest),
    ]
    assert registry.manifests["demo:latest-py311"] == NEW


def test_an_old_alias_goes_on_and_a_right_one_is_left() -> None:
    registry = there(latest_py311=OLD, **{"1-py311": NEW})
    moves = move([registry], targets(), RIGHT)
    assert moves.done == (
        Move(
            host="registry.example",
            repository="demo",
            alias="latest-py311",
            tag="1.3.0-cpu-py311",
            before=OLD.digest,
            after=NEW.digest,
        ),
    )
    assert registry.done == ["put demo:latest-py311"]


def test_again_nothing_moves() -> None:
    registry = there()
    move([registry], targets(), nothing)
    assert move([registry], targets(), BOTH_RIGHT) == Moves()


def test_an_older_version_alone_moves_nothing_back() -> None:
    registry = there(latest_py311=NEW, **{"1-py311": NEW})
    assert move([registry], targets()[:1], BOTH_RIGHT) == Moves()


def test_what_was_rolled_back_stays_there() -> None:
    registry = there(latest_py311=OLD, **{"1-py311": NEW})
    on_record = known({"1-py311": NEW, "latest-py311": OLD}, latest_py311="1.3.0-cpu-py311")
    assert move([registry], targets(), on_record) == Moves()


def test_a_move_that_is_not_on_record_is_put_there() -> None:
    """The run that moved it was cut off."""
    registry = there(latest_py311=NEW, **{"1-py311": NEW})
    moves = move([registry], targets(), known({"latest-py311": OLD}))
    assert [(each.alias, each.tag, each.before, each.after) for each in moves.done] == [
        ("1-py311", "1.3.0-cpu-py311", None, NEW.digest),
        ("latest-py311", "1.3.0-cpu-py311", OLD.digest, NEW.digest),
    ]
    assert registry.done == []


def test_a_ledger_that_cannot_be_read_any_more_is_told() -> None:
    def broken(_host: str, _repository: str) -> Past:
        raise ToolError("half a line")

    (error,) = move([there()], targets(), broken).errors
    assert error.message == "registry.example/demo: half a line"


def test_an_alias_that_somebody_else_gave_is_left_and_told() -> None:
    registry = there(latest_py311=OTHER, **{"1-py311": NEW})
    moves = move([registry], targets(), RIGHT)
    (error,) = moves.errors
    assert f"latest-py311` not moved: it points to {OTHER.digest}" in error.message
    assert registry.done == []


def test_a_repository_that_lets_no_alias_move_is_told() -> None:
    registry = there(latest_py311=OLD, **{"1-py311": NEW})

    def immutable(_repository: str, _reference: str, _manifest: Manifest) -> None:
        raise ToolError("400: the tag is immutable")

    registry.put_manifest = immutable  # type: ignore[assignment,method-assign]
    (error,) = move([registry], targets(), nothing).errors
    assert "latest-py311` not moved: 400" in error.message
    assert error.hint
    assert registry.manifests["demo:latest-py311"] == OLD


def test_a_registry_that_fails_stops_no_other() -> None:
    ill, well = there(), there()
    ill.host = "ill.example"

    def refuse(_repository: str) -> tuple[str, ...]:
        raise ToolError("500")

    ill.tags = refuse  # type: ignore[method-assign,assignment]
    moves = move([ill, well], targets(), nothing)
    assert [error.message for error in moves.errors] == ["ill.example/demo: 500"]
    assert {each.host for each in moves.done} == {"registry.example"}


def test_an_alias_that_does_not_stay_is_told() -> None:
    registry = there()
    registry.distorts = lambda _: OTHER
    assert "but the registry serves" in move([registry], targets(), nothing).errors[0].message


def test_targets_without_aliases_ask_nothing() -> None:
    registry = fakes.FakeRegistry()
    registry.tags = None  # type: ignore[method-assign,assignment]
    assert move([registry], projects.targets(), nothing) == Moves()


def test_an_alias_goes_on_from_an_image_that_lost_its_tag_to_a_rebuild() -> None:
    """Tags of a mutable repository go from one image to another."""
    registry = there(latest_py311=OTHER, **{"1-py311": OTHER})
    past = Past(held={}, last={}, published=frozenset({OTHER.digest}))
    moves = move([registry], targets(), lambda _host, _repository: past)
    assert moves.errors == ()
    assert registry.manifests["demo:latest-py311"] == registry.manifests["demo:1-py311"] == NEW


def test_a_publisher_that_was_quicker_is_not_undone() -> None:
    """A newer version comes in, with its aliases, while older ones are on their way."""
    registry = there()
    newest = fakes.manifest(config_digest=f"sha256:{'4' * 64}")
    put = registry.put_manifest

    def put_late(repository: str, reference: str, manifest: Manifest) -> None:
        if "demo:1.4.0-cpu-py311" not in registry.manifests:
            for tag in ("1.4.0-cpu-py311", "latest-py311", "1-py311"):
                registry.manifests[f"demo:{tag}"] = newest
        put(repository, reference, manifest)

    registry.put_manifest = put_late  # type: ignore[method-assign]
    moves = move([registry], targets(), nothing)
    assert moves.errors == ()
    assert registry.manifests["demo:latest-py311"] == newest
    assert registry.manifests["demo:1-py311"] == newest


def test_publishers_that_never_end_are_told() -> None:
    registry = there()
    put, versions = registry.put_manifest, iter(range(4, 99))

    def put_late(repository: str, reference: str, manifest: Manifest) -> None:
        put(repository, f"1.{next(versions)}.0-cpu-py311", NEW if manifest == OLD else OLD)
        put(repository, reference, manifest)

    registry.put_manifest = put_late  # type: ignore[method-assign]
    (error,) = move([registry], targets(), nothing).errors
    assert "other publishers keep adding tags" in error.message
    assert error.hint


HALF = "demo:1.9.0-cpu-py311"
"""A release that reached one registry only, and is on no record."""


def two() -> tuple[fakes.FakeRegistry, fakes.FakeRegistry]:
    return there(), fakes.FakeRegistry(manifests=dict(EXACT), host="two.example")


def test_half_a_release_is_not_seen_through_aliases() -> None:
    one, other = two()
    one.manifests[HALF] = OTHER
    assert move([one, other], targets(), nothing).errors == ()
    assert one.manifests["demo:latest-py311"] == other.manifests["demo:latest-py311"] == NEW
    other.manifests[HALF] = OLD  # another image: no better
    move([one, other], targets(), nothing)
    assert one.manifests["demo:latest-py311"] == NEW


def test_the_same_image_in_every_registry_or_on_record_or_alone_is_whole() -> None:
    one, other = two()
    one.manifests[HALF] = other.manifests[HALF] = OTHER
    move([one, other], targets(), nothing)
    assert one.manifests["demo:latest-py311"] == other.manifests["demo:latest-py311"] == OTHER
    one, other = two()
    one.manifests[HALF] = OTHER
    on_record = Past(held={}, last={}, tags=frozenset({"1.9.0-cpu-py311"}))
    move([one, other], targets(), lambda host, _: on_record if host == one.host else PAST)
    assert one.manifests["demo:latest-py311"] == OTHER
    assert other.manifests["demo:latest-py311"] == NEW


def test_a_run_with_one_registry_of_several_does_not_show_half_a_release_either() -> None:
    one, _ = two()
    one.manifests[HALF] = OTHER
    move([one], targets(), lambda *_: Past(held={}, last={}, elsewhere=True))
    assert one.manifests["demo:latest-py311"] == NEW
    move([one], targets(), nothing)  # the only registry there is
    assert one.manifests["demo:latest-py311"] == OTHER


def test_an_alias_does_not_go_back_from_where_another_publisher_has_put_it() -> None:
    one, other = two()
    one.manifests |= {HALF: OTHER, "demo:latest-py311": OTHER}
    move([one, other], targets(), nothing)
    assert one.manifests["demo:latest-py311"] == OTHER


PAST = Past(held={}, last={})
