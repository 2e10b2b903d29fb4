"""Which hosts an image fits: the data, the rules, public incidents, and AWS's own images."""

from __future__ import annotations

from datetime import date

import pytest

from buildkit.amis import facts, fit
from buildkit.amis.facts import ENDPOINT, TRANSFORM, Version
from buildkit.amis.fit import Needs, State
from buildkit.prebuilt import facts as prebuilt

NEWEST = "al2023-ami-sagemaker-inference-gpu-4-1"
SECOND = "al2-ami-sagemaker-inference-gpu-3-1"
BATCH = "al2-ami-sagemaker-batch-gpu-535"
NOT, COMPAT, NO_PTX, FITS = State.NOT, State.COMPAT, State.NO_PTX, State.FITS


def needs(cuda: str, requirement: str = "", *, compat: bool = True) -> Needs:
    return Needs(facts.version(cuda), requirement, compat)


def states(cuda: str, job: str, *, compat: bool = True) -> list[State]:
    return [each.state for each in fit.fits(needs(cuda, compat=compat), job)]


def test_every_row_has_sources_with_a_date_and_no_source_is_unused() -> None:
    sources = [each.sources for each in facts.amis()]
    sources += [each.sources for each in facts.drivers().values()]
    assert all(sources)
    assert {key for each in sources for key in each} == facts.sources().keys()
    for day, address in facts.sources().values():
        assert date.fromisoformat(day) <= date(2026, 12, 31)
        assert address.startswith("https://")


def test_the_names_are_those_of_aws_s_api() -> None:
    botocore = pytest.importorskip("botocore.session")
    model = botocore.get_session().get_service_model("sagemaker")
    wanted = {e for e in model.shape_for("ProductionVariantInferenceAmiVersion").enum if "gpu" in e}
    assert {each.name for each in facts.amis() if each.job == ENDPOINT} == {"default", *wanted}
    text = model.shape_for("TransformResources").members["TransformAmiVersion"].documentation
    assert all(each.name in text for each in facts.amis() if each.job == TRANSFORM)


def test_each_job_lists_its_drivers_from_old_to_new() -> None:
    for job in fit.OPTIONS:
        drivers = [each.driver for each in facts.amis() if each.job == job]
        assert drivers == sorted(drivers)


@pytest.mark.parametrize(
    ("cuda", "endpoint", "transform"),
    [
        ("10.2", [FITS, FITS, FITS, FITS, NOT], [FITS, FITS]),
        ("11.4", [FITS, FITS, FITS, FITS, NOT], [FITS, FITS]),
        ("11.8", [COMPAT, FITS, FITS, FITS, NOT], [COMPAT, FITS]),
        ("12.2", [NOT, FITS, FITS, FITS, NOT], [NOT, FITS]),
        ("12.4", [NOT, COMPAT, COMPAT, FITS, NOT], [NOT, COMPAT]),
        ("12.9", [NOT, COMPAT, COMPAT, COMPAT, NOT], [NOT, COMPAT]),
        ("13.0", [NOT, COMPAT, COMPAT, COMPAT, FITS], [NOT, COMPAT]),
        ("13.3", [NOT, COMPAT, COMPAT, COMPAT, COMPAT], [NOT, COMPAT]),
        ("14.0", [NOT] * 5, [NOT] * 2),
    ],
)
def test_what_each_host_says(cuda: str, endpoint: list[State], transform: list[State]) -> None:
    assert states(cuda, ENDPOINT) == endpoint
    assert states(cuda, TRANSFORM) == transform


@pytest.mark.parametrize(
    ("cuda", "endpoint", "transform"),
    [
        ("11.8", [NO_PTX, FITS, FITS, FITS, NOT], [NO_PTX, FITS]),
        ("12.9", [NOT, NO_PTX, NO_PTX, NO_PTX, NOT], [NOT, NO_PTX]),
        ("13.0", [NOT, NOT, NOT, NOT, FITS], [NOT, NOT]),
        ("13.3", [NOT, NOT, NOT, NOT, NO_PTX], [NOT, NOT]),
        ("14.0", [NOT] * 5, [NOT] * 2),
    ],
)
def test_no_host_counts_on_cuda_compat_that_the_image_does_not_have(
    cuda: str, endpoint: list[State], transform: list[State]
) -> None:
    assert states(cuda, ENDPOINT, compat=False) == endpoint
    assert states(cuda, TRANSFORM, compat=False) == transform


@pytest.mark.parametrize(
    ("cuda", "compat", "asked"),
    [
        ("11.8", False, f"endpoints: InferenceAmiVersion {SECOND}; batch transform: TransformAmiVersion {BATCH}"),
        ("12.9", True, f"endpoints: InferenceAmiVersion {SECOND} with cuda-compat; batch transform: TransformAmiVersion {BATCH} with cuda-compat"),
        ("12.9", False, f"endpoints: InferenceAmiVersion {SECOND} without PTX; batch transform: TransformAmiVersion {BATCH} without PTX"),
        ("13.0", True, f"endpoints: InferenceAmiVersion {NEWEST}; batch transform: TransformAmiVersion {BATCH} with cuda-compat"),
        ("13.0", False, f"endpoints: InferenceAmiVersion {NEWEST}; batch transform: no AMI fits without cuda-compat"),
        ("14.0", True, "endpoints: no AMI fits; batch transform: no AMI fits"),
        ("14.0", False, "endpoints: no AMI fits; batch transform: no AMI fits"),
    ],
)  # fmt: skip
def test_the_ami_to_ask_for(cuda: str, asked: str, *, compat: bool) -> None:
    assert "; ".join(map(str, fit.asks(needs(cuda, compat=compat)))) == asked


