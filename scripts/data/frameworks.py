"""Regenerate matrix/frameworks.txt: the Python and CUDA versions of each framework release.

    .venv/bin/python scripts/data/frameworks.py

pip provides the data: file names, `Requires-Python`, and the requirements of wheels that install
CUDA. Changes are printed as a diff. This takes about five minutes.
"""

from __future__ import annotations

import difflib
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

DATA = Path(__file__).parents[2] / "buildkit" / "matrix" / "frameworks.txt"
PYTHONS = tuple(f"3.{minor}" for minor in range(6, 16))


@dataclass(frozen=True, kw_only=True)
class Package:
    """`cuda` is how the package gets CUDA, `other` is the package for the other device.

    `pythons` are the versions that it works with, if its files do not say.
    """

    name: str
    since: str
    cuda: str
    other: str = "-"
    pythons: str = ""


PACKAGES = (
    Package(name="torch", since="2.0", cuda="included"),
    Package(name="tensorflow", since="2.14", cuda="and-cuda", other="tensorflow-cpu"),
    Package(name="tensorflow-cpu", since="2.14", cuda="never", other="tensorflow[and-cuda]"),
    Package(name="xgboost", since="2.1", cuda="included", other="xgboost-cpu"),
    Package(name="xgboost-cpu", since="2.1", cuda="never", other="xgboost"),
    # It needs NumPy before 1.24, which has no files for Python 3.12.
    Package(name="mxnet", since="1.9", cuda="never", pythons="3.6-3.11"),
    Package(name="scikit-learn", since="1.3", cuda="-"),
    Package(name="lightgbm", since="4.0", cuda="-"),
    Package(name="pyspark", since="3.4", cuda="-"),
)
VARIANTS = {  # PyTorch's own index: https://pytorch.org/get-started/previous-versions
    "2.0": "11.7,11.8", "2.1": "11.8,12.1", "2.2": "11.8,12.1", "2.3": "11.8,12.1",
    "2.4": "11.8,12.1,12.4", "2.5": "11.8,12.1,12.4", "2.6": "11.8,12.4,12.6",
    "2.7": "11.8,12.6,12.8", "2.8": "12.6,12.8,12.9", "2.9": "12.6,12.8,13.0",
}  # fmt: skip
HEAD = """\
# Frameworks, CUDA and Python, for linux/amd64, by scripts/data/frameworks.py. Columns are explained
# in docs/reference/frameworks.md. Sources: the files and metadata of the package index; PyTorch's
# page of previous versions (variants).
"""
FILE = re.compile(
    r"/(?P<file>[A-Za-z0-9_.+-]+\.(?:whl|tar\.gz|zip))\S*(?:.*\(requires-python:(?P<python>[^)]+)\))?"
)
WHEEL = re.compile(
    r"[^-]+-(?P<version>[^-]+)-(?P<python>[^-]+)-(?P<abi>[^-]+)-[^-]*linux[^-]*x86_64\.whl"
)
SOURCE = re.compile(r".+-(?P<version>[0-9][^-]*)\.(?:tar\.gz|zip)")
TAG = re.compile(r"cp3(?P<minor>[0-9]+)")
RUNTIME = re.compile(r"(?:nvidia-cuda-runtime|cuda-toolkit).*?[=>]=(?P<cuda>[0-9]+\.[0-9]+)")
MAJOR = re.compile(r"nvidia-nccl-cu(?P<cuda>[0-9]+)")


@dataclass(kw_only=True)
class Release:
    """One version: its Python versions, and whether newer ones may work, too."""

    pythons: set[str] = field(default_factory=set)
    open: bool = False
    requires: str = ""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        # Only a new pip reads metadata without downloading the wheel, which may have a gigabyte.
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = f"{folder}/bin/pip"
        subprocess.run([pip, "install", "--quiet", "--upgrade", "pip"], check=True)
        text = HEAD + "".join(section(package, pip) for package in PACKAGES)
    before = DATA.read_text() if DATA.exists() else ""
    sys.stdout.writelines(
        difflib.unified_diff(before.splitlines(keepends=True), text.splitlines(keepends=True),
                             "before", "after", n=1)
    )  # fmt: skip
    DATA.write_text(text)


def section(package: Package, pip: str) -> str:
    print(f"reading {package.name}", file=sys.stderr)
    rows = [("# version", "pythons", "cuda", "variants")]
    for version, release in releases(package, pip):
        pythons = package.pythons or spelt(release)
        has_cuda = package.cuda not in ("-", "never")
        cuda = cuda_of(package.name, version, release, pip) if has_cuda else "-"
        minor = ".".join(version.split(".")[:2])
        variants = VARIANTS.get(minor, "-") if package.name == "torch" else "-"
        rows.append((version, pythons, cuda, variants))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return f"\n[{package.name} {package.cuda} {package.other}]\n" + "\n".join(lines) + "\n"


def releases(package: Package, pip: str) -> list[tuple[str, Release]]:
    """The final releases that have a file for Linux, the oldest first."""
    done = subprocess.run([pip, "index", "versions", package.name, "-vvv"],
                          check=True, capture_output=True, text=True)  # fmt: skip
    found: dict[str, Release] = {}
    for line in (done.stdout + done.stderr).splitlines():
        if match := FILE.search(line):
            note(match["file"], (match["python"] or "").replace("&gt;", ">"), found)
    wanted = {
        version: release
        for version, release in found.items()
        if Version(version) >= Version(package.since)
        and not Version(version).is_prerelease
        and not Version(version).local  # of a folder that this machine's pip looks into
    }
    return sorted(wanted.items(), key=lambda item: Version(item[0]))


def note(file: str, requires: str, found: dict[str, Release]) -> None:
    if match := WHEEL.fullmatch(file):
        release = found.setdefault(match["version"], Release())
        tag = TAG.fullmatch(match["python"])
        if tag is None or match["abi"] == "abi3":
            release.open = True
        elif match["abi"] == match["python"]:  # not one for free threads
            release.pythons.add(f"3.{tag['minor']}")
    elif match := SOURCE.fullmatch(file):
        release = found.setdefault(match["version"], Release())
        release.open = True
    else:
        return
    release.requires = requires or release.requires


def spelt(release: Release) -> str:
    """`3.9-3.12`, or `3.9+` if nothing excludes newer versions."""
    fits = [each for each in PYTHONS if f"{each}.0" in SpecifierSet(release.requires)]
    if release.open:
        if not release.requires:
            return "-"
        return f"{fits[0]}+" if fits[-1] == PYTHONS[-1] else f"{fits[0]}-{fits[-1]}"
    known = sorted(release.pythons, key=Version)
    return f"{known[0]}-{known[-1]}"


def cuda_of(name: str, version: str, release: Release, pip: str) -> str:
    """The CUDA that a wheel's requirements name."""
    python = max(release.pythons or {"3.12"}, key=Version)
    tags = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014", "manylinux1")
    done = subprocess.run(
        [pip, "install", "--dry-run", "--no-deps", "--ignore-installed", "--quiet",
         "--report", "-", "--target", "nowhere", "--only-binary", ":all:",
         "--python-version", python, *(f"--platform={tag}_x86_64" for tag in tags),
         f"{name}=={version}"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    requirements = json.loads(done.stdout)["install"][0]["metadata"].get("requires_dist", [])
    for pattern in (RUNTIME, MAJOR):
        for text in requirements:
            if match := pattern.search(text.replace("<13.0,", "")):
                return match["cuda"]
    return "-"


if __name__ == "__main__":
    main()
