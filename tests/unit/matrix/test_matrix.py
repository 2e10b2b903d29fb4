from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from buildkit.matrix import matrix
from buildkit.model import families
from buildkit.model.families import Family
from buildkit.model.target import Device, Payload, Purpose
from buildkit.support.errors import NothingSelectedError
from tests.support.projects import MINIMAL, aliases_of, target, targets

if TYPE_CHECKING:
    from pathlib import Path

MATRIX = """
[defaults]
base = { cpu = "python:{python}-slim", gpu = "nvidia/cuda:12" }
pythons = ["3.9", "3.11"]

[image.torch]
versions = ["2.4.1", "2.5.1+ours-2"]
devices = ["cpu", "gpu"]
purposes = ["training", "inference"]
packages = ["torch=={framework_version}"]
exclude = [{ version = "2.4*", device = "gpu" }, { python = "3.9" }]
include = [{ version = "2.3.0", device = "cpu", python = "3.12", purpose = "inference" }]

[[image.torch.override]]
when = { version = "2.5*", purpose = "training" }
packages = ["torch=={framework_version}", "horovod"]

[[image.torch.override]]
when = { device = "gpu" }
labels = { gpu = "{py}" }
"""


def test_the_matrix_is_the_product_less_what_is_excluded_plus_what_is_included() -> None:
    assert [each.id for each in targets(MATRIX)] == [
        "torch-2.4.1-cpu-py311-training",
        "torch-2.4.1-cpu-py311-inference",
        "torch-2.5.1+ours-2-cpu-py311-training",
        "torch-2.5.1+ours-2-cpu-py311-inference",
        "torch-2.5.1+ours-2-gpu-py311-training",
        "torch-2.5.1+ours-2-gpu-py311-inference",
        "torch-2.3.0-cpu-py312-inference",
    ]


def test_a_cell_has_its_device_s_base_and_its_overrides() -> None:
    gpu = next(t for t in targets(MATRIX) if t.device is Device.GPU)
    assert gpu.base == "nvidia/cuda:12"
    assert gpu.packages == ("torch==2.5.1+ours", "horovod")
    assert gpu.labels == (("gpu", "py311"), ("buildkit.features", "gpu"))


def test_of_an_image_per_purpose_each_promises_what_it_can_do() -> None:
    both = targets(
        MATRIX.replace("packages", 'features = ["batch", "tuning", "isolation"]\npackages', 1)
    )
    assert {each.purpose: [feature.value for feature in each.features] for each in both[:2]} == {
        Purpose.TRAINING: ["isolation", "tuning"],
        Purpose.INFERENCE: ["batch", "isolation"],
    }


def test_the_revision_belongs_to_the_version_and_not_to_the_framework() -> None:
    revised = target(MINIMAL.replace("1.0", "1.2-1"))
    assert (revised.version, revised.framework_version) == ("1.2-1", "1.2")
    assert revised.tag == "1.2-1-cpu-py311"


def test_the_default_tag_is_the_convention() -> None:
    assert target().image == "demo:1.0-cpu-py311"


def test_a_plus_which_no_tag_may_hold_becomes_a_dot() -> None:
    assert target(MINIMAL.replace("1.0", "2.13.0+cpu")).tag == "2.13.0.cpu-cpu-py311"


def test_two_purposes_are_two_repositories_and_one_is_one() -> None:
    assert {each.repository for each in targets(MATRIX)} == {"torch-training", "torch-inference"}
    alone = target(MINIMAL + 'purposes = ["training"]')
    assert (alone.id, alone.repository) == ("demo-1.0-cpu-py311", "demo")
    assert alone.purpose is Purpose.TRAINING


def test_patterns_name_the_registry_s_repository_and_tag() -> None:
    text = MINIMAL + "[registry]\nrepository = 'ml/{name}'\ntag = '{py}-{framework_version}'"
    assert target(text).image == "ml/demo:py311-1.0"


ALIASES = """
[defaults]
base = "python:3.11"
[registry]
aliases = ["{major}.{minor}-{device}-{py}", "latest-{name}-{device}"]
[image.torch]
versions = ["2.13.0-1", "20240101", "2.13.0+cpu-2"]
[image.own]
versions = ["1.2.3"]
tag = "v{framework_version}-r{revision}"
aliases = ["v{major}"]
[[image.own.override]]
when = { device = "cpu" }
aliases = ["v{major}.{minor}"]
[image.plus]
versions = ["2.13+1-2"]
aliases = ["{major}.{minor}+{device}", "{framework_version}"]
[image.none]
versions = ["1.0"]
aliases = []
"""


