"""Starting in the middle: what a former run left is used only while it still fits images.toml."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from buildkit import project, records
from buildkit.lock import lockfile
from buildkit.lock.lockfile import Lock
from buildkit.model.image import Status, Verified
from buildkit.support.errors import ConfigError, ToolError
from tests.support import fakes
from tests.support.projects import MINIMAL

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def left(tmp_path: Path) -> project.Project:
    """A project whose one target is built and tested."""
    (tmp_path / "images.toml").write_text(MINIMAL)
    found = project.read(tmp_path / "images.toml", None)
    (target,) = found.targets
    image = fakes.built(target)
    found.records.write(records.BUILT, target.id, image)
    verified = fakes.verified(image)
    found.records.write(records.VERIFIED, target.id, verified)
    return found


def again(left: project.Project, text: str) -> project.Project:
    left.config.path.write_text(text)
    return project.read(left.config.path, None)


def test_a_tested_image_is_found(left: project.Project) -> None:
    (target,) = left.targets
    assert left.verified(target).built.image_id == left.built(target).image_id


@pytest.mark.parametrize(
    "change",
    [
        pytest.param('packages = ["six"]', id="packages"),
        pytest.param("[registry]\ntag = 'new-{version}'", id="tag"),
        pytest.param('purposes = ["training"]', id="purpose"),
        pytest.param('platform = "linux/arm64"', id="platform"),
    ],
)
def test_an_image_of_an_older_images_toml_is_not_used(left: project.Project, change: str) -> None:
    changed = again(left, MINIMAL + change)
    for find in (changed.built, changed.verified):
        with pytest.raises(ToolError, match="has changed since the target was built"):
            find(changed.targets[0])


def test_an_image_of_another_lock_is_not_used(left: project.Project) -> None:
    lock = Lock(bases={"python:3.11-slim": fakes.DIGEST})
    (left.config.folder / "images.lock").write_text(lockfile.text(lock))
    changed = again(left, MINIMAL)
    with pytest.raises(ToolError, match=r"^images\.lock has changed since the target was built"):
        changed.built(changed.targets[0])
    unlocked = changed.with_lock(None)
    assert unlocked.built(unlocked.targets[0]).target == left.targets[0]


def test_new_samples_are_used_at_once(left: project.Project, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    changed = again(left, MINIMAL + "[image.demo.samples]\nchannels = { training = 'data' }")
    built = changed.built(changed.targets[0])
    assert built.target.samples.channels == (("training", str(tmp_path / "data")),)


def test_an_image_that_was_built_again_has_not_passed(left: project.Project) -> None:
    (target,) = left.targets
    left.records.write(records.BUILT, target.id, fakes.built(target, manifest_digest="sha256:new"))
    with pytest.raises(ToolError, match="has not passed its test"):
        left.verified(target)


def test_what_is_not_there_says_how_to_make_it(left: project.Project) -> None:
    (target,) = left.targets
    left.records.forget(records.VERIFIED, target.id)
    with pytest.raises(ToolError) as caught:
        left.verified(target)
    assert caught.value.hint == "`buildkit test demo-1.0-cpu-py311`"
    left.records.forget(records.BUILT, target.id)
    with pytest.raises(ToolError) as caught:
        left.built(target)
    assert caught.value.hint == "`buildkit build demo-1.0-cpu-py311`"


def test_a_report_that_failed_or_is_of_another_image_makes_nothing_verified(
    left: project.Project,
) -> None:
    """Nor does a record that somebody has put together from such a report."""
    (target,) = left.targets
    image = left.built(target)
    failed = fakes.report(fakes.clause(Status.FAIL))
    other = fakes.report(fakes.clause(), digest="sha256:other")
    for report in (failed, other, fakes.report()):
        with pytest.raises(ValueError, match="the report"):
            Verified(built=image, report=report)
    path = left.records.of(target.id, "verified.json")
    path.write_text(path.read_text().replace('"pass"', '"fail"'))
    with pytest.raises(ToolError, match="the report has not passed"):
        left.verified(target)


IN_ECR = """
[registry]
{where}
aliases = ["{{major}}.{{minor}}-{{device}}", "{{major}}-{{device}}", "latest-{{device}}"]

[image.demo]
versions = ["1.0.0", "1.1.0"]
tag = "{{version}}-{{device}}"
base = "python:{{python}}-slim"
"""
"""ECR takes five filters, and the aliases of two minor versions need six."""


@pytest.mark.parametrize(
    "where",
    [
        'account = "123456789012"\nregion = "eu-west-1"',
        'host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"',
        'host = "r.example"\ncopies = [{host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"}]',
    ],
)
def test_aliases_that_ecr_cannot_have_are_told_when_the_file_is_read(
    tmp_path: Path, where: str
) -> None:
    (tmp_path / "images.toml").write_text(IN_ECR.format(where=where))
    with pytest.raises(ConfigError) as caught:
        project.read(tmp_path / "images.toml", None)
    assert "the aliases need 6 filters" in (caught.value.details or "")


def test_aliases_that_ecr_cannot_have_come_with_all_other_problems(tmp_path: Path) -> None:
    text = IN_ECR.format(where='account = "123456789012"\nregion = "eu-west-1"')
    (tmp_path / "images.toml").write_text(text + 'context = "gone"\npackages = ["-e ."]\n')
    with pytest.raises(ConfigError) as caught:
        project.read(tmp_path / "images.toml", None)
    places = re.findall(r"images.toml:\d+: ([\w.]+): ", caught.value.details or "")
    assert places == ["registry.repositories", "image.demo.context", "image.demo.packages"]


def test_the_way_out_that_is_told_is_one(tmp_path: Path) -> None:
    text = IN_ECR.format(where='account = "123456789012"\nregion = "eu-west-1"')
    (tmp_path / "images.toml").write_text(text.replace('tag = "{version}-{device}"\n', ""))
    with pytest.raises(ConfigError) as caught:
        project.read(tmp_path / "images.toml", None)
    advice = re.search(r"\(`(stable-\S+)` needs only `stable-\*`\)", caught.value.details)
    assert advice
    aliases = f'aliases = ["{advice[1]}"]'
    (tmp_path / "images.toml").write_text(
        re.sub("aliases = .*", aliases, text.replace('tag = "{version}-{device}"\n', ""))
    )
    assert len(project.read(tmp_path / "images.toml", None).targets) == 2


@pytest.mark.parametrize("where", ["", 'host = "r.example"', 'region = "eu-west-1"'])
def test_other_registries_have_any_aliases(tmp_path: Path, where: str) -> None:
    (tmp_path / "images.toml").write_text(IN_ECR.format(where=where))
    assert len(project.read(tmp_path / "images.toml", None).targets) == 2
