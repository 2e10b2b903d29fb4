"""The CUDA of an image, by its variables and files; clauses of the hosts that it fits (GPU)."""

from __future__ import annotations

import re
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.amis import fit
from buildkit.amis.facts import ENDPOINT, Version, version
from buildkit.amis.fit import Needs, State
from buildkit.contract import archive
from buildkit.contract.checks import Broken, Doubtful, Noted, Unseen, check
from buildkit.contract.image import files
from buildkit.contract.image.basics import StillImage, still

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBER = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}")
REQUIRED = re.compile(r"cuda>=([0-9]{1,3}\.[0-9]{1,3})")
TORCH = re.compile(rb"^cuda\b[^=\n]*= *'([0-9]{1,3}\.[0-9]{1,3})'", re.MULTILINE)
TENSORFLOW = re.compile(rb"'cuda_version', '([0-9]{1,3}\.[0-9]{1,3})")
METADATA = {"torch/version.py": TORCH, "tensorflow/python/platform/build_info.py": TENSORFLOW}
"""Files of frameworks that name the CUDA version they are built for."""
WHEELS = {
    "nvidia/cuda_runtime/lib/libcudart.so.11.0": Version(11, 0),
    "nvidia/cuda_runtime/lib/libcudart.so.12": Version(12, 0),
    "nvidia/cu13/lib/libcudart.so.13": Version(13, 0),
}
"""Libraries of NVIDIA's wheels nvidia-cuda-runtime*: their names only have the major version."""
HEADER = "include/cuda_runtime_api.h"
HEADER_VERSION = re.compile(rb"#define\s+CUDART_VERSION\s+([0-9]{4,6})\b")
"""12080 is CUDA 12.8."""
COMPAT = "/usr/local/cuda{version}/compat"
LIBRARY = "libcuda.so.1"
OF_DRIVER = re.compile(r"/libcuda\.so\.([0-9]{1,4})\.")
LOADER = "/etc/ld.so.conf.d"
INDEX = re.compile(r"[0-9]+(,[0-9]+)*")
DEVICES = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
COMMANDS = ("serve", "train")


@dataclass(frozen=True, kw_only=True)
class Compat:
    """The libraries of cuda-compat in an image. `driver` is the branch that they belong to.

    `always`: they are on the loader path, whatever the host. `switched`: a start program names
    them, and may put them there.
    """

    folder: str
    driver: int | None
    always: bool
    switched: bool

    @property
    def loads(self) -> bool:
        return self.always or self.switched


@check("GPU-03", still, smoke=True)
def fits_a_host(image: StillImage) -> None:
    """The newest CUDA of variables, torch, TensorFlow and NVIDIA's wheels fits a host's driver."""
    held = _held(image)
    newest, where = max(held)
    compat = _compat(image, held)
    needs = _needs(image, newest, compat=compat is not None)
    endpoint, transform = fit.asks(needs)
    said = f"CUDA {newest} (by {where})"
    if endpoint.only_with_compat:
        raise Broken(
            f"{said} fits hosts of endpoints only with cuda-compat, which is not installed: "
            f"{_reasons(needs)}"
        )
    if endpoint.ami is None:
        raise Broken(f"{said} fits no host of endpoints: {_reasons(needs)}")
    said += f"; {endpoint}; {transform}"
    if endpoint.state is State.COMPAT and compat and not compat.loads:
        said += "; but no start program loads it"
    elif endpoint.state is State.NO_PTX:
        said += "; programs there cannot compile CUDA code (PTX) while they run"
    raise Noted(said)


@check("GPU-05", still)
def compat_suits_the_driver(image: StillImage) -> None:
    """cuda-compat is on the loader path where the host needs it, and not for newer drivers."""
    held = _held(image)
    compat = _compat(image, held)
    if compat is None:
        raise Unseen("the image has no cuda-compat")
    newest, _ = max(held)
    found = fit.fits(_needs(image, newest, compat=True), ENDPOINT)
    starts = [each for each in found if each.state is not State.NOT]
    newer = [each for each in starts if compat.driver and each.ami.driver > compat.driver]
    if compat.always and newer:
        worst = next((each for each in newer if each.state is State.FITS), newer[0])
        evidence = (
            f"{compat.folder} of driver {compat.driver} is always on the loader path, also on a "
            f"host with driver {worst.ami.driver} ({worst.ami.name})"
        )
        raise Broken(evidence) if worst.state is State.FITS else Doubtful(evidence)
    without = fit.ask(_needs(image, newest, compat=False), ENDPOINT)
    if without.only_with_compat and not compat.loads:
        raise Broken(
            f"{compat.folder} is never on the loader path, and CUDA {newest} needs it on all "
            "hosts of endpoints"
        )


