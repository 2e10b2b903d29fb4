"""What buildx 0.13.1 said, word for word, with an engine of 26.1.5."""

from __future__ import annotations

from dataclasses import replace

import pytest

from buildkit.build.bake import missing_package
from buildkit.build.bake_output import Progress
from tests.support.projects import MINIMAL, target

TWO_TARGETS = """\
#0 building with "default" instance using docker driver

#1 [internal] load local bake definitions
#1 reading plan.json 2.16kB / 2.16kB done
#1 DONE 0.0s

#4 [bad-1_0 internal] load build definition from Dockerfile
#4 transferring dockerfile: 124B done
#4 DONE 0.0s

#17 [good-1_0 image 2/4] COPY --from=runtime . /opt/buildkit/
#17 CACHED

#20 [bad-1_0 image 1/2] RUN --mount=type=cache,target=/x \\     echo one;    exit 3
#20 0.267 one
#20 0.268 three
#20 ERROR: process "/bin/sh -c echo one" did not complete successfully: exit code: 3

#21 [good-2 image 4/5] RUN sleep 5
#21 CANCELED
------
 > [bad-1_0 image 1/2] RUN echo one; exit 3:
0.267 one
------
ERROR: failed to solve: process "/bin/sh -c echo one" did not complete successfully: exit code: 3
"""


def read(text: str, *targets: str) -> tuple[Progress, list[str]]:
    progress = Progress(targets=targets)
    steps = [step for line in text.splitlines() if (step := progress.read(line)) is not None]
    return progress, [f"{step.target} {step.title}" for step in steps]


def test_the_target_that_broke_the_build_is_named_with_its_last_lines() -> None:
    progress, _ = read(TWO_TARGETS, "good-1_0", "good-2", "bad-1_0")
    (name, step), *others = progress.failed().items()
    assert not others
    assert name == "bad-1_0"
    assert step.lines == ["one", "three"]
    assert step.error is not None
    assert "exit code: 3" in step.error
    assert progress.final_error.startswith("failed to solve")


def test_only_instructions_that_run_are_shown_and_without_their_mounts() -> None:
    _, steps = read(TWO_TARGETS, "good-1_0", "good-2", "bad-1_0")
    assert steps == ["bad-1_0 image 1/2 RUN echo one; exit 3"]


def test_what_a_base_was_resolved_to_is_known() -> None:
    """As buildx 0.13.1 tells it; what a program prints of digests does not count."""
    one, two, three = (f"sha256:{letter * 64}" for letter in "123")
    text = (
        f"#8 [good-1_0 image 1/4] FROM docker.io/library/python:3.11-slim@{one}\n"
        f"#9 [good-1_0 context base:1] m.example:5000/team/base:1@{two}\n"
        f"#9 resolve m.example:5000/team/base:1@{two} done\n"
        f"#10 [good-1_0 wheels 1/1] FROM docker.io/library/busybox:latest@{two}\n"
        "#11 [good-1_0 image 2/4] RUN something\n"
        f"#11 0.267 [good-1_0 image 1/4] FROM docker.io/library/python:3.11-slim@{three}\n"
    )
    progress, _ = read(text, "good-1_0")
    assert progress.digest_of("python:3.11-slim") == one
    assert progress.digest_of("docker.io/library/python:3.11-slim") == one
    assert progress.digest_of("m.example:5000/team/base:1") == two
    assert progress.digest_of("busybox") == two
    assert progress.digest_of(f"python:3.12@{three}") == three
    assert progress.digest_of("python:3.12") is None


def test_a_build_of_one_target_has_no_prefix_and_is_understood_too() -> None:
    text = (
        "#3 [context python:3] load metadata for m.example/python:3\n"
        '#3 ERROR: failed to do request: Head "https://m.example/v2/": no such host\n'
        "ERROR: failed to solve: failed to resolve source metadata for m.example/python:3\n"
    )
    progress, _ = read(text, "demo")
    assert (
        progress.failed()["demo"].title == "context python:3 load metadata for m.example/python:3"
    )