def test_why_a_host_does_not_fit_names_cuda_compat_only_if_it_would_help() -> None:
    why = {e.ami.driver: e.why for e in fit.fits(needs("13.0", compat=False), ENDPOINT)}
    assert why[470] == "driver 470 is too old for CUDA 13.0"
    assert why[550] == "driver 550 needs cuda-compat for CUDA 13.0"


def test_the_json_names_the_hosts_on_which_the_image_loads_cuda_compat() -> None:
    for compat, names in ((True, [SECOND, BATCH]), (False, [])):
        shown = fit.document(needs("12.9", compat=compat))
        assert (shown["inference_ami"], shown["transform_ami"]) == (SECOND, BATCH)
        assert shown["cuda_compat_on"] == names


REQUIREMENT = (
    "cuda>=12.9 brand=unknown,driver>=535,driver<536 brand=tesla,driver>=550,driver<551 "
    "brand=tesla,driver>=570.26,driver<571"
)


@pytest.mark.parametrize(
    ("requirement", "excluded"),
    [
        ("", []),
        (REQUIREMENT, [470]),
        ("cuda>=12.9", [470, 535, 535, 550]),
        ("driver>=550", [470, 535, 535]),
        ("driver!=550", [550]),
        ("cuda>12.2,cuda<=12.4", [470, 535, 535]),
        ("brand=tesla", []),
    ],
)
def test_nvidia_s_runtime_starts_no_image_whose_requirement_the_driver_breaks(
    requirement: str, excluded: list[int]
) -> None:
    found = fit.fits(needs("11.0", requirement), ENDPOINT)
    assert [e.ami.driver for e in found if "NVIDIA_REQUIRE_CUDA" in e.why] == excluded


INCIDENTS = [
    # The image's CUDA, the job, the host that was used (None: the default of a family), its state,
    # and what the fix of the thread asked for; the newest that fits, if the thread names none.
    pytest.param("13.0", ENDPOINT, "g5", NOT, NEWEST, id="sagemaker-python-sdk#6281"),
    pytest.param("13.3", ENDPOINT, "g5", NOT, NEWEST, id="autogluon-cloud#270: endpoint"),
    pytest.param("13.3", TRANSFORM, "g4dn", NOT, BATCH, id="autogluon-cloud#270: batch"),
    pytest.param("12.9", ENDPOINT, NEWEST, NOT, SECOND, id="deep-learning-containers#6187"),
    pytest.param("12.9", ENDPOINT, "g4dn", NOT, SECOND, id="deep-learning-containers#4990"),
    pytest.param("12.8", ENDPOINT, "p5", COMPAT, SECOND, id="djl-serving#2987"),
    pytest.param("12.0", ENDPOINT, "p4de", NOT, SECOND, id="nim-deploy#104"),
]


@pytest.mark.parametrize(("cuda", "job", "used", "state", "asked"), INCIDENTS)
def test_public_incidents_are_seen_before_a_push(
    cuda: str, job: str, used: str, state: State, asked: str
) -> None:
    family = fit.of_family(used, job)
    name = used if family is None else family.name
    (found,) = (each for each in fit.fits(needs(cuda), job) if each.ami.name == name)
    assert (found.state, bool(found.why)) == (state, True)
    without = fit.fits(needs(cuda, compat=False), job)
    assert next(each.state for each in without if each.ami.name == name) is not FITS
    ami = fit.ask(needs(cuda), job).ami
    assert ami is not None
    assert (ami.name, ami.name != name) == (asked, True)


def test_no_image_of_aws_is_blamed() -> None:
    """Those for training, too: somebody may serve with them."""
    cudas = set()
    for framework in prebuilt.frameworks():
        for entry in prebuilt.entries(framework):
            cuda = facts.of_reference(f"{entry.repository}:{entry.tag}")
            if cuda is not None:
                cudas.add(cuda)
                assert all(each.ami for each in fit.asks(Needs(cuda, compat=True))), entry
                assert fit.ask(Needs(cuda), ENDPOINT).ami is not None, entry
    assert {Version(11, 0), Version(12, 8), Version(13, 0), Version(13, 3)} <= cudas


@pytest.mark.parametrize(
    ("reference", "cuda"),
    [
        ("nvidia/cuda:12.6.3-runtime-ubuntu24.04", Version(12, 6)),
        ("mirror.example.com/nvidia/cuda:13.0.1-base@sha256:0", Version(13, 0)),
        ("x/pytorch-inference:2.8.0-gpu-py312-cu129-ubuntu22.04-sagemaker", Version(12, 9)),
        ("0.36.0-lmi21.0.0-cu128", Version(12, 8)),
        ("huggingface-vllm:2.14-cu133-amzn2023", Version(13, 3)),
        ("server-sagemaker-cuda-v2", None),
        ("focus130:1", None),
        ("acu130-x", None),
        ("cu1300", None),
        ("python:3.11", None),
        ("", None),
    ],
)
def test_the_cuda_that_a_name_shows(reference: str, cuda: Version | None) -> None:
    assert facts.of_reference(reference) == cuda