@check("GPU-06", still)
def any_devices(image: StillImage) -> None:
    """CUDA_VISIBLE_DEVICES and NVIDIA_VISIBLE_DEVICES of the image name no GPU by its number."""
    for name in DEVICES:
        value = image.view.environment.get(name, "").replace(" ", "")
        if INDEX.fullmatch(value):
            raise Broken(f"{name} is {value!r}: a host may have other GPUs, or parts of one")


def _needs(image: StillImage, cuda: Version, *, compat: bool) -> Needs:
    environment = image.view.environment
    disabled = environment.get("NVIDIA_DISABLE_REQUIRE", "").lower() in ("1", "true")
    return Needs(cuda, "" if disabled else environment.get("NVIDIA_REQUIRE_CUDA", ""), compat)


def _held(image: StillImage) -> tuple[tuple[Version, str], ...]:
    """Each CUDA that the image holds, and what shows it. Raises Unseen for none, or no need."""
    if not image.serves:
        raise Unseen("the image is not for inference, and requests for training name no host")
    found = tuple(_found(image))
    if not found:
        raise Unseen("neither variables nor Python packages of the image give its CUDA version")
    return found


def _found(image: StillImage) -> Iterator[tuple[Version, str]]:
    environment = image.view.environment
    if match := NUMBER.match(environment.get("CUDA_VERSION", "")):
        yield version(match[0]), "CUDA_VERSION"
    if match := REQUIRED.search(environment.get("NVIDIA_REQUIRE_CUDA", "")):
        yield version(match[1]), "NVIDIA_REQUIRE_CUDA"
    for folder in files.python_folders(image.container, environment):
        for name, pattern in METADATA.items():
            path = files.real(image.container, f"{folder}/{name}")
            if named := pattern.search(files.head(image.container, path)):
                yield version(named[1].decode()), f"{folder}/{name}"
        for name, held in WHEELS.items():
            if files.real(image.container, f"{folder}/{name}"):
                header = f"{folder}/{name.partition('/lib/')[0]}/{HEADER}"
                yield _of_header(image, header) or held, f"{folder}/{name}"


def _of_header(image: StillImage, path: str) -> Version | None:
    found = HEADER_VERSION.search(files.head(image.container, files.real(image.container, path)))
    return Version(int(found[1]) // 1000, int(found[1]) % 1000 // 10) if found else None


def _compat(image: StillImage, held: tuple[tuple[Version, str], ...]) -> Compat | None:
    versions = sorted({f"-{each}" for each, _ in held})
    for folder in (COMPAT.format(version=each) for each in ("", *versions)):
        library = files.real(image.container, f"{folder}/{LIBRARY}")
        if library is not None:
            driver = OF_DRIVER.search(library)
            return Compat(
                folder=folder,
                driver=int(driver[1]) if driver else None,
                always=_is_always_on(image),
                switched=_is_switched(image),
            )
    return None


def _is_always_on(image: StillImage) -> bool:
    """Whether a folder of cuda-compat is in LD_LIBRARY_PATH, or in the loader's configuration."""
    path = image.view.environment.get("LD_LIBRARY_PATH", "").split(":")
    if any(each.rstrip("/").endswith("/compat") for each in path):
        return True
    try:
        configured = archive.members(image.container.get(LOADER))
    except tarfile.TarError:
        return False
    return any(b"/compat" in (each.content or b"") for each in configured)


def _is_switched(image: StillImage) -> bool:
    """Whether the beginning of a start program names cuda-compat."""
    environment = image.view.environment
    programs = [*image.view.entrypoint, *image.view.command, *COMMANDS]
    paths = (files.on_path(image.container, environment, each) for each in programs)
    return any(b"compat" in files.head(image.container, path) for path in paths if path)


def _reasons(needs: Needs) -> str:
    found = fit.fits(needs, ENDPOINT)
    return "; ".join(f"{each.ami.name}: {each.why}" for each in found if each.why)
