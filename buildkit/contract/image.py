"""Clauses that can be judged without a start: the image itself (IMG) and its start words (RUN)."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.contract.clause import Broken, clause

if TYPE_CHECKING:
    from buildkit.contract.world import ImageView

MACHINES = {62: "amd64", 183: "arm64"}
ELF_HEADER = 20
INITS = ("tini", "docker-init", "dumb-init", "init")


@dataclass(frozen=True, kw_only=True)
class StillImage:
    """An image that is not running.

    `shell` is the beginning of its `/bin/sh`, `opt_ml` a tar archive of its `/opt/ml`.
    """

    view: ImageView
    architecture: str
    shell: bytes | None
    opt_ml: bytes | None


@clause(
    "IMG-01",
    "a Linux image for the right processor",
    source="realtime-endpoints-graviton",
    hint='build with `platform = "linux/amd64"`; an image built on an arm64 laptop dies at start',
)
def right_platform(image: StillImage) -> None:
    found = f"{image.view.os}/{image.view.architecture}"
    if found != f"linux/{image.architecture}":
        raise Broken(f"the image is for {found}, wanted is linux/{image.architecture}")
    machine = _machine(image.shell or b"")
    if machine not in (None, image.architecture):
        raise Broken(f"the image says that it is for {found}, but its /bin/sh is for {machine}")


@clause(
    "IMG-05",
    "runs as root",
    source="your-algorithms-inference-code",
    hint="remove USER from the Dockerfile: SageMaker owns /opt/ml as root",
)
def runs_as_root(image: StillImage) -> None:
    if image.view.user.partition(":")[0] not in ("", "0", "root"):
        raise Broken(f"the image runs as `{image.view.user}`")


@clause(
    "IMG-06",
    "nothing of value under /opt/ml",
    source="your-algorithms-training-algo-dockerfile",
    hint="bake programs and default models elsewhere, such as /opt/program: mounts hide /opt/ml",
)
def opt_ml_is_free(image: StillImage) -> None:
    if image.opt_ml is None:
        return
    with tarfile.open(fileobj=io.BytesIO(image.opt_ml)) as archive:
        files = [f"/opt/{member.name}" for member in archive if member.isfile()]
    baked = [name for name in files if not name.startswith("/opt/ml/code/")]
    if baked:
        raise Broken(f"the image holds {', '.join(baked[:5])}")


@clause(
    "RUN-04",
    "the entrypoint is in exec form",
    source="your-algorithms-training-algo-dockerfile",
    hint='write ENTRYPOINT ["program"], or none at all: a shell swallows signals and arguments',
)
def exec_form(image: StillImage) -> None:
    entrypoint = image.view.entrypoint
    if len(entrypoint) > 1 and entrypoint[1] == "-c" and entrypoint[0].endswith("sh"):
        raise Broken(f"the entrypoint is a shell: {' '.join(entrypoint)}")


@clause(
    "RUN-05",
    "no bare init program as entrypoint",
    source="your-algorithms-training-algo-dockerfile",
    hint="remove `tini` from ENTRYPOINT: it takes `train` or `serve` for the program to run",
)
def no_bare_init(image: StillImage) -> None:
    program, *rest = image.view.entrypoint or ("",)
    if program.rpartition("/")[2] in INITS and all(word.startswith("-") for word in rest):
        raise Broken(f"the entrypoint is {' '.join(image.view.entrypoint)}")


def _machine(program: bytes) -> str | None:
    """The processor of an ELF program: `e_machine` of its header, by its name in Go and Docker."""
    if program[:4] != b"\x7fELF" or len(program) < ELF_HEADER:
        return None
    return MACHINES.get(int.from_bytes(program[18:20], "little"), "another processor")


CLAUSES = (right_platform, runs_as_root, opt_ml_is_free, exec_form, no_bare_init)