def test_an_error_before_any_step_is_kept() -> None:
    progress, _ = read("ERROR: Cannot connect to the Docker daemon at unix:///x", "one", "two")
    assert progress.failed() == {}
    assert progress.final_error == "Cannot connect to the Docker daemon at unix:///x"


def test_what_is_no_progress_at_all_is_passed_over() -> None:
    progress, steps = read("\n".join(["", "#", "#x [", "WARNING: y", "#99 ERROR: z", "{}"]), "one")
    assert steps == []
    assert progress.failed() == {}


def test_what_a_program_prints_is_kept_even_if_it_looks_like_buildx() -> None:
    text = (
        "#8 [image 1/3] RUN PIP_CONFIG_FILE=/x A=b pip install nope\n"
        "#8 0.512 ERROR: No matching distribution found for nope\n"
        "#8 0.600 DONE\n"
        '#8 ERROR: process "/bin/sh -c pip" did not complete successfully: exit code: 1\n'
    )
    progress, steps = read(text, "demo")
    assert progress.failed()["demo"].lines == [
        "ERROR: No matching distribution found for nope",
        "DONE",
    ]
    assert steps == ["demo image 1/3 RUN pip install nope"]


def test_a_step_that_buildx_leaves_and_comes_back_to_has_only_its_own_lines() -> None:
    text = (
        "#6 [image 1/3] RUN echo first; exit 3\n"
        "#6 ...\n"
        "\n"
        "#7 [runtime] copy\n"
        "#7 DONE 0.0s\n"
        "\n"
        "#6 [image 1/3] RUN echo first; exit 3\n"
        "#6 0.512 first\n"
        "#6 0.513 ...\n"
        '#6 ERROR: process "/bin/sh -c echo" did not complete successfully: exit code: 3\n'
    )
    progress, steps = read(text, "demo")
    assert progress.failed()["demo"].lines == ["first", "..."]
    assert steps == ["demo image 1/3 RUN echo first; exit 3"]


def test_who_lost_the_connection_when_another_broke_has_not_failed() -> None:
    progress = Progress(targets=("bad", "good"))
    for line in (
        "#4 [bad internal] load metadata for nobody.localhost/none:1",
        "#5 [good internal] load .dockerignore",
    ):
        progress.read(line)
    lost = "rpc error: code = Unavailable desc = error reading from server: EOF"
    progress.read(f"#5 ERROR: {lost}")
    assert list(progress.failed()) == ["good"], "nobody else is to blame"
    progress.read("#4 ERROR: failed to do request: no such host")
    assert list(progress.failed()) == ["bad"]


def test_how_long_a_target_took_is_the_sum_of_its_own_steps() -> None:
    progress, _ = read(
        "#3 [a internal] load build definition\n#3 DONE 0.1s\n"
        "#7 [a image 2/3] RUN pip install x\n#7 1.2 Collecting\n#7 DONE 12.5s\n"
        "#8 [b image 2/3] RUN true\n#8 DONE 2.0s\n#9 [b image 3/3] COPY . /\n#9 CACHED\n"
        "#12 [a] exporting to image\n#12 exporting layers 3.0s done\n#12 DONE 3.4s\n",
        "a",
        "b",
    )
    assert progress.seconds_of("a") == 16.0
    assert progress.seconds_of("b") == 2.0
    alone, _ = read("#12 exporting to image\n#12 DONE 3.4s\n", "a")
    assert alone.seconds_of("a") == 3.4


PIP = """\
#9 [image 1/3] RUN pip install torch==2.13.0+cpu
#9 0.92 {looking}
#9 2.11 ERROR: Could not find a version that satisfies the requirement torch==2.13.0+cpu (from versions: 2.13.0)
#9 2.11 ERROR: No matching distribution found for torch==2.13.0+cpu
#9 ERROR: process "/bin/sh -c pip install" did not complete successfully: exit code: 1
"""


