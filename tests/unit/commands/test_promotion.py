"""Promotions and rollbacks on a registry in memory, by the command line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
import pytest

from buildkit import cli
from buildkit.aliases.moves import Moves
from buildkit.commands import complete, summary
from buildkit.ledger import ledger, trails
from buildkit.ledger.attach import RELEASE, REPORT
from buildkit.ledger.record import Action, Move
from buildkit.model.image import Location, Published
from buildkit.model.outcome import Outcome
from buildkit.pipeline import Run
from buildkit.project import read
from buildkit.support.errors import Exit, ToolError
from buildkit.system import files
from tests.support import fakes, projects
from tests.support.distribution import Distribution, layer, listed
from tests.support.registry_server import Fault, answers, running
from tests.support.releases import image, release

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from buildkit.ledger.ledger import Ledger
    from buildkit.registry.manifests import Manifest

# a record has a commit, which git is asked for
pytestmark = pytest.mark.process
Captured = pytest.CaptureFixture[str]
VERSIONS = ("1.0", "2.0", "3.0")
ALIAS = "demo:latest"


@dataclass(frozen=True, kw_only=True)
class World:
    """Three released versions, `latest` at the newest, in two registries."""

    folder: Path
    registries: tuple[Distribution, ...]
    manifests: tuple[Manifest, ...]

    @property
    def book(self) -> Ledger:
        return ledger.Ledger(path=self.folder / ledger.NAME)

    def at(self, key: str = ALIAS) -> list[str | None]:
        """Which version a tag names, in each registry."""
        by_digest = {
            each.digest: version for each, version in zip(self.manifests, VERSIONS, strict=True)
        }
        return [by_digest.get(each.digest(key) or "") for each in self.registries]

    def digest(self, version: str) -> str:
        return self.manifests[VERSIONS.index(version)].digest

    def held(self, host: str | None = None) -> set[str]:
        where = host or self.registries[0].host
        return {each[:3] for each in trails.trail(self.book.read(), where, "demo", "latest").held}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.chdir(tmp_path)
    for name in ("BUILDKIT_REGISTRY", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setattr("buildkit.registry.wire._pause", lambda _state: 0)
    (tmp_path / "images.toml").write_text(projects.MINIMAL.replace('"1.0"', '"1.0", "2.0", "3.0"'))
    with running(Distribution()) as one, running(Distribution(refers=True)) as two:
        registries = (one, two)
        manifests = []
        book = ledger.Ledger(path=tmp_path / ledger.NAME)
        before = None
        for version in VERSIONS:
            tag = f"{version}-cpu-py311"
            manifest, _ = (
                each.image("demo", tag, "latest", layers=[layer({version: version})])
                for each in registries
            )
            manifests.append(manifest)
            book.append(
                release(
                    image(
                        version,
                        digest=manifest.digest,
                        locations=tuple(f"{each.host}/demo:{tag}" for each in registries),
                    ),
                    moves=[
                        Move(
                            host=each.host,
                            repository="demo",
                            alias="latest",
                            before=before,
                            after=manifest.digest,
                            tag=tag,
                        )
                        for each in registries
                    ],
                )
            )
            before = manifest.digest
        yield World(folder=tmp_path, registries=registries, manifests=tuple(manifests))


def test_an_alias_goes_back_step_by_step_in_all_registries(world: World, capsys: Captured) -> None:
    assert cli.run(["rollback", ALIAS]) == Exit.DONE
    assert world.at() == ["2.0", "2.0"]
    assert capsys.readouterr().out.splitlines() == [
        f"{r.host}/demo:latest" for r in world.registries
    ]
    assert world.held() == {"3.0"}
    assert cli.run(["rollback", "latest"]) == Exit.DONE
    assert world.at() == ["1.0", "1.0"]
    assert world.held() == {"2.0", "3.0"}
    assert cli.run(["rollback", ALIAS]) == Exit.NOTHING_SELECTED
    assert "does not know where" in capsys.readouterr().err
    assert world.at() == ["1.0", "1.0"]
    last = world.book.read()[-1]
    assert (last.action, last.images) == (Action.ROLLBACK, ())
    assert {each.host for each in last.moves} == {each.host for each in world.registries}


def test_an_alias_goes_back_to_a_digest_or_a_record(world: World) -> None:
    assert cli.run(["rollback", ALIAS, "--to", world.digest("1.0")[7:25]]) == Exit.DONE
    assert world.at() == ["1.0", "1.0"]
    assert world.held() == {"2.0", "3.0"}
    assert cli.run(["rollback", ALIAS, "--to", world.book.read()[1].id]) == Exit.DONE
    assert world.at() == ["2.0", "2.0"]
    assert world.held() == {"1.0", "3.0"}


def test_a_way_to_a_newer_image_can_be_gone_back(world: World) -> None:
    for _ in range(2):
        assert cli.run(["rollback", ALIAS]) == Exit.DONE
    assert cli.run(["rollback", ALIAS, "--to", world.digest("3.0")]) == Exit.DONE
    assert world.at() == ["3.0", "3.0"]
    assert cli.run(["rollback", ALIAS]) == Exit.DONE
    assert world.at() == ["1.0", "1.0"]


def test_a_promotion_takes_a_rollback_back(world: World, capsys: Captured) -> None:
    assert cli.run(["rollback", ALIAS]) == Exit.DONE
    assert cli.run(["promote", world.digest("3.0"), "--to", "latest", "--json"]) == Exit.DONE
    assert world.at() == ["3.0", "3.0"]
    assert world.held() == set()
    said = capsys.readouterr().out
    document = json.loads(said[said.index("{") :])
    assert (document["action"], len(document["moves"])) == ("promote", 2)
    assert document["moves"][0]["before"] == world.digest("2.0")


def test_a_promotion_of_what_was_moved_by_hand_lifts_what_was_held(world: World) -> None:
    assert cli.run(["rollback", ALIAS]) == Exit.DONE
    for each in world.registries:
        each.manifests["demo:latest"] = each.manifests["demo:3.0-cpu-py311"]
    assert cli.run(["promote", world.digest("3.0"), "--to", ALIAS]) == Exit.DONE
    assert world.held() == set()


def test_what_is_there_already_is_not_recorded_again(world: World, capsys: Captured) -> None:
    before = world.book.path.read_text()
    assert cli.run(["promote", world.digest("3.0"), "--to", ALIAS]) == Exit.DONE
    said = capsys.readouterr()
    assert "already points to 3.0-cpu-py311" in said.err
    assert world.book.path.read_text() == before


def test_a_new_alias_can_be_made_and_rolled_back(world: World) -> None:
    for version in ("1.0", "2.0"):
        assert cli.run(["promote", world.digest(version), "--to", "demo:stable"]) == Exit.DONE
        assert world.at("demo:stable") == [version, version]
    assert cli.run(["rollback", "stable"]) == Exit.DONE
    assert world.at("demo:stable") == ["1.0", "1.0"]
    assert world.at() == ["3.0", "3.0"]


def test_a_registry_can_be_named_and_the_others_are_told(world: World, capsys: Captured) -> None:
    one, two = world.registries
    assert cli.run(["rollback", ALIAS, "--registry", two.host]) == Exit.DONE
    assert f"{one.host} skipped" in capsys.readouterr().err
    assert world.at() == ["3.0", "2.0"]
    assert (world.held(one.host), world.held(two.host)) == (set(), {"3.0"})
    assert (
        cli.run(["promote", world.digest("1.0"), "--to", ALIAS, "--registry", one.host])
        == Exit.DONE
    )
    assert world.at() == ["1.0", "2.0"]


def test_nothing_moves_unless_all_registries_hold_the_image(world: World, capsys: Captured) -> None:
    two = world.registries[1]
    del two.manifests[f"demo:{world.digest('2.0')}"]
    before = world.book.path.read_text()
    assert cli.run(["rollback", ALIAS]) == Exit.TOOL
    assert f"{two.host} does not hold {world.digest('2.0')}" in capsys.readouterr().err
    assert world.at() == ["3.0", "3.0"]
    assert world.book.path.read_text() == before


def test_a_promotion_moves_where_the_image_is_and_says_where_it_is_not(
    world: World, capsys: Captured
) -> None:
    two = world.registries[1]
    del two.manifests[f"demo:{world.digest('1.0')}"]
    assert cli.run(["promote", world.digest("1.0"), "--to", ALIAS]) == Exit.DONE
    assert world.at() == ["1.0", "3.0"]
    assert f"{two.host}, which does not hold the image" in capsys.readouterr().err


def test_a_registry_that_refuses_is_told_and_the_others_are_recorded(
    world: World, capsys: Captured
) -> None:
    one, two = world.registries
    two.faults.append(Fault("PUT", "/manifests/latest", answers(400, "immutable")))
    assert cli.run(["rollback", ALIAS]) == Exit.TOOL
    said = capsys.readouterr().err
    assert f"1 of 2 registries failed: `{two.host}/demo:latest` not moved: " in said
    assert f"done: {one.host}" in said
    assert "buildkit repo" in said
    assert world.at() == ["2.0", "3.0"]
    assert [each.host for each in world.book.read()[-1].moves] == [one.host]
    assert (world.held(one.host), world.held(two.host)) == ({"3.0"}, set())
    assert cli.run(["rollback", ALIAS]) == Exit.DONE
    assert f"{one.host}/demo:latest already points to 2.0-cpu-py311\n" in capsys.readouterr().err
    assert world.at() == ["2.0", "2.0"]
    assert [each.host for each in world.book.read()[-1].moves] == [two.host]


def test_a_way_back_that_was_refused_is_finished_also_where_there_is_no_earlier_stop(
    world: World,
) -> None:
    _one, two = world.registries
    assert cli.run(["rollback", ALIAS]) == Exit.DONE
    two.faults.append(Fault("PUT", "/manifests/latest", answers(400, "immutable")))
    assert cli.run(["rollback", ALIAS]) == Exit.TOOL
    assert world.at() == ["1.0", "2.0"]
    assert cli.run(["rollback", ALIAS]) == Exit.DONE
    assert world.at() == ["1.0", "1.0"]
    assert [each.host for each in world.book.read()[-1].moves] == [two.host]


def test_a_target_may_be_said_in_the_place_of_its_digest(world: World, capsys: Captured) -> None:
    assert cli.run(["promote", "demo-1.0-cpu-py311", "--to", "demo:stable"]) == Exit.DONE
    (stable, _) = world.book.read()[-1].moves
    assert (stable.alias, stable.after) == ("stable", world.digest("1.0"))
    assert cli.run(["promote", f"demo-1.0-cpu-py311@{world.book.read()[0].id}", "--to", "demo:stable"]) == Exit.DONE  # fmt: skip
    assert cli.run(["rollback", ALIAS, "--to", "demo-1.0-cpu-py311"]) == Exit.DONE
    assert world.at() == ["1.0", "1.0"]
    assert cli.run(["promote", "demo-1.0-cpu-py312", "--to", "demo:stable"]) == Exit.NOTHING_SELECTED  # fmt: skip
    assert "did you mean: `demo-1.0-cpu-py311`" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["cache-x", "sha256-0123"])
def test_no_alias_is_made_that_would_expire_or_hide_what_is_beside_an_image(
    world: World, capsys: Captured, name: str
) -> None:
    assert cli.run(["promote", world.digest("1.0"), "--to", f"demo:{name}"]) == Exit.USAGE
    said = capsys.readouterr().err
    assert f"error: tag `{name}` is reserved" in said
    assert "hint: choose an alias that does not begin with `cache-` or `sha256-`" in said
    assert all(f"demo:{name}" not in each.manifests for each in world.registries)


@pytest.mark.parametrize("moved", [1, 2])
def test_a_way_back_that_was_cut_off_is_finished_by_the_same_command(
    world: World, capsys: Captured, moved: int
) -> None:
    """Killed before it was on record, when it had moved the alias in some registries or in all."""
    for each in world.registries[:moved]:
        each.manifests["demo:latest"] = each.manifests["demo:2.0-cpu-py311"]
    assert cli.run(["rollback", ALIAS]) == Exit.DONE
    assert (
        "already points to 2.0-cpu-py311; adding the missing ledger record"
        in capsys.readouterr().err
    )
    assert world.at() == ["2.0", "2.0"]
    for there, move in zip(world.registries, world.book.read()[-1].moves, strict=True):
        assert (move.before, move.after) == (world.digest("3.0"), world.digest("2.0"))
        assert world.held(there.host) == {"3.0"}
    assert cli.run(["rollback", ALIAS]) == Exit.DONE
    assert world.at() == ["1.0", "1.0"]


def test_a_promotion_that_was_cut_off_is_put_on_record_by_the_same_command(world: World) -> None:
    for each in world.registries:
        each.manifests["demo:latest"] = each.manifests["demo:1.0-cpu-py311"]
    assert cli.run(["promote", world.digest("1.0"), "--to", ALIAS]) == Exit.DONE
    *_, last = world.book.read()
    assert [each.before for each in last.moves] == [world.digest("3.0")] * 2


@pytest.mark.parametrize("command", [["rollback", "latest"], ["promote", "ONE", "--to", "latest"]])
def test_nothing_moves_that_cannot_be_put_on_record(
    world: World, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    def refuse(_book: Ledger) -> None:
        raise ToolError("releases.jsonl cannot be written")

    monkeypatch.setattr(ledger.Ledger, "check", refuse)
    words = [world.digest("1.0") if word == "ONE" else word for word in command]
    assert cli.run(words) == Exit.TOOL
    assert world.at() == ["3.0", "3.0"]


@pytest.mark.parametrize("name", ["9.9-cpu-py311", "stable-cpu-py311"])
def test_no_alias_is_made_that_publications_would_take_for_a_version(
    world: World, capsys: Captured, name: str
) -> None:
    text = '[registry]\naliases = ["latest-{device}-{py}"]\n' + projects.MINIMAL
    (world.folder / "images.toml").write_text(text)
    assert cli.run(["promote", world.digest("1.0"), "--to", f"demo:{name}"]) == Exit.USAGE
    assert "looks like the exact tag of version" in capsys.readouterr().err
    assert cli.run(["promote", world.digest("1.0"), "--to", "demo:latest-cpu-py311"]) == Exit.DONE
    assert cli.run(["promote", world.digest("1.0"), "--to", "demo:stable-py311-cpu"]) == Exit.DONE


def test_an_alias_that_somebody_else_moves_meanwhile_is_told(
    world: World, capsys: Captured
) -> None:
    one = world.registries[0]

    def move_on(key: str) -> None:
        if key == "demo:latest":
            one.manifests[key] = one.manifests["demo:1.0-cpu-py311"]

    one.on_put = move_on
    assert cli.run(["rollback", ALIAS, "--registry", one.host]) == Exit.TOOL
    assert "another process may have moved" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "wanted"),
    [
        (["promote", "1.0", "--to", "latest"], Exit.NOTHING_SELECTED, "nor a digest"),
        (["promote", "0" * 12, "--to", "latest"], Exit.NOTHING_SELECTED, "not found in the ledger"),
        (["promote", "THREE", "--to", "demo:1.0-cpu-py311"], Exit.USAGE, "is an exact tag"),
        (["promote", "THREE", "--to", "demo"], Exit.USAGE, "is already in `demo`"),
        (["promote", "THREE", "--to", "other:stable"], Exit.NOTHING_SELECTED, "--to other:3.0-cpu"),
        (["promote", "THREE", "--to", "demo:no tag"], Exit.USAGE, "is not a tag"),
        (["promote", "THREE", "--to", "r.example:5000/demo:x"], Exit.USAGE, "without a host"),
        (["promote", "THREE"], Exit.USAGE, "missing option '--to'"),
        (["rollback", "demo:unknown"], Exit.NOTHING_SELECTED, "the ledger has no move of"),
        (["rollback", "demo:1.0-cpu-py311"], Exit.USAGE, "is an exact tag"),
        (["rollback", "latest", "--to", "2020"], Exit.NOTHING_SELECTED, "record `2020` not found"),
        (["rollback", "latest", "--to", "0" * 12], Exit.NOTHING_SELECTED, "not found in the ledger"),
        (["diff", "nothing", "demo:latest"], Exit.USAGE, "not found: it is neither"),
        (["diff", "demo-1.0-cpu-py311@2020", "demo:latest"], Exit.NOTHING_SELECTED, "record `2020` not found"),
        (["diff", "demo:nothing", "demo:latest"], Exit.NOTHING_SELECTED, "not found in 127.0.0.1"),
        (["releases", "other*"], Exit.NOTHING_SELECTED, "has no record of `other*`"),
        (["releases", "--limit", "0"], Exit.USAGE, "--limit"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_and_moves_nothing(
    world: World, arguments: list[str], code: Exit, wanted: str, capsys: Captured
) -> None:
    before = world.book.path.read_text()
    named = [world.digest("3.0") if each == "THREE" else each for each in arguments]
    assert cli.run(named) == code
    said = capsys.readouterr()
    assert wanted in said.err
    assert said.out == ""
    assert world.at() == ["3.0", "3.0"]
    assert world.book.path.read_text() == before


@pytest.mark.parametrize("mounts", [True, False], ids=["mounted", "through this machine"])
def test_an_image_is_copied_to_another_repository(
    world: World, mounts: bool, capsys: Captured
) -> None:
    one, two = world.registries
    one.mounts = two.mounts = mounts
    assert cli.run(["promote", world.digest("2.0"), "--to", "production/demo"]) == Exit.DONE
    key = "production/demo:2.0-cpu-py311"
    assert world.at(key) == ["2.0", "2.0"]
    assert capsys.readouterr().out.splitlines() == [f"{r.host}/{key}" for r in world.registries]
    for each in world.registries:
        assert (
            each.blobs["production/demo"].items()
            >= {
                digest: each.blobs["demo"][digest]
                for digest in json.loads(each.manifests[key][1])["layers"][0].values()
                if digest in each.blobs["demo"]
            }.items()
        )
        (record,) = listed(each.registry, "production/demo", world.digest("2.0"))
        assert record["artifactType"] == RELEASE
    last = world.book.read()[-1]
    assert (last.action, last.moves) == (Action.PROMOTE, ())
    assert last.images[0].repository == "production/demo"
    assert cli.run(["promote", world.digest("2.0"), "--to", "production/demo:stable"]) == Exit.DONE
    assert world.at("production/demo:stable") == ["2.0", "2.0"]


def test_an_alias_needs_no_repository_where_it_was_moved_in_one(
    world: World, capsys: Captured
) -> None:
    assert cli.run(["promote", world.digest("2.0"), "--to", "production/demo"]) == Exit.DONE
    assert cli.run(["rollback", "latest"]) == Exit.DONE
    assert world.at() == ["2.0", "2.0"]
    capsys.readouterr()
    assert cli.run(["promote", world.digest("2.0"), "--to", "stable"]) == Exit.USAGE
    assert "could be in 2 repositories: demo, production/demo" in capsys.readouterr().err


def test_a_copy_takes_no_tag_that_another_image_has(world: World, capsys: Captured) -> None:
    one, two = world.registries
    taken = one.image("other", "2.0-cpu-py311", layers=[layer({"x": "x"})])
    assert cli.run(["promote", world.digest("2.0"), "--to", "other:2.0-cpu-py311"]) == Exit.TOOL
    said = capsys.readouterr().err
    assert "already exists with another image" in said
    assert one.digest("other:2.0-cpu-py311") == taken.digest
    assert two.digest("other:2.0-cpu-py311") == world.digest("2.0")
    assert world.book.read()[-1].images[0].locations == (f"{two.host}/other:2.0-cpu-py311",)


@pytest.mark.parametrize("to", ["production/demo", "production/demo:2.0-cpu-py311"])
def test_a_copy_that_failed_in_one_registry_is_finished_by_the_same_command(
    world: World, to: str, capsys: Captured
) -> None:
    two = world.registries[1]
    command = ["promote", world.digest("2.0"), "--to", to]
    two.faults.append(Fault("PUT", "/manifests/", answers(400, "not now")))
    assert cli.run(command) == Exit.TOOL
    assert world.at("production/demo:2.0-cpu-py311") == ["2.0", None]
    uris = tuple(f"{each.host}/production/demo:2.0-cpu-py311" for each in world.registries)
    assert world.book.read()[-1].images[0].locations == uris[:1]
    assert cli.run(command) == Exit.DONE
    assert world.at("production/demo:2.0-cpu-py311") == ["2.0", "2.0"]
    assert world.book.read()[-1].images[0].locations == uris
    for each in world.registries:
        found = listed(each.registry, "production/demo", world.digest("2.0"))
        assert [entry["artifactType"] for entry in found] == [RELEASE]
    before = world.book.path.read_text()
    capsys.readouterr()
    assert cli.run(command) == Exit.DONE
    said = capsys.readouterr()
    assert f"{uris[1]} already exists" in said.err
    assert said.out.splitlines() == [*uris]
    assert world.book.path.read_text() == before


def test_releases_are_listed_newest_first(world: World, capsys: Captured) -> None:
    assert cli.run(["rollback", ALIAS]) == Exit.DONE
    capsys.readouterr()
    assert cli.run(["releases"]) == Exit.DONE
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["RECORD", "ACTION", "WHAT", "DIGEST", "TEST", "COMMIT"]
    assert "rollback" in lines[0]
    assert "demo:latest -> 2.0-cpu-py311" in lines[0]
    assert world.digest("2.0")[:19] in lines[0]
    assert lines[2].split()[1:4] == ["publish", "demo:3.0-cpu-py311", world.digest("3.0")[:19]]
    assert cli.run(["releases", "demo-1.0*", "--json"]) == Exit.DONE
    (first, second) = json.loads(capsys.readouterr().out)
    assert second["images"][0]["target"] == "demo-1.0-cpu-py311"
    assert first["moves"][0]["before"] == world.digest("1.0")
    world.book.append(release(image("1.0", "1"), image("7.0", "7"), image("8.0", "8")))
    assert cli.run(["releases", "demo-7.0*", "--json"]) == Exit.DONE
    (only,) = json.loads(capsys.readouterr().out)
    assert [each["target"] for each in only["images"]] == ["demo-7.0-cpu-py311"]


def test_releases_can_be_limited(world: World, capsys: Captured) -> None:
    assert cli.run(["rollback", ALIAS]) == Exit.DONE
    capsys.readouterr()
    assert cli.run(["releases", "--limit", "1", "--json"]) == Exit.DONE
    assert [each["action"] for each in json.loads(capsys.readouterr().out)] == ["rollback"]


@pytest.mark.parametrize(
    "names",
    [
        ("demo-2.0-cpu-py311", "demo-3.0-cpu-py311"),
        ("demo:2.0-cpu-py311", "demo:latest"),
        ("TWO", "THREE"),
        ("HOST/demo:2.0-cpu-py311", "demo-3.0-cpu-py311@RECORD"),
    ],
)
def test_two_images_are_compared_by_any_name(
    world: World, names: tuple[str, str], capsys: Captured
) -> None:
    words = {
        "TWO": world.digest("2.0"), "THREE": world.digest("3.0")[7:20],
        "HOST": world.registries[1].host, "RECORD": world.book.read()[2].id,
    }  # fmt: skip

    def meant(name: str) -> str:
        for word, text in words.items():
            name = name.replace(word, text)
        return name

    assert cli.run(["diff", *map(meant, names), "--json"]) == Exit.DONE
    found = json.loads(capsys.readouterr().out)
    assert (found["a"]["digest"], found["b"]["digest"]) == (
        world.digest("2.0"),
        world.digest("3.0"),
    )
    assert found["a"]["target"] == "demo-2.0-cpu-py311"
    assert found["a"]["base"] == f"python:3.11-slim@sha256:{'b' * 64}"
    assert len(found["layers"]["only_a"]) == len(found["layers"]["only_b"]) == 1


def test_a_comparison_is_a_page(world: World, capsys: Captured) -> None:
    assert cli.run(["diff", "demo-2.0-cpu-py311", "demo-3.0-cpu-py311"]) == Exit.DONE
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"a  {world.registries[0].host}/demo@{world.digest('2.0')}"
    assert "  the same: python:3.11-slim@sha256:" in lines[4]
    assert lines[5:7] == ["layers", "  0, 0.0 MB, in both"]
    assert lines[-2:] == ["packages", "  the same"]


def test_publications_are_told_what_was_taken_back(world: World) -> None:
    from buildkit import recording

    project, host = read(world.folder / "images.toml", None), world.registries[0].host
    assert recording.known(project)(host, "demo").held == {"latest": frozenset()}
    assert cli.run(["rollback", ALIAS]) == Exit.DONE
    assert recording.known(project)(host, "demo").held == {"latest": {"3.0-cpu-py311"}}
    assert recording.known(project)(host, "other").held == {}


def test_digests_and_aliases_are_completed(world: World) -> None:
    context = click.Context(cli.cli)
    parameter = click.Argument(["any"])
    digest = world.digest("2.0")
    assert complete.digests(context, parameter, digest[:12]) == [digest]
    assert complete.aliases(context, parameter, "demo:l") == [ALIAS]
    files.write_text(world.book.path, "half a li")
    assert complete.aliases(context, parameter, "") == []


def test_uri_knows_what_is_on_record_alone(world: World, capsys: Captured) -> None:
    assert cli.run(["promote", world.digest("2.0"), "--to", "production/demo"]) == Exit.DONE
    capsys.readouterr()
    host = world.registries[0].host
    assert cli.run(["uri", "demo-2.0*"]) == Exit.DONE
    assert capsys.readouterr() == (f"{host}/demo:2.0-cpu-py311\n", "")
    assert cli.run(["uri", "demo-2.0*", "--digest"]) == Exit.DONE
    assert capsys.readouterr() == (f"{host}/demo@{world.digest('2.0')}\n", "")


def published(world: World, *, pushed: bool) -> Published:
    target = read(world.folder / "images.toml", None).targets[0]
    manifest = world.manifests[0]
    verified = fakes.verified(fakes.built(target, manifest_digest=manifest.digest))
    locations = tuple(
        Location(uri=f"{each.host}/{target.image}", pushed=pushed) for each in world.registries
    )
    return Published(
        verified=verified,
        digest=manifest.digest,
        size=3,
        manifest_size=len(manifest.content),
        locations=locations,
    )


def note(world: World, *images: Published) -> None:
    from buildkit import recording

    registries = tuple(each.registry for each in world.registries)
    since = frozenset(each.id for each in world.book.read())
    recording.note(read(world.folder / "images.toml", None), images, registries, since=since)


def test_a_publication_is_recorded_beside_the_project_and_beside_the_image(world: World) -> None:
    before = len(world.book.read())
    note(world, published(world, pushed=True))
    *_, last = world.book.read()
    assert len(world.book.read()) == before + 1
    (found,) = last.images
    assert (last.action, found.digest) == (Action.PUBLISH, world.digest("1.0"))
    for each in world.registries:
        entries = listed(each.registry, "demo", found.digest)
        kinds = {entry["artifactType"]: entry["digest"] for entry in entries}
        assert kinds.keys() == {RELEASE, REPORT}
        blob = json.loads(each.manifests[f"demo:{kinds[RELEASE]}"][1])["layers"][0]["digest"]
        assert each.blobs["demo"][blob].decode() == ledger.text(last)
        assert each.digest("demo:1.0-cpu-py311") == world.digest("1.0")


def test_what_was_published_already_is_recorded_only_if_it_is_not(world: World) -> None:
    """It is not where a run was cut off between the push and its end."""
    before = world.book.path.read_text()
    note(world, published(world, pushed=False))
    assert world.book.path.read_text() == before
    world.book.path.unlink()
    note(world, published(world, pushed=False))
    assert [each.images[0].version for each in world.book.read()] == ["1.0"]


def test_a_run_that_published_nothing_does_not_read_the_ledger_again(world: World) -> None:
    from buildkit import recording

    world.book.path.write_text("no record")
    found = read(world.folder / "images.toml", None)
    recording.note(found, (), tuple(each.registry for each in world.registries), since=frozenset())


def test_a_record_that_cannot_be_attached_is_no_failure(world: World, capsys: Captured) -> None:
    one, two = world.registries
    one.faults.append(Fault("POST", "/blobs/uploads/", answers(405, "no artifacts"), times=99))
    note(world, published(world, pushed=True))
    said = capsys.readouterr().err
    assert f"the record could not be attached in {one.host}/demo" in said
    assert "405" in said
    assert len(listed(two.registry, "demo", world.digest("1.0"))) == 2
    assert world.book.read()[-1].images[0].hosts == (one.host, two.host)


def test_a_run_that_cannot_be_recorded_is_reported_all_the_same(
    world: World, capsys: Captured
) -> None:
    run = Run(
        outcomes=(outcome(world),), moves=Moves(), unrecorded=ToolError("the ledger is broken")
    )
    target = run.outcomes[0].target
    asked = summary.Asked(command="push", select=())
    with pytest.raises(ToolError, match="the ledger is broken"):
        summary.end(run, [target], asked, as_json=False)
    assert target.image in capsys.readouterr().out


def outcome(world: World) -> Outcome:
    image = published(world, pushed=True)
    built = image.verified.built
    return Outcome(target=built.target, built=built, published=image)


def away_with_the_folder_of_the_ledger(world: World) -> None:
    world.book.path.unlink()
    world.book.path.symlink_to(world.folder / "nowhere" / "releases.jsonl")


def test_a_ledger_that_cannot_be_written_stops_a_push_before_anything_is_sent(
    world: World, capsys: Captured
) -> None:
    away_with_the_folder_of_the_ledger(world)
    assert cli.run(["push", "--all", "--registry", world.registries[0].host]) == Exit.TOOL
    assert "releases.jsonl cannot be written: No such file" in capsys.readouterr().err
    assert not any(line.startswith("PUT") for line in world.registries[0].requests)


def test_a_ledger_that_cannot_be_read_stops_a_push_before_anything_is_sent(
    world: World, capsys: Captured
) -> None:
    files.write_text(world.book.path, "half a li")
    assert cli.run(["push", "--all", "--registry", world.registries[0].host]) == Exit.TOOL
    said = capsys.readouterr().err
    assert "releases.jsonl:1 is not a valid record" in said
    assert not any(line.startswith("PUT") for line in world.registries[0].requests)


@pytest.mark.parametrize("given_by", ["`--registry`", "BUILDKIT_REGISTRY"])
def test_registries_that_replace_those_of_the_file_are_said(
    world: World, capsys: Captured, monkeypatch: pytest.MonkeyPatch, given_by: str
) -> None:
    file = world.folder / "images.toml"
    file.write_text(f'[registry]\nhost = "other.example"\n{file.read_text()}')
    host = world.registries[0].host
    option = ["--registry", host] if given_by == "`--registry`" else []
    if not option:
        monkeypatch.setenv("BUILDKIT_REGISTRY", host)
    cli.run(["push", "--all", *option])
    said = f"registries from {given_by}: {host}; ignoring those of images.toml: other.example\n"
    assert said in capsys.readouterr().err


def test_registries_that_the_file_names_itself_need_no_words(
    world: World, capsys: Captured
) -> None:
    file = world.folder / "images.toml"
    host = world.registries[0].host
    file.write_text(f'[registry]\nhost = "{host}"\n{file.read_text()}')
    cli.run(["push", "--all", "--registry", host])
    assert "are not used" not in capsys.readouterr().err
