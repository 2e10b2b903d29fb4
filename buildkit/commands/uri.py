"""`buildkit uri`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import click

from buildkit.commands import options
from buildkit.support.errors import UsageError
from buildkit.uri.asked import EXPLAIN, LIST, OWN, PREBUILT, Asked, check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from click.shell_completion import CompletionItem

    Completion = Callable[[click.Context, click.Parameter, str], list[str | CompletionItem]]

ANSWERS = {OWN: "released", PREBUILT: "prebuilt", LIST: "listing", EXPLAIN: "explain"}
"""The module that answers, loaded when it is asked: whoever waits for a URI loads no more."""


def _complete(name: str) -> Completion:
    def words(
        context: click.Context, _parameter: click.Parameter, incomplete: str
    ) -> list[str | CompletionItem]:
        from buildkit.uri import complete  # noqa: PLC0415 - only when a shell asks

        given = dict(context.params)
        given["file"] = given.get("file") or options.IMAGES
        # An option that still lacks its word keeps click from giving TARGET its own.
        given["target"] = given.get("target") or next(iter(context.args), None)
        return [*complete.complete(name, given, incomplete)]

    return words


def _option(name: str, help_: str, metavar: str) -> Callable[[options.Command], options.Command]:
    word = name.removeprefix("--").replace("-", "_")
    return click.option(name, metavar=metavar, help=help_, shell_complete=_complete(word))


def _one(_context: click.Context, _parameter: click.Parameter, given: Sequence[str]) -> str | None:
    """The one URI. Raises UsageError for several: no answer may be left out in silence."""
    if len(given) > 1:
        raise UsageError(
            f"`--explain` takes one URI, and {len(given)} are given",
            hint="one `buildkit uri --explain URI` for each",
        )
    return given[0] if given else None


@click.command(
    epilog="\b\nExamples:\n"
    "  buildkit uri sklearn --version 1.7 --device cpu --python 3.11\n"
    "  buildkit uri sklearn-1.7.2-cpu-py311 --digest --region eu-west-1\n"
    "  buildkit uri 'sklearn-*-py313' --verify\n"
    "  buildkit uri pytorch --prebuilt --version 2.3 --purpose training --device gpu \\\n"
    "      --python py311 --region cn-north-1\n"
    "  buildkit uri pytorch --prebuilt --version 2.3 --purpose training \\\n"
    "      --instance-type ml.g5.xlarge --region eu-west-1\n"
    "  buildkit uri tgi --prebuilt --latest --region eu-west-1\n"
    "  buildkit uri --list --framework 'huggingface*' --region eu-west-1\n"
    "  buildkit uri --list --frameworks\n"
    "  buildkit uri --explain \\\n"
    "      763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.3-gpu-py311\n"
    '  docker pull "$(buildkit uri sklearn-1.7.2-cpu-py311 --digest)"'
)
@click.argument("target", required=False, shell_complete=_complete("target"))
@click.option("--prebuilt", is_flag=True, help="One of AWS's images: TARGET is its framework.")
@_option("--version", "The version, or a part of it that fits one version.", "VERSION")
@click.option("--latest", is_flag=True, help="Take the newest version that fits the rest.")
@_option("--device", "cpu, gpu, or another that the image is made for.", "DEVICE")
@_option("--python", "3.11 or py311.", "PYTHON")
@_option("--purpose", "training, inference, or another that the image is for.", "PURPOSE")
@_option(
    "--region",
    "The region of the registry. For --prebuilt AWS_REGION and the AWS configuration count, too.",
    "REGION",
)
@click.option("--account", metavar="ACCOUNT", help="The account of the registry, for own images.")
@click.option("--digest", is_flag=True, help="Name an own image by its digest, not by its tag.")
@click.option(
    "--verify", is_flag=True, help="Ask the registry for the image, and name it by its digest."
)
@_option("--instance-type", "ml.g5.xlarge: says the device of AWS's images.", "TYPE")
@_option("--base-framework", "pytorch2.0: what AWS's Hugging Face images build on.", "NAME")
@_option("--accelerator", "ml.eia1.medium: AWS's images for Elastic Inference.", "TYPE")
@click.option(
    "--container-version", metavar="TEXT", help="What AWS's tags of spark, pytorch-smp end with."
)
@click.option("--smdistributed", is_flag=True, help="AWS's image for its distributed training.")
@click.option(
    "--list", "listing", is_flag=True, help="List own images and AWS's (--prebuilt: AWS's)."
)
@_option(
    "--framework", "With --list: of this name, or pattern on frameworks, repositories.", "NAME"
)
@click.option("--frameworks", is_flag=True, help="With --list: list each framework once.")
@click.option(
    "--explain", metavar="URI", multiple=True, callback=_one, help="Take the URI of an image apart."
)
@options.FILE_AS_TEXT
@options.JSON
def command(**given: Any) -> None:
    """Print one URI of an image, and nothing else.

    TARGET is an image, a target id or a pattern that matches one target, of what this project has
    published by its ledger, releases.jsonl beside images.toml. With --prebuilt it is one of AWS's
    frameworks. What is not there is an error that names what is near; what fits several, one that
    says what to add.
    """
    asked = Asked(**given)
    check(asked)
    importlib.import_module(f"buildkit.uri.{ANSWERS[asked.mode]}").answer(asked)
