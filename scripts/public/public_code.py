"""What scripts beside it share: clones of public repositories, images to run their code in."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ATTEMPTS = 2  # mirrors have hiccups, and what was done is cached


class BrokenError(Exception):
    """Ends one case, with a message."""


def run(*command: object, text: str = "") -> bytes:
    done = subprocess.run(
        [str(each) for each in command],
        input=text.encode(), capture_output=True, timeout=600, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BrokenError(f"{command[0]}: {done.stderr.decode(errors='replace')[-1500:]}")
    return done.stdout


@dataclass(frozen=True)
class Clone:
    """The newest commit of a clone, bare or not."""

    folder: Path
    paths: dict[str, str] = field(default_factory=dict)
    """Files as git has them, by their paths without leading spaces."""

    @classmethod
    def of(cls, url: str, given: Path | None, scratch: Path) -> Clone:
        """`given`, else a new one, where the contents of files are fetched as they are read."""
        folder = given or scratch / Path(url).name
        if not given:
            run("git", "clone", "-q", "--bare", "--depth=1", "--filter=blob:none", url, folder)
        names = run("git", "-C", folder, "ls-tree", "-r", "-t", "-z", "--name-only", "HEAD")
        return cls(folder, {name.strip(): name for name in names.decode().split("\0")})

    def read(self, path: str) -> bytes:
        if path not in self.paths:
            raise BrokenError(f"there is no {path} in {self.folder} any more")
        return run("git", "-C", self.folder, "show", f"HEAD:{self.paths[path]}")

    def export(self, folder: str, target: Path) -> None:
        """Write everything below a folder. Files that a clone lacks are listed and left out."""
        tree = run("git", "-C", self.folder, "ls-tree", "-r", "-z", f"HEAD:{self.paths[folder]}")
        for entry in filter(None, tree.decode().split("\0")):
            about, _, name = entry.partition("\t")
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                path.write_bytes(
                    run("git", "-C", self.folder, "cat-file", "blob", about.split()[2])
                )
            except BrokenError:
                print(f"not in {self.folder}: {folder}/{name}")


def build(folder: Path, tag: str, contexts: dict[str, str], log: Path) -> None:
    """Build a folder, with these images in the places of those that it names."""
    given = [f"--build-context={of}=docker-image://{to}" for of, to in contexts.items()]
    command = ["docker", "buildx", "build", "--progress=plain", "--provenance=false", "--load"]
    for _ in range(ATTEMPTS):
        with log.open("wb") as out:
            done = subprocess.run(
                [*command, *given, f"--tag={tag}", str(folder)],
                stdout=out, stderr=subprocess.STDOUT, timeout=1800, check=False,
            )  # fmt: skip
        if not done.returncode:
            return
    raise BrokenError("cannot be built today:\n" + log.read_text(errors="replace")[-1500:])


def ca_bundle() -> str | None:
    """That of docs/guide/networks.md."""
    names = ("BUILDKIT_CA_BUNDLE", "PIP_CERT", "SSL_CERT_FILE")
    return next(filter(None, map(os.environ.get, names)), None)


def require(image: str) -> None:
    try:
        run("docker", "image", "inspect", image)
    except BrokenError as error:
        target = image.replace(":", "-")
        raise BrokenError(f"no image {image}: build it with `buildkit build {target}`") from error


def with_pip(image: str, tag: str, folder: Path, log: Path, instructions: str = "") -> None:
    """The same with a pip that finds its way today, and takes old wheels before new sources.

    It gets the CA bundle of docs/guide/networks.md and $PIP_INDEX_URL. Then it may get more.
    """
    folder.mkdir(exist_ok=True)
    lines = ["[global]", "timeout = 600", "prefer-binary = true"]
    if index := os.environ.get("PIP_INDEX_URL"):
        lines.append(f"index-url = {index}")
    if bundle := ca_bundle():
        lines.append("cert = /etc/pip-bundle.crt")
        shutil.copyfile(bundle, folder / "pip-bundle.crt")
    (folder / "pip.conf").write_text("\n".join(lines) + "\n")
    (folder / "Dockerfile").write_text(f"FROM base\nCOPY pip* /etc/\n{instructions}\n")
    build(folder, tag, {"base": image}, log)
