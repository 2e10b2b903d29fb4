"""The buildx adapter: a bake plan -> an image or an error for every target."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from buildkit.build import bake_plan, epoch
from buildkit.build.bake_output import TAIL, Progress, Step
from buildkit.model.image import IDENTITY, Built, Origin
from buildkit.registry.manifests import DOCKER_MANIFEST
from buildkit.support import manual
from buildkit.support.errors import ToolError
from buildkit.system import console, shell, tempdirs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from buildkit.model.target import Target

CAUSES = (  # a pattern of the engine's text in lower case, what it means, the hint
    (
        "no space left on device",
        "the engine's disk is full",
        "free space with `docker system prune`, then rerun the command",
    ),
    (
        r"failed to resolve source metadata.*(?:401 unauthorized|403 forbidden|authorization)",
        "the registry of the base image refuses the login, or requires one",
        "run `docker login HOST`; if a login to ECR has expired, `docker logout HOST` and rebuild",
    ),
    (
        "failed to resolve source metadata",
        "the base image could not be pulled",
        "check `base` with `buildkit doctor`, or replace the image with `--substitute`",
    ),
    (
        "unknown command: docker buildx",
        "docker has no buildx plugin",
        "install buildx: https://docs.docker.com/build/install-buildx/; then `buildkit doctor`",
    ),
)
STOPPED = (
    "the Docker engine stopped answering",
    "run `buildkit doctor`, start the engine, then rerun the command",
)
GONE = re.compile(
    r"cannot connect to the docker daemon|error reading from server|transport is closing"
    r"|^(?!.*failed to solve).*(?:connection reset|unexpected eof|broken pipe)",
    re.IGNORECASE | re.DOTALL,
)
"""The engine has stopped. `failed to solve` comes from a running one, of other connections."""
OTHERWISE = (
    "the build failed",
    "fix the step, then rerun the command; `-v` shows the full output",
)

KEEP = "mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"
"""How a registry keeps steps: all of them, in the form for ECR. A failure to keep them is none."""

TAKEN = re.compile(r'image "[^"]+": already exists')
"""Two exports of one name: the export of a cancelled bake had not ended yet."""
MISSING = re.compile(r"ERROR: No matching distribution found for (\S+)")
LOOKING = re.compile(r"Looking in indexes: (.+)")
"""What pip prints if it uses other indexes than the public one, passwords left out."""
UNREAD = re.compile(
    r"Could not fetch URL (?P<url>\S+?): (?P<why>.+?)(?: - skipping)?$"
    r"|.*Retry\(total=0,.*after connection broken by '(?P<broken>.+)': (?P<path>\S+)$"
)
"""What pip prints of an index that it gives up, which it then takes for an empty one."""
TLS = re.compile(r"ssl|certificate", re.IGNORECASE)
REASON_SHOWN = 300
"""Characters of pip's reason that a message shows."""
EXIT = re.compile(r'process ".*" did not complete successfully: (exit code: \d+)', re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to run bake: at most `jobs` targets in parallel (None: buildx decides).

    `held` are the names under which images are built, `epochs` the times of their configurations
    (`epoch`), `identities` their labels, `caches` the tags of registries that keep the steps of
    builds, by target id; without a time, that of the environment counts. `environment` has the
    variables by which docker finds logins.
    """

    builder: str
    containerd: bool
    held: Mapping[str, str]
    epochs: Mapping[str, int] = field(default_factory=dict)
    identities: Mapping[str, str] = field(default_factory=dict)
    caches: Mapping[str, str] = field(default_factory=dict)
    jobs: int | None = None
    fail_fast: bool = False
    no_cache: bool = False
    verbose: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


Result = Built | ToolError


def build(
    targets: Sequence[Target], plan: bake_plan.Plan, options: Options
) -> Iterator[tuple[Target, Result]]:
    """Build every target of the plan, and yield the image or the error of each.

    bake cancels all of its targets when one fails; so the others are baked again without that one,
    and find their finished steps in the cache.
    """
    by_name = {plan.names[target.id]: target for target in targets}
    names = list(by_name)
    size = options.jobs or len(names) or 1
    with tempdirs.folder() as folder:
        file = folder / "plan.json"
        file.write_text(json.dumps(_document(plan, options)), encoding="utf-8")
        waves = [names[start : start + size] for start in range(0, len(names), size)]
        while waves:
            wave = waves.pop(0)
            progress, metadata = _bake(file, wave, by_name, options)
            if metadata is None and TAKEN.search(progress.final_error):
                progress, metadata = _bake(file, wave, by_name, options)
            if metadata is not None:
                for name in wave:
                    target = by_name[name]
                    base = plan.bases[target.id]
                    origin = Origin(base=base, base_digest=progress.digest_of(base))
                    built = _built(target, origin, metadata.get(name), options)
                    if isinstance(built, Built):
                        built = replace(built, seconds=round(progress.seconds_of(name), 1))
                    yield target, built
                continue
            failures = _failures(progress, wave, by_name)
            for name, error in failures.items():
                yield by_name[name], error
            rest = [name for name in wave if name not in failures]
            if options.fail_fast and failures:
                return
            # If no target is known to have failed, each is baked alone, and its own error is found.
            waves[:0] = ([rest] if failures else [[name] for name in rest]) if rest else []


def _document(plan: bake_plan.Plan, options: Options) -> Mapping[str, Any]:
    """The plan, with names of the run instead of those of the targets, times and identities."""
    targets = {}
    for id_, name in plan.names.items():
        targets[name] = {**plan.document["target"][name], "tags": [options.held[id_]]}
        if id_ in options.epochs:
            time = {epoch.VARIABLE: str(options.epochs[id_])}
            targets[name]["args"] = {**time, **targets[name].get("args", {})}
        if id_ in options.identities:
            identity = {IDENTITY: options.identities[id_]}
            targets[name]["labels"] = {**targets[name].get("labels", {}), **identity}
        if id_ in options.caches:
            at = f"type=registry,ref={options.caches[id_]}"
            targets[name]["cache-from"] = [at]
            targets[name]["cache-to"] = [f"{at},{KEEP}"]
    return {**plan.document, "target": targets}


def _bake(
    file: Path, wave: Sequence[str], by_name: Mapping[str, Target], options: Options
) -> tuple[Progress, Mapping[str, Any] | None]:
    progress = Progress(targets=tuple(wave))

    def on_line(line: str) -> None:
        step = progress.read(line)
        if options.verbose:
            console.say(line, dim=True)
        elif step is not None and step.target is not None:
            console.step(by_name[step.target].id, step.title[:100], dim=True)

    metadata = file.with_name("metadata.json")
    metadata.unlink(missing_ok=True)
    done = shell.run(
        "docker", "buildx", "bake", "--builder", options.builder, "--file", str(file),
        "--metadata-file", str(metadata), "--progress", "plain",
        *(["--no-cache"] if options.no_cache else []), *wave,
        # buildx leaves the files of inline Dockerfiles behind: here they are removed.
        env={**bake_plan.ENVIRONMENT, **options.environment, "TMPDIR": str(file.parent)},
        on_line=on_line,
    )  # fmt: skip
    if done.code == 0 and metadata.exists():
        return progress, json.loads(metadata.read_text(encoding="utf-8"))
    progress.final_error = progress.final_error or done.output.strip()[-2000:]
    if GONE.search(progress.final_error):
        for name in wave:  # no engine: all targets of the wave have failed
            progress.steps[name] = Step(target=name, error=progress.final_error)
    return progress, None


def _failures(
    progress: Progress, wave: Sequence[str], by_name: Mapping[str, Target]
) -> dict[str, ToolError]:
    failed = progress.failed()
    if not failed and len(wave) == 1:
        failed = {wave[0]: Step(target=wave[0], error=progress.final_error)}
    return {
        name: missing_package(step, by_name[name]) or explained(step, progress.final_error)
        for name, step in failed.items()
    }


def missing_package(step: Step, target: Target) -> ToolError | None:
    """The error of a step in which pip did not find a package, with the indexes that pip used.

    None if a Dockerfile of the user's own chooses these, and for any other step.
    """
    missing = next((match for line in step.lines if (match := MISSING.match(line))), None)
    if missing is None or target.dockerfile is not None:
        return None
    page = f"/{canonicalize_name(re.split(r'[^A-Za-z0-9._-]', missing[1])[0])}/"
    read = (match for line in step.lines if (match := UNREAD.match(line)))
    unread = next((each for each in read if page in (each["url"] or each["path"])), None)
    if unread is not None:
        return _unread(unread, missing[1], step)
    asked = next((match[1] for line in step.lines if (match := LOOKING.match(line))), None)
    asked = asked or ", ".join(("pip's own index", *target.indexes))
    return ToolError(
        f"pip found no `{missing[1]}` for Python {target.python} and {target.platform}; "
        f"searched: {asked}",
        hint="check the version; if another index has the package, add that to `indexes` of the "
        "image or to the `--pip-config` file, or put the wheel into `--wheels`: "
        f"{manual.page('images-toml', 'package-indexes')}",
        details="\n".join(step.lines[-TAIL:]),
    )


def _unread(found: re.Match[str], package: str, step: Step) -> ToolError:
    """The error of a step in which pip could not read an index."""
    where = f" at `{found['url']}`" if found["url"] else ""
    why = (found["why"] or found["broken"])[:REASON_SHOWN]
    hint = (
        "if a proxy replaces certificates, pass the list of trusted ones with `--ca-bundle`: "
        f"{manual.page('networks', 'certificates')}"
        if TLS.search(why)
        else "check the connection of the engine's containers to the index, or pass a mirror or a "
        f"proxy: {manual.page('networks')}"
    )
    return ToolError(
        f"pip could not read a package index{where}, and so did not find `{package}`: {why}",
        hint=f"{hint}; then rerun the command",
        details="\n".join(step.lines[-TAIL:]),
    )


def explained(step: Step, final_error: str) -> ToolError:
    """The error of a step that failed."""
    said = f"{step.error} {final_error} {' '.join(step.lines[-TAIL:])}".lower()
    cause, hint = next(
        ((cause, hint) for sign, cause, hint in CAUSES if re.search(sign, said)),
        STOPPED if GONE.search(final_error) else OTHERWISE,
    )
    where = f" at `{step.title[:100]}`" if step.title else ""
    # buildx repeats the whole command, which the step shows already.
    reason = EXIT.sub(r"\1", step.error or "")
    return ToolError(f"{cause}{where}: {reason}", hint=hint, details="\n".join(step.lines[-TAIL:]))


def _built(
    target: Target, origin: Origin, metadata: Mapping[str, Any] | None, options: Options
) -> Result:
    """Read one target of the metadata file, which may lack it even after a successful bake."""
    if metadata is None or "containerimage.digest" not in metadata:
        return ToolError(
            "`docker buildx bake` succeeded, but its metadata file lacks this target",
            hint="update buildx to 0.13 or newer; `buildkit doctor` shows the version",
        )
    digest = metadata["containerimage.digest"]
    config = metadata.get("containerimage.config.digest", digest)
    kind = metadata.get("containerimage.descriptor", {}).get("mediaType", DOCKER_MANIFEST)
    if options.containerd and kind != DOCKER_MANIFEST:
        return ToolError(
            f"the build made a manifest of type `{kind}`, which SageMaker refuses (IMG-02)",
            hint="remove `output` and attestations from the template",
        )
    return Built(
        target=target,
        image_id=digest if options.containerd else config,
        config_digest=config,
        manifest_digest=digest if options.containerd else None,  # the classic store has none
        origin=origin,
    )
