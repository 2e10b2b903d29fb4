"""Clauses that are judged without a start: the image itself (IMG) and its entrypoint (RUN)."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.contract import archive
from buildkit.contract.checks import Broken, Doubtful, check
from buildkit.contract.engine import Start, Unfit
from buildkit.contract.image import files
from buildkit.contract.scenario import scenario
from buildkit.contract.signs import Sign
from buildkit.model.features import CAPABILITIES, Feature

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.contract.engine import Container, Entry, ImageView
    from buildkit.contract.scenario import Bench

MACHINES = {62: "amd64", 183: "arm64"}
ELF_HEADER = 20
INITS = ("tini", "docker-init", "dumb-init", "init")


MOUNTED = tuple(
    f"/opt/ml{name}"
    for name in (
        "", "/input", "/input/config", "/input/data", "/output", "/output/data", "/checkpoints",
        "/processing", "/config",
    )
)  # fmt: skip
"""Folders that SageMaker creates or mounts in a container, besides that of the model."""
BLOCKED = (Sign.BLOCKED, Sign.NO_FOLDER)
"""Nothing can be mounted at a path of the image."""
ABOVE = "/opt"
"""The folder that holds all of them: a link to a folder is as good."""
LAID_OUT = ("/opt/ml/input/", "/opt/ml/output/")
"""Where SageMaker puts inputs, and collects outputs."""
TEMPORARY = "/tmp"  # noqa: S108 - the image's


@dataclass(frozen=True, kw_only=True)
class StillImage:
    """An image that is not running: its metadata, and its files through a container.

    `shell` is the beginning of its `/bin/sh`, `opt_ml` everything that it holds below `/opt/ml`.
    """

    reference: str
    view: ImageView
    architecture: str | None
    trains: bool
    serves: bool
    features: frozenset[Feature]
    shell: bytes
    opt_ml: tuple[Entry, ...]
    container: Container

    def need_label(self, feature: Feature) -> None:
        label = CAPABILITIES[feature]
        if (value := self.view.labels.get(label, "missing")) != "true":
            raise Broken(f"the label {label} is {value!r}", Sign.NO_LABEL)


@scenario("the image, not started")
def still(bench: Bench) -> Iterator[StillImage]:
    subject = bench.subject
    # Some engines refuse a container without any command, and this one is never started.
    with bench.engine.container(subject.image, Start(command=("train",))) as container:
        yield StillImage(
            reference=subject.image,
            view=bench.engine.view(subject.image),
            architecture=subject.architecture,
            trains=subject.purpose.trains,
            serves=subject.purpose.serves,
            features=subject.features,
            shell=files.head(container, files.real(container, "/bin/sh")),
            opt_ml=_opt_ml(container),
            container=container,
        )


def _opt_ml(container: Container) -> tuple[Entry, ...]:
    try:
        return archive.members(container.get("/opt/ml"))
    except (tarfile.TarError, Unfit):  # Unfit where links form a loop
        return ()


@check("IMG-01", still, smoke=True)
def right_platform(image: StillImage) -> None:
    """Operating system and architecture of the image, and the processor of its /bin/sh."""
    found = f"{image.view.os}/{image.view.architecture}"
    wanted = image.architecture or "amd64"
    machine = _machine(image.shell)
    if machine not in (None, image.view.architecture):
        raise Broken(f"the image is labelled {found}, but its /bin/sh is for {machine}")
    if found == "linux/arm64" and image.architecture is None:
        if not image.trains:
            raise Doubtful("the image is for linux/arm64: only Graviton instances can host it")
        if Feature.GPU in image.features:
            raise Doubtful("the image is for linux/arm64: only ml.p6e-gb200 instances can train it")
    if found != f"linux/{wanted}":
        raise Broken(f"the image is for {found}, not for linux/{wanted}")


@check("IMG-05", still, smoke=True, decides=True)
def runs_as_root(image: StillImage) -> None:
    """The user of the image is root."""
    if image.view.user.partition(":")[0] not in ("", "0", "root"):
        raise Broken(f"the image runs as `{image.view.user}`, not as root", Sign.NOT_ROOT)


@check("IMG-06", still, smoke=True, decides=True)
def opt_ml_is_free(image: StillImage) -> None:
    """No file below /opt/ml, except in /opt/ml/code, and no link below its inputs and outputs."""
    names = [f"/opt/{each.name}" for each in image.opt_ml if each.kind == "file"]
    baked = [name for name in names if not name.startswith("/opt/ml/code/")]
    if baked:
        raise Broken(f"the image holds {', '.join(baked[:5])}")
    for each in image.opt_ml:
        path = f"/opt/{each.name.rstrip('/')}"
        if path.startswith(LAID_OUT) and path not in MOUNTED and each.kind != "folder":
            evidence = f"the image holds {path}, {each.described}: channels and results go there"
            raise Broken(evidence, Sign.PLACE_TAKEN)


@check("OUT-03", still, smoke=True)
def model_is_a_folder(image: StillImage) -> None:
    """/opt/ml/model is a folder in the image, or missing."""
    above = image.container.look("/opt/ml")
    if above is None or above.kind == "folder":  # else IMG-06 says it
        _need_folders(image, "/opt/ml/model")


@check("IMG-06", still, smoke=True, decides=True)
def opt_ml_is_made_of_folders(image: StillImage) -> None:
    """/opt, and each path that SageMaker mounts below it, is a folder in the image, or missing."""
    _, above = files.followed(image.container, ABOVE)
    if above is not None and above.kind != "folder":
        raise Broken(f"in the image {ABOVE} is not a folder but {above.described}", *BLOCKED)
    _need_folders(image, *MOUNTED)


@check("TREE-03", still)
def tmp_is_a_folder(image: StillImage) -> None:
    """The folder for temporary files is a folder, a link to a folder, or missing."""
    first = image.container.look(TEMPORARY)
    path, found = files.followed(image.container, TEMPORARY)
    if first is None or (found is not None and found.kind == "folder"):
        return
    missing = f", and {path} does not exist" if found is None else ""
    evidence = f"in the image {TEMPORARY} is not a folder but {first.described}{missing}"
    raise Broken(evidence, Sign.NO_FOLDER)


@check("RUN-04", still, smoke=True)
def exec_form(image: StillImage) -> None:
    """The entrypoint does not begin with a shell and `-c`."""
    entrypoint = image.view.entrypoint
    if len(entrypoint) > 1 and entrypoint[1] == "-c" and entrypoint[0].endswith("sh"):
        raise Broken(f"the entrypoint is a shell: {' '.join(entrypoint)}")


@check("RUN-05", still, smoke=True)
def no_bare_init(image: StillImage) -> None:
    """The entrypoint is not an init program with nothing but flags."""
    program, *rest = image.view.entrypoint or ("",)
    if program.rpartition("/")[2] in INITS and all(word.startswith("-") for word in rest):
        raise Broken(f"the entrypoint is only an init program: {' '.join(image.view.entrypoint)}")


def _need_folders(image: StillImage, *paths: str) -> None:
    """Raise Broken for a path that is not a folder: nothing can be mounted over it."""
    for path in paths:
        found = image.container.look(path)
        if found is not None and found.kind != "folder":
            raise Broken(f"in the image {path} is not a folder but {found.described}", *BLOCKED)


def _machine(program: bytes) -> str | None:
    """The processor of an ELF program: `e_machine` of its header, by its name in Go and Docker."""
    if program[:4] != b"\x7fELF" or len(program) < ELF_HEADER:
        return None
    return MACHINES.get(int.from_bytes(program[18:20], "little"), "another processor")
