"""What CI needs of the tool: shards, changes, merged records, revisions, notes."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildkit import cli, project, records
from buildkit.ci import changes, formats, merging, revisions, shards
from buildkit.config.boundary import Boundary
from buildkit.diff import release_notes
from buildkit.diff.differences import Difference
from buildkit.ledger import ledger
from buildkit.ledger.record import Verdict
from buildkit.lock import lockfile
from buildkit.lock.lockfile import Lock
from buildkit.model.image import Built, Origin, Staged, Status, Verified
from buildkit.model.login import Login
from buildkit.support.errors import Exit, ToolError, UsageError
from tests.support import fakes, projects
from tests.support.releases import HOST, digest, image, move, release
from tests.support.thorough import THOROUGH

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.ci.merging import Part
    from buildkit.model.target import Target
    from buildkit.project import Project

IMAGES = """
[image.demo]
versions = ["1.0", "2.0"]
pythons = ["3.11", "3.13"]
base = "python:{python}-slim"
template = "basic"
context = "program"
exclude = [{ version = "1.0", python = "3.13" }]
"""
ORIGIN = Origin(base="python:3.11-slim", base_digest=digest("b"), inputs=digest("d"))
IDS = ["demo-1.0-cpu-py311", "demo-2.0-cpu-py311", "demo-2.0-cpu-py313"]


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images.toml").write_text(IMAGES)
    projects.programs(tmp_path / "program")
    return project.read(tmp_path / "images.toml", None)


def timed(target: str, build: float | None, test: float, **more: Any) -> Any:
    verdict = Verdict(profile="smoke", suite="s", passed=2, warned=0, skipped=0, seconds=test)
    return image(target=target, verdict=verdict, build_seconds=build, **more)


# shards


@settings(
    max_examples=100 if THOROUGH else 30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    st.lists(st.floats(min_value=0.1, max_value=1e4), min_size=1, max_size=40),
    st.integers(min_value=1, max_value=50),
)
def test_every_target_is_in_one_shard_and_none_waits_long(times: list[float], count: int) -> None:
    targets = [replace(projects.target(), id=f"t{number}") for number in range(len(times))]
    of = {target.id: seconds for target, seconds in zip(targets, times, strict=True)}
    made = shards.balance(targets, of, count)
    assert sorted(t.id for each in made for t in each.targets) == sorted(of)
    assert len(made) == min(count, len(targets))
    assert all(each.targets for each in made)
    best = max(sum(times) / len(made), *times)  # nobody can do better than this
    assert max(each.seconds for each in made) <= best * 2
    assert made == shards.balance(targets, of, count)
    order = {target.id: place for place, target in enumerate(targets)}
    for each in made:
        places = [order[target.id] for target in each.targets]
        assert places == sorted(places)


def test_the_longest_time_on_record_counts_and_else_that_of_its_like(found: Project) -> None:
    known = [
        timed(IDS[0], 100.0, 20.0),
        timed(IDS[0], 0.0, 25.0),  # from a cache
        timed(IDS[2], None, 50.0, python="3.13"),
    ]
    assert shards.seconds(found.targets, known) == {IDS[0]: 120.0, IDS[1]: 120.0, IDS[2]: 50.0}
    assert {*shards.seconds(found.targets, []).values()} == {shards.UNKNOWN}


def test_more_shards_than_end_sooner_are_not_made() -> None:
    assert shards.enough([60.0] * 9, most=256) == 1
    assert shards.enough([600.0] * 9, most=256) == 9
    assert shards.enough([5400.0, *[600.0] * 9], most=256) == 2  # the long one ends last anyway
    assert shards.enough([600.0] * 900, most=256) == 256
    assert shards.enough([], most=256) == 1


def test_the_formats_hold_every_target_once(found: Project) -> None:
    times = shards.seconds(found.targets, [])
    made = shards.balance(found.targets, times, 2)
    line, ids = formats.github(made).splitlines()
    cells = json.loads(line.removeprefix("matrix="))["include"]
    assert [each["shard"] for each in cells] == [1, 2]
    assert sorted(" ".join(each["targets"] for each in cells).split()) == IDS
    assert sorted(ids.removeprefix("targets=").split()) == IDS
    gitlab = json.loads(formats.gitlab(made))
    assert sorted(gitlab["publish"]["variables"]["TARGETS"].split()) == IDS
    assert {"build 1/2", "build 2/2"} < gitlab.keys()
    *jobs, publish = json.loads(formats.buildspec(made))["batch"]["build-graph"]
    assert publish["depend-on"] == [each["identifier"] for each in jobs] == ["shard_1", "shard_2"]
    assert all(f"`{id_}`" in formats.markdown(made) for id_ in IDS)
    quick = shards.balance(found.targets, dict.fromkeys(times, 1.0), 1)
    assert f"{len(IDS)} targets in 1 shard of at most 1 minute." in formats.markdown(quick)


def test_a_plan_without_targets_is_one_that_every_ci_takes() -> None:
    assert formats.github(()) == 'matrix={"include":[]}\ntargets='
    assert "nothing to build" in json.loads(formats.gitlab(()))
    (job,) = json.loads(formats.buildspec(()))["batch"]["build-graph"]
    assert job["identifier"] == "nothing"
    assert formats.markdown(()).startswith("Nothing to build: all selected targets are released")


def test_no_more_shards_than_a_ci_takes(found: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["ci-matrix", "--all", "--format", "github", "--shards", "257"]) == Exit.USAGE
    assert "256 at most" in capsys.readouterr().err
    assert cli.run(["ci-matrix", "--all", "--json", "--shards", "256"]) == Exit.DONE
    assert len(json.loads(capsys.readouterr().out)) == len(IDS)


# changes


def of_now(found: Project, target: Target, **changes_: Any) -> Any:
    origin = replace(ORIGIN, inputs=changes.inputs_of(found, [target])[target.id])
    facts = {"target": target.id, "tag": target.tag, "origin": origin, **changes_}
    return image(target.version, **facts)


def test_what_a_release_has_given_is_not_built_again(found: Project) -> None:
    first, *rest = found.targets
    assert changes.unreleased(found, found.targets, []) == found.targets
    known = [release(of_now(found, first))]
    assert changes.unreleased(found, found.targets, known) == tuple(rest)


def test_a_tag_that_other_files_have_is_told_before_anything_is_built(found: Project) -> None:
    first, *_ = found.targets
    origin = replace(ORIGIN, inputs=digest("e"))
    known = [release(of_now(found, first, origin=origin))]
    with pytest.raises(
        ToolError, match=f"1 of 3 targets have changed since their release: {first.id}"
    ) as caught:
        changes.unreleased(found, found.targets, known)
    assert "`1.0-1`" in str(caught.value.hint)
    assert changes.stale(found, found.targets, known) == (first,)
    text = '[registry.repositories]\nmutability = "mutable"\n'
    found.config.path.write_text(f"{text}{IMAGES}")
    again = project.read(found.config.path, None)
    assert changes.unreleased(again, again.targets, known) == again.targets


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.mark.process
@pytest.mark.parametrize(
    ("file", "text", "changed"),
    [
        ("README", "nothing of an image", []),
        ("program/train", "#!/bin/sh\nexit 0\n", IDS),
        ("images.toml", IMAGES.replace('"2.0"]', '"2.0", "3.0"]'), ["demo-3.0-cpu-py311", "demo-3.0-cpu-py313"]),
        ("images.toml", IMAGES + '[image.demo.samples]\nhyperparameters = { a = "1" }\n', IDS),
        ("templates/_base.Dockerfile.j2", "FROM {{ target.base }}\n", IDS),
    ],
)  # fmt: skip
def test_since_a_commit_only_what_is_made_or_tested_otherwise_has_changed(
    found: Project, file: str, text: str, changed: list[str]
) -> None:
    folder = found.config.folder
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "one")
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text(text)
    now = project.read(folder / "images.toml", None)
    assert [each.id for each in changes.since(now, now.targets, "main")] == changed
    for other in ("elsewhere", "--all", "-x"):
        with pytest.raises(UsageError, match=f"commit `{other}` not found"):
            changes.since(now, now.targets, other)


@pytest.mark.process
@pytest.mark.parametrize("link", ["/usr/bin/env", "../../../elsewhere", "absent"])
def test_since_a_commit_links_and_folders_beside_the_project_are_as_in_the_checkout(
    found: Project, link: str
) -> None:
    top = found.config.folder
    (top / "sub").mkdir()
    (top / "sub" / "images.toml").write_text(IMAGES.replace('"program"', '"../program"'))
    (top / "link").symlink_to(link)
    git(top, "init", "--quiet", "--initial-branch=main")
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--message", "one")
    now = project.read(top / "sub" / "images.toml", None)
    assert changes.since(now, now.targets, "main") == ()
    (top / "program" / "link").symlink_to(link)
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "--message", "two")
    now = project.read(top / "sub" / "images.toml", None, allow_outside=True)
    assert changes.since(now, now.targets, "HEAD") == ()
    assert changes.since(now, now.targets, "HEAD~1") == now.targets


@pytest.mark.process
def test_since_a_commit_without_images_everything_has_changed(found: Project) -> None:
    folder = found.config.folder
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "one")
    assert changes.since(found, found.targets, "HEAD") == found.targets


# merging


def hand_over(found: Project, folder: Path, target: Target, **how: Any) -> Verified:
    """What a shard leaves of one target."""
    made_from = how.get("made_from", changes.inputs_of(found, [target])[target.id])
    letter = how.get("letter", "a")
    built = Built(
        target=target,
        image_id=digest(letter),
        config_digest=digest("c"),
        manifest_digest=digest(letter),
        origin=replace(ORIGIN, inputs=made_from),
    )
    status = how.get("status", Status.PASS)
    report = fakes.report(fakes.clause(status), digest=built.image_id)
    kept = records.Records(folder=folder, limits=Boundary(root=folder))
    kept.write(records.BUILT, target.id, built)
    kept.write(records.REPORT, target.id, report)
    if status is not Status.PASS:
        return None  # type: ignore[return-value]
    verified = Verified(built=built, report=report)
    kept.write(records.VERIFIED, target.id, verified)
    if hosts := how.get("hosts"):
        staged = Staged(verified=verified, digest=digest(letter), hosts=hosts)
        kept.write(records.STAGED, target.id, staged)
    return verified


def merged(found: Project, *folders: Path) -> tuple[Part, ...]:
    made_from = changes.inputs_of(found, found.targets)
    return merging.merge(found, found.targets, merging.folders(folders), made_from)


def test_records_of_shards_become_those_of_one_project(found: Project, tmp_path: Path) -> None:
    one, two, three = found.targets
    hand_over(found, tmp_path / "shards/shard-1", one, hosts=(HOST,))
    hand_over(found, tmp_path / "shards/shard-1", two, hosts=(HOST,))
    hand_over(found, tmp_path / "shards/shard-2", three, hosts=(HOST,))
    merging.write(found, merged(found, tmp_path / "shards"))
    for target in found.targets:
        staged = found.staged(found.verified(target))
        assert staged is not None
        assert staged.hosts == (HOST,)
        assert found.verified(target).report.passed


@pytest.mark.parametrize(
    ("how", "told"),
    [
        (None, "demo-2.0-cpu-py313: no record found"),
        ({"status": Status.FAIL}, "shards/2: the image fails RUN-01"),
        ({"made_from": digest("e")}, "shards/2: built from different files"),
        ({"hosts": ("elsewhere",)}, "demo-2.0-cpu-py313: .*2: staged in elsewhere"),
        ({}, "demo-2.0-cpu-py313: .*2: staged in no registry"),
    ],
)
def test_an_incomplete_or_contradictory_set_is_refused_by_name(
    found: Project, tmp_path: Path, how: dict[str, Any] | None, told: str
) -> None:
    *first, last = found.targets
    for target in first:
        hand_over(found, tmp_path / "shards/1", target, hosts=(HOST,))
    if how is not None:
        hand_over(found, tmp_path / "shards/2", last, **how)
    with pytest.raises(ToolError, match="records of 3 targets cannot be merged") as caught:
        merged(found, tmp_path / "shards")
    assert re.search(told, caught.value.details)
    assert not (tmp_path / "dist").exists()


def test_two_images_of_one_target_are_refused_and_the_same_one_twice_is_not(
    found: Project, tmp_path: Path
) -> None:
    for target in found.targets:
        hand_over(found, tmp_path / "1", target)
    hand_over(found, tmp_path / "2", found.targets[0])
    assert len(merged(found, tmp_path / "1", tmp_path / "2")) == len(IDS)
    hand_over(found, tmp_path / "2", found.targets[0], letter="b")
    with pytest.raises(ToolError) as caught:
        merged(found, tmp_path / "1", tmp_path / "2")
    assert f"{digest('a')}; " in caught.value.details
    assert digest("b") in caught.value.details


def test_a_folder_without_records_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no records found"):
        merging.folders([tmp_path])


# revisions


def test_a_revision_is_raised_and_all_else_stays_as_it_is() -> None:
    text = (
        '# ours\n[image.demo]  # the demo\nversions = [\n  "1.0",  # old\n  "2.0-3",\n]\n'
        'exclude = [{ version = "1.0", python = "3.13" }]\n'
        'include = [{ version = "2.0-3", device = "gpu" }]\n[image.other]\nversions = ["1.0"]\n'
    )
    changed = revisions.edited(text, {"demo": {"1.0": "1.0-1", "2.0-3": "2.0-4"}})
    head, tail = text.split("[image.other]")
    expected = head.replace('"1.0"', '"1.0-1"').replace('"2.0-3"', '"2.0-4"')
    assert changed == f"{expected}[image.other]{tail}"


def test_a_revision_that_was_released_is_not_given_again(found: Project) -> None:
    known = [release(image("1.0")), release(image("1.0-1")), release(image("1.0-2"))]
    assert revisions.bumped(found.targets, known) == {"demo": {"1.0": "1.0-3", "2.0": "2.0-1"}}


def test_revise_writes_the_file_and_says_the_new_targets(
    found: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["revise", "demo-1.0-*"]) == Exit.DONE
    out, err = capsys.readouterr()
    assert out == "demo-1.0-1-cpu-py311\n"
    assert "demo: 1.0 is now 1.0-1" in err
    assert found.config.path.read_text() == IMAGES.replace('"1.0"', '"1.0-1"')


@dataclass
class Bases:
    """An engine that is asked what bases are now, and with whose login."""

    now: dict[str, frozenset[str]]
    asked: dict[str, Login | None] = field(default_factory=dict)

    def digests(self, image: str, login: Login | None) -> frozenset[str]:
        self.asked[image] = login
        return self.now.get(image, frozenset())


def test_what_is_released_and_would_be_another_image_now_is_revised(
    found: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    private = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/base:1"
    found.config.path.write_text(
        '[image.demo]\nversions = ["1.0", "2.0", "3.0", "4.0"]\nbase = "python:3.11-slim"\n'
        'template = "basic"\ncontext = "program"\n'
        f'[[image.demo.override]]\nwhen = {{ version = "3.0" }}\nbase = "{private}"\n'
    )
    now = project.read(found.config.path, None)
    book = ledger.beside(found.config.path, found.config.boundary)
    for target in now.targets[:3]:  # 4.0 is not released
        book.append(release(of_now(now, target)))
    engine = Bases(
        {"python:3.11-slim": frozenset({digest("b")}), private: frozenset({digest("f")})}
    )
    monkeypatch.setattr("buildkit.engine.engine.connect", lambda: nullcontext(engine))
    monkeypatch.setenv("DOCKER_CONFIG", str(found.config.folder / "docker"))
    monkeypatch.setattr(
        "buildkit.ecr.api.login", lambda place: Login(user="AWS", password=place.host)
    )
    assert cli.run(["revise", "--all", "--changed"]) == Exit.DONE
    assert capsys.readouterr().out.split() == ["demo-3.0-1-cpu-py311"]
    assert engine.asked["python:3.11-slim"] is None
    assert engine.asked[private] == Login(user="AWS", password=private.partition("/")[0])
    engine.now[private] = frozenset()
    (found.config.folder / "program" / "train").write_text("#!/bin/sh\nexit 0\n")
    assert cli.run(["revise", "demo-[124]*", "--changed"]) == Exit.DONE
    assert capsys.readouterr().out.split() == ["demo-1.0-1-cpu-py311", "demo-2.0-1-cpu-py311"]


def test_a_base_that_is_locked_has_not_moved(
    found: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = found.config.folder / lockfile.NAME
    lock.write_text(lockfile.text(Lock(bases={found.targets[0].base: digest("a")})))
    now = project.read(found.config.path, None)
    book = ledger.beside(found.config.path, found.config.boundary)
    book.append(release(of_now(now, now.targets[0])))
    engine = Bases({})
    monkeypatch.setattr("buildkit.engine.engine.connect", lambda: nullcontext(engine))
    assert cli.run(["revise", "--all", "--changed"]) == Exit.DONE
    assert [capsys.readouterr().out, engine.asked] == ["", {}]
    lock.write_text(lockfile.text(Lock(bases={found.targets[0].base: digest("b")})))
    assert cli.run(["revise", "--all", "--changed"]) == Exit.DONE
    assert "1.0-1" in capsys.readouterr().out


# notes


def test_notes_say_what_changed_image_by_image() -> None:
    old = image("1.0", "1", size=50_000_000)
    origin = replace(ORIGIN, base_digest=digest("f"))
    new = image("1.0-1", "2", size=51_500_000, origin=origin)
    first, last = release(old), release(new, moves=[move("1", "2", "1.0-1")])
    before = release_notes.before((first, last), last, new)
    assert before == old
    packages = (
        Difference(name="numpy", a="1.0", b="1.1"),
        Difference(name="six", a=None, b="1.16"),
    )
    page = release_notes.page(
        last, {new.target: release_notes.Change(before=old, packages=packages)}
    )
    row = next(line for line in page.splitlines() if line.startswith("| `demo:1.0-1-cpu-py311`"))
    assert "version 1.0 → 1.0-1, base, 2 packages, +1.5 MB" in row
    assert "| numpy | 1.0 | 1.1 |" in page
    assert "| six | - | 1.16 |" in page
    assert "`registry.example/demo:latest` points to `1.0-1-cpu-py311`" in page


def test_an_image_is_compared_with_its_own_version_or_the_one_below_it() -> None:
    old = release(image("1.0", "1"), image("1.1", "2"), image("2.0", "3"))
    new = release(image("1.1-1", "4"), image("2.0-1", "5"), image("1.2", "6"), image("0.9", "7"))
    found = [release_notes.before((old, new), new, each) for each in new.images]
    assert [each and each.version for each in found] == ["1.1", "2.0", "1.1", None]
    last = release(image("2.0-2", "8"), image("nightly", "9"))
    again = [release_notes.before((old, new, last), last, each) for each in last.images]
    assert [each and each.version for each in again] == ["2.0-1", None]


def test_an_image_without_a_predecessor_is_new() -> None:
    first = release(image("1.0", "1"))
    assert release_notes.before((first,), first, first.images[0]) is None
    assert "| new |" in release_notes.page(first, {})


def test_notes_of_nothing_are_told(found: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["notes"]) == Exit.NOTHING_SELECTED
    assert "no record" in capsys.readouterr().err
    ledger.beside(found.config.path, found.config.boundary).append(release(image("1.0", "1")))
    assert cli.run(["notes"]) == Exit.DONE
    assert capsys.readouterr().out.startswith("# Release ")
