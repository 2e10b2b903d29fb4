"""The packages that pip has downloaded in builds: copied out of a builder, or into one.

They are in a cache mount of the builder. No export of a build cache contains cache mounts, and only
a build can read and write them, so a small build copies the files. It makes no image.

Only downloads are copied: pip checks their hashes against a lock. Wheels that pip has built itself
stay in the builder, because no lock has hashes of those.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.build import bake, bake_plan
from buildkit.build.bake_output import Progress, Step
from buildkit.ecr.logins import base_logins
from buildkit.model.target import Device
from buildkit.registry import docker_config
from buildkit.support.errors import UsageError
from buildkit.system import console, shell, tempdirs, usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildkit.build.bake_plan import Plan
    from buildkit.engine.engine import Engine

MOUNT = "/root/.cache/pip"
"""The cache mount of templates/macros/pip.j2. Its path is also its id."""
TAG = "CACHEDIR.TAG"
"""Marks a folder as a cache, for backups, and as one of ours: https://bford.info/cachedir/"""
SIGNATURE = (
    "Signature: 8a477f597d28d172789f06886806bc55\n# The packages of `buildkit cache save`.\n"
)
DOWNLOADS = "http http-v2"
"""The folders of pip's downloads, in old and new versions of pip."""
STAGE = "copied"
BEGIN = """\
FROM --platform={platform} {base} AS copied
USER 0
ARG RUN
RUN --network=none --mount=type=cache,id={mount},target=/run/packages \\
"""
SAVE = """\
    mkdir /run/copy && cd /run/packages && \\
    for each in {downloads}; do [ ! -d "$each" ] || cp -a "$each" /run/copy/; done && \\
    find /run/copy -type f -mmin +{minutes} -delete && \\
    {{ find /run/copy -depth -mindepth 1 -type d -exec rmdir {{}} + 2>/dev/null || true; }}
FROM scratch
COPY --from=copied /run/copy /
"""
LOAD = """\
    --mount=type=bind,from=saved,target=/run/saved \\
    cd /run/saved && \\
    for each in {downloads}; do [ ! -d "$each" ] || cp -au "$each" /run/packages/; done
"""


@dataclass(frozen=True, kw_only=True)
class Copier:
    """Runs small builds in a builder, on a base that the builds of targets use anyway."""

    base: str
    platform: str
    builder: str
    verbose: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    def save(self, folder: Path, newer_than: int) -> None:
        """Replace what a folder has by the downloads of the last `newer_than` seconds.

        Raises ToolError; UsageError for a folder with other files.
        """
        _prepare(folder)
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
        try:
            script = SAVE.format(downloads=DOWNLOADS, minutes=newer_than // 60)
            # buildx splits the value of `--output` at commas, which a path may contain.
            self._build(script, "--output", "type=local,dest=.", cwd=new)
            before = {*folder.iterdir()} - {folder / TAG, new}
            usage.remove(before)
            for each in new.iterdir():
                each.replace(folder / each.name)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def load(self, folder: Path) -> None:
        """Copy saved downloads into the builder, which keeps newer ones. Raises ToolError."""
        script = LOAD.format(downloads=DOWNLOADS)
        self._build(script, "--output", "type=cacheonly", "--build-context", f"saved={folder}")

    def _build(self, script: str, *options: str, cwd: Path | None = None) -> None:
        begin = BEGIN.format(platform=self.platform, base=self.base, mount=MOUNT)
        progress = Progress(targets=(STAGE,))

        def on_line(line: str) -> None:
            progress.read(line)
            if self.verbose:
                console.say(line, dim=True)

        with tempdirs.folder() as context:
            (context / "Dockerfile").write_text(f"{begin}{script}", encoding="utf-8")
            # A step that ran before would not run again, and `--no-cache` empties cache mounts.
            done = shell.run(
                "docker", "buildx", "build", "--builder", self.builder, "--progress", "plain",
                "--build-arg", f"RUN={uuid.uuid4().hex}", *options, str(context),
                env={**bake_plan.ENVIRONMENT, **self.environment, "SOURCE_DATE_EPOCH": ""},
                cwd=cwd,
                on_line=on_line,
            )  # fmt: skip
        if done.code != 0:
            error = progress.final_error or done.output.strip()[-2000:]
            raise bake.explained(progress.failed().get(STAGE) or Step(error=error), error)


@contextmanager
def copier(plan: Plan, engine: Engine, *, verbose: bool) -> Iterator[Copier | None]:
    """A copier on the base of a target; None if no target of the plan installs packages with pip.

    Raises ToolError if the registry of the base gives no login.
    """
    users = [each.target for each in plan.rendered if f",target={MOUNT} " in each.dockerfile]
    if not users:
        yield None
        return
    target = min(users, key=lambda each: each.device is not Device.CPU)  # a smaller base
    logins, refused = base_logins((plan.registry(target.id),))
    for error in refused.values():
        raise error
    with docker_config.beside(logins) as environment:
        yield Copier(
            base=plan.bases[target.id],
            platform=target.platform,
            builder=engine.builder,
            verbose=verbose,
            environment=environment,
        )


def size(folder: Path) -> int:
    """The bytes of the downloads in a folder."""
    return usage.measure(folder / each for each in DOWNLOADS.split()).size


def _prepare(folder: Path) -> None:
    """Create a folder, or check that `save` has created it."""
    with suppress(OSError, UnicodeDecodeError):
        if (folder / TAG).read_text(encoding="utf-8") == SIGNATURE:
            return
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(
            f"{folder} has files that `buildkit cache save` did not write, and would delete",
            hint="name a new or empty folder",
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TAG).write_text(SIGNATURE, encoding="utf-8")
