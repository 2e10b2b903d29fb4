from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkit import matrix
from buildkit.errors import NothingSelectedError
from buildkit.model import Device, Payload, Purpose
from tests.projects import MINIMAL, target, targets

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
    ],
)
def test_targets_are_selected_by_globs_on_their_ids(patterns: list[str], count: int) -> None:
    assert len(matrix.select(targets(MATRIX), patterns)) == count


def test_a_pattern_that_matches_nothing_is_an_error_even_beside_others() -> None:
    with pytest.raises(NothingSelectedError, match="`mxnet\\*`") as caught:
        matrix.select(targets(MATRIX), ["torch*", "mxnet*"])
    assert caught.value.hint
