"""Target and options -> the requests for its image, and what a person has to know about them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildkit.amis.facts import ENDPOINT, TRANSFORM
from buildkit.spec import image, kinds, machine, requests
from buildkit.spec.kinds import Kind
from buildkit.spec.values import Values
from buildkit.support import suggest
from buildkit.support.errors import UsageError
from buildkit.support.suggest import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from buildkit.config.images_toml import Config
    from buildkit.ledger.record import Release
    from buildkit.model.target import Target
    from buildkit.spec.image import Image, Where

ROLE = "REPLACE-ROLE"
BUCKET = "REPLACE-BUCKET"
"""They stand for what is not given. No bucket may have capitals, so AWS refuses this one."""
LONGEST = 63
"""Characters of most names of SageMaker."""
ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+", re.ASCII)
ROLE_NAME = re.compile(r"[\w+=,.@/-]{1,576}", re.ASCII)
BUCKET_NAME = re.compile(
    r"(?:s3://)?(?P<place>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[\w!.*'()/-]+)?)"
)
NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
MODEL_DATA = re.compile(r"(?:https|s3)://[^/\s]+/\S{1,900}")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user chose, None or empty where not given."""

    where: Where
    role: str | None = None
    bucket: str | None = None
    name: str | None = None
    model_data: str | None = None
    instance_types: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The parameters of each request. `notes` are for a person, `uploads` what S3 has to have.

    An upload is a path and its address.
    """

    values: Values
    requests: Mapping[Kind, dict[str, Any]]
    notes: tuple[str, ...]
    uploads: tuple[tuple[str, str], ...]


def make(
    target: Target,
    asked: Sequence[Kind],
    options: Options,
    config: Config,
    releases: Sequence[Release],
) -> Spec:
    """Raises UsageError for a request that the target does not allow, and for a bad option."""
    wanted = _wanted(target, asked)
    found = image.find(target, config, releases, options.where)
    types = machine.types(target, options.instance_types)
    inference_ami, inference_note = machine.ami(target, ENDPOINT, types[0])
    transform_ami, transform_note = machine.ami(target, TRANSFORM, types[0])
    values = Values(
        target=target,
        image=found.uri,
        region=found.region,
        role=_role(options.role, found),
        bucket=_bucket(options.bucket),
        name=_name(options.name, target),
        instance_types=types,
        inference_ami=inference_ami,
        transform_ami=transform_ami,
        model_data=_model_data(options.model_data),
    )
    made = {kind: requests.parameters(kind, values) for kind in wanted}
    notes = [
        *found.notes,
        *([inference_note] if inference_note and Kind.ENDPOINT_CONFIG in wanted else []),
        *([transform_note] if transform_note and Kind.TRANSFORM_JOB in wanted else []),
        *_placeholders(str(made)),
    ]
    uploads = tuple(each for each in _uploads(values) if each[1] in str(made))
    return Spec(values=values, requests=made, notes=tuple(notes), uploads=uploads)


def _wanted(target: Target, asked: Sequence[Kind]) -> tuple[Kind, ...]:
    """The requests in the order in which one sends them; all that the target allows by default."""
    allowed = kinds.allowed(target)
    for kind in asked:
        if (why := kinds.why_not(target, kind)) is not None:
            raise UsageError(
                f"{target.id} is for {target.purpose.value}, on {target.platform}: {why}",
                hint=suggest.listed(
                    f"`buildkit spec {target.id}` takes", [each.value for each in allowed]
                ),
            )
    return tuple(each for each in allowed if each in asked or not asked)


def _role(given: str | None, found: Image) -> str:
    if given is not None and ROLE_ARN.fullmatch(given):
        return given
    name = given or ROLE
    if not ROLE_NAME.fullmatch(name):
        raise UsageError(
            f"`{shown(name)}` is neither the ARN nor the name of a role",
            hint=f"`--role arn:aws:iam::{found.account or image.ACCOUNT}:role/NAME`",
        )
    account = found.account or image.ACCOUNT
    return f"arn:{found.partition}:iam::{account}:role/{name.lstrip('/')}"


def _bucket(given: str | None) -> str:
    if given is None:
        return BUCKET
    match = BUCKET_NAME.fullmatch(given.rstrip("/"))
    if match is None:
        raise UsageError(
            f"`{shown(given)}` is not a bucket of S3",
            hint="`--bucket my-bucket` or `my-bucket/prefix`",
        )
    return match["place"]


def _name(given: str | None, target: Target) -> str:
    if given is not None and not NAME.fullmatch(given):
        raise UsageError(
            f"`{shown(given)}` is not a name for SageMaker",
            hint="letters, digits and single `-` between them, at most 63",
        )
    if given is not None:
        return given
    word = re.sub(r"[^a-zA-Z0-9]+", "-", target.id).strip("-")
    return word[:LONGEST].rstrip("-")


def _model_data(given: str | None) -> str | None:
    if given is not None and not MODEL_DATA.fullmatch(given):
        raise UsageError(
            f"`{shown(given)}` is not the address of a model archive",
            hint="`--model-data s3://my-bucket/model.tar.gz`",
        )
    return given


def _placeholders(text: str) -> Iterator[str]:
    standing = {
        f"--account for {image.ACCOUNT}": image.ACCOUNT in text,
        f"--role for {ROLE}": ROLE in text,
        f"--bucket for {BUCKET}": BUCKET in text,
    }
    if found := [option for option, stands in standing.items() if stands]:
        yield f"placeholders to replace: {', '.join(found)}"


def _uploads(values: Values) -> Iterator[tuple[str, str]]:
    for name, path in values.samples.channels:
        yield path, values.s3(f"input/{name}/")
    if values.samples.code is not None:
        yield values.samples.code, values.s3("code/sourcedir.tar.gz")
    if values.samples.model is not None:
        yield values.samples.model, values.s3("model/model.tar.gz")
    for payload in values.samples.payloads[:1]:
        yield payload.body, values.s3("transform/input/")