def test_aliases_follow_a_target_s_version_and_keep_all_else() -> None:
    found = {each.id: each for each in targets(ALIASES)}
    assert {name: aliases_of(each) for name, each in found.items()} == {
        "torch-2.13.0-1-cpu-py311": ("2.13-cpu-py311", "latest-torch-cpu"),
        "torch-20240101-cpu-py311": ("latest-torch-cpu",),
        "torch-2.13.0+cpu-2-cpu-py311": ("2.13-cpu-py311", "latest-torch-cpu"),
        "own-1.2.3-cpu-py311": ("v1.2",),
        "plus-2.13+1-2-cpu-py311": ("2.13.cpu", "2.13.1"),
        "none-1.0-cpu-py311": (),
    }
    assert found["torch-20240101-cpu-py311"].family == Family(
        tag="{version}-cpu-py311", aliases=("{major}.{minor}-cpu-py311", "latest-torch-cpu")
    )
    assert found["none-1.0-cpu-py311"].family is None


def test_aliases_make_no_other_image() -> None:
    assert target(MINIMAL).recipe == target(MINIMAL + "aliases = ['latest']").recipe


@pytest.mark.parametrize(
    ("pattern", "tag", "version"),
    [
        pytest.param("{version}-cpu", "1.7.2-cpu", "1.7.2", id="a version"),
        pytest.param("{version}-cpu", "1.7.2-1-cpu", "1.7.2-1", id="a revision"),
        pytest.param("{version}-cpu", "1.7.2.ours-cpu", "1.7.2.ours", id="a `+` came as a dot"),
        pytest.param("{version}-cpu", "1.7.2-gpu", None, id="another's"),
        pytest.param("{version}-cpu", "1.7.2-cpu-py311", None, id="another's, longer"),
        pytest.param("{version}-cpu", "1.7-cpu", None, id="an alias with numbers"),
        pytest.param("{version}-cpu", "latest-cpu", None, id="an alias without"),
        pytest.param("{version}.cpu", "1.7.2xcpu", None, id="a dot is a dot"),
        pytest.param("{version}_{version}", "1.7.2_1.7.2", "1.7.2", id="twice"),
        pytest.param("{version}_{version}", "1.7.2_1.7.3", None, id="twice, and not the same"),
        pytest.param("{framework_version}_{revision}", "1.7.2_3", "1.7.2-3", id="in two words"),
        pytest.param("{framework_version}_{revision}", "1.7.2_", "1.7.2", id="no revision"),
        pytest.param("{framework_version}", "1.7.2-3", None, id="a revision it cannot have"),
        pytest.param("{revision}-cpu", "3-cpu", None, id="no version in the tag"),
    ],
)
def test_a_tag_tells_the_version_that_it_is_of(pattern: str, tag: str, version: str | None) -> None:
    family = Family(tag=pattern, aliases=("{major}.{minor}-cpu", "latest-cpu"))
    assert families.version_of(family, tag) == version


def test_an_image_s_own_key_wins_over_the_defaults() -> None:
    text = "[defaults]\ntemplate = 'a'\npythons = ['3.9']\n" + MINIMAL + "template = 'b'"
    assert (target(text).template, target(text).python) == ("b", "3.9")


def test_samples_are_found_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "in.csv").write_text("1")
    text = MINIMAL + (
        "[image.demo.samples]\nchannels = { training = 'data' }\nhyperparameters = { a = '1' }\n"
        "[[image.demo.samples.payload]]\ncontent-type = 'text/csv'\nbody = 'in.csv'\n"
    )
    samples = target(text, tmp_path).samples
    assert samples.channels == (("training", str(tmp_path / "data")),)
    assert samples.hyperparameters == (("a", "1"),)
    assert samples.payloads == (Payload(content_type="text/csv", body=str(tmp_path / "in.csv")),)


@pytest.mark.parametrize(
    ("patterns", "count"),
    [
        pytest.param(["*"], 7, id="all"),
        pytest.param(["torch-2.5*-gpu-*"], 2, id="a glob"),
        pytest.param(["*-cpu-*", "*-training"], 6, id="overlapping globs"),
        pytest.param(["torch-2.4.1-cpu-py311-training"], 1, id="an id"),
        pytest.param(["torch"], 7, id="the name of an image"),
        pytest.param(["torch-2.3.0-cpu-py312-inference", "*-gpu-*"], 3, id="an id and a glob"),
        pytest.param(["torch-2.[34]*", "*ours-?-c*"], 5, id="a set of letters, and any letter"),
    ],
)
def test_targets_are_selected_by_globs_on_their_ids(patterns: list[str], count: int) -> None:
    assert len(matrix.select(targets(MATRIX), patterns)) == count


@pytest.mark.parametrize("word", ["mxnet*", "mxnet", "torch-2.3.0", "torch-9-cpu-py311"])
def test_a_word_that_matches_nothing_is_an_error_even_beside_others(word: str) -> None:
    with pytest.raises(NothingSelectedError, match=f"`{re.escape(word)}`") as caught:
        matrix.select(targets(MATRIX), ["torch*", word, "torch"])
    assert caught.value.hint