@pytest.mark.parametrize(
    ("looking", "asked"),
    [
        (
            "Looking in indexes: https://me:****@i.example/simple, https://j.example",
            "https://…@i.example/simple, https://j.example",
        ),
        ("Collecting torch", "pip's own index, https://x.example/whl"),
    ],
)
def test_a_package_that_pip_does_not_find_is_told_with_the_indexes(
    looking: str, asked: str
) -> None:
    progress, _ = read(PIP.format(looking=looking), "demo")
    error = missing_package(
        progress.failed()["demo"], target(MINIMAL + 'indexes = ["https://x.example/whl"]')
    )
    assert error is not None
    assert error.message == (
        "pip found no `torch==2.13.0+cpu` for Python 3.11 and linux/amd64; searched: " + asked
    )
    assert "`indexes`" in (error.hint or "")


@pytest.mark.parametrize(
    ("said", "told", "hint"),
    [
        (
            (
                "Could not fetch URL https://i.example/simple/torch/: There was a problem confirming "
                "the ssl certificate: HTTPSConnectionPool(host='i.example', port=443): Max retries "
                "exceeded (Caused by SSLError(SSLCertVerificationError(1, 'unable to get local issuer "
                "certificate'))) - skipping"
            ),
            (
                "pip could not read a package index at `https://i.example/simple/torch/`, and so did "
                "not find `torch==2.13.0+cpu`: There was a problem confirming the ssl certificate"
            ),
            "--ca-bundle",
        ),
        (
            (
                "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, "
                "status=None)) after connection broken by 'SSLEOFError(8, 'EOF occurred in violation "
                "of protocol')': /simple/torch/"
            ),
            (
                "pip could not read a package index, and so did not find `torch==2.13.0+cpu`: "
                "SSLEOFError(8, 'EOF occurred in violation of protocol')"
            ),
            "--ca-bundle",
        ),
        (
            (
                "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, "
                "status=None)) after connection broken by 'NewConnectionError('no route to host')': "
                "/simple/torch/"
            ),
            (
                "pip could not read a package index, and so did not find `torch==2.13.0+cpu`: "
                "NewConnectionError('no route to host')"
            ),
            "check the connection",
        ),
        (
            (
                "WARNING: Retrying (Retry(total=4, connect=None, read=None, redirect=None, "
                "status=None)) after connection broken by 'SSLEOFError(8, 'EOF occurred in violation "
                "of protocol')': /simple/torch/"
            ),
            "pip found no `torch==2.13.0+cpu`",
            "check the version",
        ),
        (
            (
                "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, "
                "status=None)) after connection broken by 'NewConnectionError('no route to host')': "
                "/simple/numpy/"
            ),
            "pip found no `torch==2.13.0+cpu`",
            "check the version",
        ),
    ],
    ids=["a certificate", "TLS", "a network", "a retry that helped", "another package"],
)
def test_an_index_that_pip_cannot_read_is_not_one_without_the_package(
    said: str, told: str, hint: str
) -> None:
    progress, _ = read(PIP.format(looking=said), "demo")
    error = missing_package(progress.failed()["demo"], target())
    assert error is not None
    assert error.message.startswith(told)
    assert hint in (error.hint or "")


def test_the_indexes_of_a_dockerfile_of_one_s_own_are_no_matter_of_images_toml() -> None:
    progress, _ = read(PIP.format(looking=""), "demo")
    own = replace(target(), dockerfile="/Dockerfile")
    assert missing_package(progress.failed()["demo"], own) is None


def test_other_failed_steps_are_not_about_packages() -> None:
    progress, _ = read(TWO_TARGETS, "bad-1_0", "good-2")
    assert missing_package(progress.failed()["bad-1_0"], target()) is None


def test_a_title_has_neither_what_a_step_begins_with_nor_variables() -> None:
    began = 'began="$(date +%s.%N)" && sleep 0.1 && PIP_CONFIG_FILE=/run/x'
    _, steps = read(f"#8 [image 1/3] RUN --mount=a {began} pip install x\n#8 0.5 x\n", "demo")
    assert steps == ["demo image 1/3 RUN pip install x"]
