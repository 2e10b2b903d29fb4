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
NOT, COMPAT, FITS = State.NOT, State.COMPAT, State.FITS


def needs(cuda: str, requirement: str = "") -> Needs:
    return Needs(facts.version(cuda), requirement)


def states(cuda: str, job: str) -> list[State]:
    return [each.state for each in fit.fits(needs(cuda), job)]


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
    ("cuda", "asked"),
    [
        ("11.8", f"endpoints: InferenceAmiVersion {SECOND}; batch transform: TransformAmiVersion {BATCH}"),
        ("12.9", f"endpoints: InferenceAmiVersion {SECOND} with cuda-compat; batch transform: TransformAmiVersion {BATCH} with cuda-compat"),
        ("13.0", f"endpoints: InferenceAmiVersion {NEWEST}; batch transform: TransformAmiVersion {BATCH} with cuda-compat"),
        ("14.0", "endpoints: no AMI fits; batch transform: no AMI fits"),
    ],
)  # fmt: skip
def test_the_ami_to_ask_for(cuda: str, asked: str) -> None:
    assert "; ".join(map(str, fit.asks(needs(cuda)))) == asked


def test_within_a_major_version_only_code_that_is_compiled_at_run_time_needs_cuda_compat() -> None:
    found = {each.ami.driver: each.limited for each in fit.fits(needs("13.3"), ENDPOINT)}
    assert (found[550], found[580]) == (False, True)


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
    ami = fit.ask(needs(cuda), job).ami
    assert ami is not None
    assert (ami.name, ami.name != name) == (asked, True)


def test_no_image_of_aws_is_blamed() -> None:
    cudas = set()
    for framework in prebuilt.frameworks():
        for entry in prebuilt.entries(framework):
            cuda = facts.of_reference(f"{entry.repository}:{entry.tag}")
            if cuda is not None and entry.purpose == "inference":
                cudas.add(cuda)
                assert fit.ask(Needs(cuda), ENDPOINT).ami is not None, entry
    assert len(cudas) > 10


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
