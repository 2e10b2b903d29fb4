"""`buildkit uri`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import click

from buildkit.commands import complete, options
from buildkit.support.errors import UsageError
from buildkit.uri.asked import EXPLAIN, LIST, OWN, PREBUILT, Asked, check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ANSWERS = {OWN: "own", PREBUILT: "prebuilt", LIST: "listing", EXPLAIN: "explain"}
"""The module that answers. Only that one is loaded: a URI should take milliseconds."""


def _option(name: str, help_: str, metavar: str) -> Callable[[options.Command], options.Command]:
    word = name.removeprefix("--").replace("-", "_")
    return click.option(name, metavar=metavar, help=help_, shell_complete=complete.uri(word))


def _one(_context: click.Context, _parameter: click.Parameter, given: Sequence[str]) -> str | None:
    """The URI to explain. Raises UsageError for several, rather than drop all but one silently."""
    if len(given) > 1:
        raise UsageError(
            f"`--explain` takes one URI, and {len(given)} are given",
            hint="run `buildkit uri --explain URI` for each",
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
@click.argument("target", required=False, shell_complete=complete.uri("target"))
@options.flag("--prebuilt", "Look up one of AWS's images; TARGET is its framework.")
@_option("--version", "Require this version, or the one version that begins with it.", "VERSION")
@options.flag("--latest", "Take the newest version that matches.")
@_option("--device", "Require this device, such as cpu or gpu.", "DEVICE")
@_option("--python", "Require this Python, such as 3.11 or py311.", "PYTHON")
@_option("--purpose", "Require this purpose, such as training or inference.", "PURPOSE")
@_option(
    "--region",
    "Choose the registry of this region. With --prebuilt, AWS_REGION and the AWS configuration "
    "also set it.",
    "REGION",
)
@click.option("--account", metavar="ACCOUNT", help="Choose the registry of this account.")
@options.flag("--digest", "Print a released image by digest, not by tag.")
@options.flag("--verify", "Check that the registry has the image, and print it by digest.")
@_option("--instance-type", "Take the device from an instance type, such as ml.g5.xlarge.", "TYPE")
@_option(
    "--base-framework",
    "Choose the framework below AWS's Hugging Face images, such as pytorch2.0.",
    "NAME",
)
@_option(
    "--accelerator",
    "Choose AWS's image for an Elastic Inference type, such as ml.eia1.medium.",
    "TYPE",
)
@click.option(
    "--container-version",
    metavar="TEXT",
    help="Choose the container version: the suffix of AWS's spark and pytorch-smp tags.",
)
@options.flag("--smdistributed", "Choose AWS's image for smdistributed training.")
@options.flag("--list", "List released images and AWS's; with --prebuilt, only AWS's.", "listing")
@_option("--framework", "Limit --list to this framework or repository; may be a pattern.", "NAME")
@options.flag("--frameworks", "Show each framework of --list once.")
@click.option(
    "--explain", metavar="URI", multiple=True, callback=_one, help="Explain the parts of a URI."
)
@options.FILE_AS_TEXT
@options.ALLOW_OUTSIDE
@options.JSON
def command(**given: Any) -> None:
    """Print the URI of one released image, or of one of AWS's prebuilt images.

    TARGET is an image, a target id or a pattern that matches one released target of this project;
    releases.jsonl beside images.toml records them. With --prebuilt, TARGET is a framework of AWS.
    If nothing matches, the error suggests similar names. If several images match, it lists the
    options that would decide.
    """
    asked = Asked(**given)
    check(asked)
    importlib.import_module(f"buildkit.uri.{ANSWERS[asked.mode]}").answer(asked.lowered())
