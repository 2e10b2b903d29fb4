"""`buildkit init`."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildkit import project
from buildkit.commands import complete, options, output
from buildkit.config import boundary
from buildkit.model.hosts import ECR_HOST
from buildkit.prebuilt import facts
from buildkit.scaffold import draft, origin, write
from buildkit.scaffold.kinds import DEFAULT, IMAGES, KINDS
from buildkit.support import manual, suggest
from buildkit.support.errors import ConfigError, UsageError
from buildkit.system import asking, console, files

if TYPE_CHECKING:
    from buildkit.model.target import Target
    from buildkit.scaffold.draft import Draft
    from buildkit.scaffold.write import Plan

ORDER = (DEFAULT, *(each for each in KINDS if each != DEFAULT))
"""The kinds as the question lists them."""


@click.command(
    epilog="\b\nExamples:\n  buildkit init\n  buildkit init my-model --kind algorithm\n"
    "  buildkit init --from docker/Dockerfile\n"
    "  buildkit init --from 763104351884.dkr.ecr.eu-west-1.amazonaws.com/"
    "pytorch-training:2.5.1-cpu-py311"
)
@click.argument("folder", type=options.PathType(file_okay=False), default=".")
@click.option(
    "--kind",
    type=click.Choice([*KINDS]),
    help=f"Begin with this kind of project.  [default: ask, or {DEFAULT} without a terminal]",
)
@click.option(
    "--from",
    "source",
    metavar="IMAGE|DOCKERFILE",
    shell_complete=complete.paths,
    help="Take over an image, such as one of AWS's by its URI, or a Dockerfile.",
)
@click.option("--name", metavar="NAME", help="Give the image this name.  [default: that of FOLDER]")
@options.flag("--workflow", "Add the GitHub workflow that builds, tests and publishes.")
@options.JSON
def command(
    *,
    folder: Path,
    kind: str | None,
    source: str | None,
    name: str | None,
    workflow: bool,
    as_json: bool,
) -> None:
    """Start a project in FOLDER: an images.toml, sample code and data, which build and pass.

    \b
    KIND        The image is built from
    script      your training script, with scikit-learn
    algorithm   your own programs `train` and `serve`
    extend      your script and packages, on AWS's PyTorch image
    r           your own train.R and serve.R
    dockerfile  your own Dockerfile
    matrix      scikit-learn and XGBoost, in several versions
    studio      a Dockerfile for JupyterLab in SageMaker Studio

    Files that exist are never changed, except that .gitignore and .dockerignore get the lines that
    they lack. If another file exists already, nothing is written.
    """  # noqa: D301 - for click, a backspace means "keep these lines"
    _check(folder, kind, source)
    asks = asking.is_possible() and not as_json
    if asks and not kind and source is None:
        kind = _ask_kind()
    name = _name(folder, name, asks=asks)
    if source is not None:
        made = origin.take_over(source, folder, name)
    else:
        made = draft.of_kind(kind or DEFAULT, name, _region())
    if workflow:
        made = _with_workflow(made, folder)
    plan = write.plan(made, folder)
    files.create(plan.new, plan.more, hint="make the folder writable, or choose another one")
    _report(folder, name, made.kind, plan, as_json=as_json)


def _check(folder: Path, kind: str | None, source: str | None) -> None:
    """Raise UsageError before any question."""
    if source == "":
        raise UsageError("`--from` is empty (is a shell variable unset?)", hint=origin.HINT)
    if kind and source:
        raise UsageError("`--kind` and `--from` exclude each other", hint="leave one out")
    if os.path.lexists(folder / IMAGES):
        raise UsageError(
            f"`{folder / IMAGES}` exists already",
            hint="`buildkit list` shows its images; `buildkit init FOLDER` starts another project",
        )


def _ask_kind() -> str:
    console.say("What do you have?")
    for number, kind in enumerate(ORDER, 1):
        console.say(f"  {number}  {kind:<10}  {KINDS[kind].what}")

    def problem(answer: str) -> str | None:
        if answer in KINDS or answer in map(str, range(1, len(ORDER) + 1)):
            return None
        near = suggest.near_names(answer, KINDS)
        return f"answer with a number or a kind{f': did you mean {near[0]}?' if near else ''}"

    found = asking.ask("Kind", DEFAULT, problem)
    return found if found in KINDS else ORDER[int(found) - 1]


def _name(folder: Path, name: str | None, *, asks: bool) -> str:
    if name is None:
        name = draft.name_of(folder.absolute().resolve().name)
        if asks:
            name = asking.ask("Name of the image", name, draft.problem_of)
    if (wrong := draft.problem_of(name)) is not None:
        raise UsageError(f"`{suggest.shown(name)}` cannot be the name of an image", hint=wrong)
    return name


def _region() -> str | None:
    """The region of the environment, if AWS's images are there."""
    found = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return found if found in facts.regions() else None


def _with_workflow(made: Draft, folder: Path) -> Draft:
    """With the workflow at the root of the git repository, where GitHub reads it."""
    here, root = Path(os.path.realpath(folder)), boundary.around(folder).root
    # From the folder as it was named: a path of files does not follow its links.
    path = Path(os.path.relpath(root / draft.WORKFLOW, folder)).as_posix()
    return draft.with_workflow(made, path, here.relative_to(root).as_posix(), manual.on_github())


def _targets(folder: Path) -> tuple[tuple[Target, ...], list[str]]:
    """The targets of the new project, or the problems that what it takes over has."""
    try:
        return project.read(folder / IMAGES, None, renders=True).targets, []
    except ConfigError as error:
        return (), (error.details or error.message).splitlines()


def _report(folder: Path, name: str, kind: str, plan: Plan, *, as_json: bool) -> None:
    """Print what was written, and the commands to type now."""
    targets, problems = _targets(folder)
    steps = _next(folder, targets)
    document = {
        "kind": kind,
        "name": name,
        "folder": str(folder),
        "files": [str(path) for path in plan.new],
        "appended": [str(path) for path in plan.more],
        "problems": problems,
        "next": steps,
    }
    output.show(document, map(str, plan.new), as_json=as_json)
    for path, lines in plan.more.items():
        console.say(f"added to {path}: {' '.join(lines.decode().split())}")
    for line in problems:
        console.say(line, fg="yellow")
    if any(ECR_HOST.fullmatch(each.base.partition("/")[0]) for each in targets):
        console.say("the base image is in Amazon ECR: `build` needs AWS credentials to pull it")
    if file := next((path for path in plan.new if path.match(draft.WORKFLOW)), None):
        console.say(f"write your role and registry into {file}: {manual.page('ci')}")
    console.say("\n".join(["next:", *(f"  {step}" for step in steps)]), fg="green")


def _next(folder: Path, targets: tuple[Target, ...]) -> list[str]:
    """The commands to type now."""
    here = [] if folder.resolve() == Path.cwd() else [f"cd {shlex.quote(str(folder))}"]
    if not targets:
        return [*here, "buildkit list"]
    first = targets[0]
    samples = first.samples
    runs = [
        f"buildkit run {first.id} {word}"
        for word, is_possible in (
            ("train", first.purpose.trains and samples.channels),
            ("serve", first.purpose.serves and samples.payloads),
        )
        if is_possible
    ]
    return [*here, "buildkit build --all", *runs]
