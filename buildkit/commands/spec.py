"""`buildkit spec`."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from buildkit.commands import complete, options
from buildkit.ecr import wanted
from buildkit.matrix import matrix
from buildkit.spec import python_text, spec, terraform
from buildkit.spec.image import Where
from buildkit.spec.kinds import Kind
from buildkit.support.errors import UsageError
from buildkit.support.suggest import listed
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildkit.commands.scope import Scope
    from buildkit.model.target import Target
    from buildkit.spec.spec import Options, Spec

JSON, BOTO3, SDK, TERRAFORM = "json", "boto3", "sdk", "terraform"


def _chosen(
    *,
    region: str | None,
    account: str | None,
    registries: tuple[str, ...],
    role: str | None,
    bucket: str | None,
    name: str | None,
    model_data: str | None,
    instance_types: tuple[str, ...],
) -> Options:
    return spec.Options(
        where=Where(region=region and region.lower(), account=account, hosts=registries),
        role=role,
        bucket=bucket,
        name=name,
        model_data=model_data,
        instance_types=instance_types,
    )


OPTIONS = options.packed(
    "chosen",
    [
        "region",
        "account",
        "registries",
        "role",
        "bucket",
        "name",
        "model_data",
        "instance_types",
    ],
    _chosen,
    click.option("--region", metavar="REGION", help="Choose the registry of this region."),
    click.option(
        "--account", metavar="ACCOUNT", help="Choose the registry, and the role, of this account."
    ),
    options.LOOK_IN,
    click.option("--role", metavar="ROLE", help="Use this role: its ARN, or its name."),
    click.option(
        "--bucket", metavar="BUCKET[/PREFIX]", help="Read and write data in this S3 bucket."
    ),
    click.option(
        "--name",
        metavar="NAME",
        help="Give jobs and resources this name.  [default: the id of the target]",
    ),
    click.option(
        "--model-data",
        metavar="URL",
        help="Host this model archive.  [default: that of the training job, or of the samples]",
    ),
    click.option(
        "--instance-type",
        "instance_types",
        metavar="TYPE",
        multiple=True,
        help="Use this instance type; algorithms and model packages list all that are given. "
        "Repeatable.  [default: ml.m5.large, or ml.g5.xlarge for GPUs]",
    ),
)


@click.command(
    epilog="\b\nExamples:\n"
    "  buildkit spec sklearn-1.7.2-cpu-py311\n"
    "  buildkit spec sklearn-1.7.2-cpu-py311 training-job --role my-role --bucket my-bucket \\\n"
    "      > job.json\n"
    "  aws sagemaker create-training-job --cli-input-json file://job.json\n"
    "  buildkit spec pytorch-2.13.0-gpu-py311 model endpoint-config endpoint --as terraform \\\n"
    "      --instance-type ml.g6.xlarge --region eu-west-1 > main.tf\n"
    "  buildkit spec sklearn-1.7.2-cpu-py311 --as sdk > train_and_deploy.py"
)
@click.argument("target", shell_complete=complete.targets)
@click.argument(
    "kinds", nargs=-1, type=click.Choice([each.value for each in Kind]), metavar="[KIND]..."
)
@click.option(
    "--as",
    "form",
    type=click.Choice([JSON, BOTO3, SDK, TERRAFORM]),
    default=JSON,
    show_default=True,
    help="Print JSON for the AWS CLI, Python for boto3 or for version 3 of the SageMaker SDK, or "
    "Terraform.",
)
@OPTIONS
@options.READ
@options.flag("--json", "Print JSON on stdout, the default.", "as_json")
def command(
    *,
    target: str,
    kinds: tuple[str, ...],
    form: str,
    chosen: Options,
    scope: Scope,
    as_json: bool,
) -> None:
    """Print the requests that train with the image of TARGET, host it, and register it.

    Channels, hyperparameters, metrics and content types are those of the samples in images.toml.
    KIND is training-job, model, endpoint-config, endpoint, transform-job, algorithm,
    model-package-group, model-package or processing-job; by default, all that the purpose of the
    target allows. One request is printed as the AWS CLI takes it, several as an object with the
    kinds as keys. A published image is named by its digest. Messages name placeholders, and the
    files to upload.
    """
    if as_json and form != JSON:
        raise UsageError(f"`--json` and `--as {form}` exclude each other", hint="leave one out")
    config = scope.config()
    found = _one(matrix.select(matrix.expand(config, also=wanted.problems), (target,)), target)
    asked = [Kind(each) for each in kinds]
    made = spec.make(found, asked, chosen, config, scope.ledger().read())
    text = _text(made, form, alone=len(asked) == 1)
    for note in _notes(made, form):
        console.say(note)
    click.echo(text)


def _one(found: Sequence[Target], named: str) -> Target:
    if len(found) > 1:
        raise UsageError(
            f"`{named}` matches {len(found)} targets, and `spec` takes one",
            hint=listed("choose one of", [each.id for each in found]),
        )
    return found[0]


def _text(made: Spec, form: str, *, alone: bool) -> str:
    requests, values = made.requests, made.values
    match form:
        case "boto3":
            return python_text.boto3(requests, values.region)
        case "sdk":
            return python_text.sdk(requests, values.region)
        case "terraform":
            if len(terraform.without(requests)) == len(requests):
                raise UsageError(
                    f"Terraform has no resource for {_listed(terraform.without(requests))}",
                    hint="`--as json`, for `aws sagemaker`",
                )
            return terraform.text(requests, values.region, values.name)
        case _:
            document: dict[str, Any] = {kind.value: each for kind, each in requests.items()}
            only = next(iter(document.values()))
            return json.dumps(only if alone else document, indent=2)


def _notes(made: Spec, form: str) -> Iterator[str]:
    yield from made.notes
    for path, address in made.uploads:
        yield f"upload before: {_command(Path(path), address)}"
    if form == TERRAFORM and {Kind.TRAINING_JOB, Kind.MODEL} <= made.requests.keys():
        yield (
            "Terraform does not wait for the training job: run `terraform apply` with "
            "`-target` for the job, and for the rest when the job is complete"
        )
    if form == TERRAFORM and (absent := terraform.without(made.requests)):
        yield f"left out, as Terraform has no resource for it: {_listed(absent)}"


def _command(path: Path, address: str) -> str:
    """The command that uploads a file or folder. SageMaker wants code and models as an archive."""
    written = os.path.relpath(path)
    source = shlex.quote(f"./{written}" if written.startswith("-") else written)
    target = shlex.quote(address)
    if address.endswith(".tar.gz"):
        return f"tar -czf - -C {source} . | aws s3 cp - {target}"
    recursive = " --recursive" if path.is_dir() else ""
    return f"aws s3 cp{recursive} {source} {target}"


def _listed(kinds: Sequence[Kind]) -> str:
    return ", ".join(f"`{each.value}`" for each in kinds)
