"""What the requests for one target are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.model.target import Samples

if TYPE_CHECKING:
    from buildkit.model.target import Target


@dataclass(frozen=True, kw_only=True)
class Values:
    """`image` is the URI. `bucket` may have a prefix behind it: `bucket/prefix`.

    `name` is that of each job and resource. `instance_types`: jobs and endpoints get the first.
    `model_data` is the address of a model archive, None for that of the training job or of the
    samples.
    """

    target: Target
    image: str
    region: str
    role: str
    bucket: str
    name: str
    instance_types: tuple[str, ...]
    inference_ami: str | None = None
    transform_ami: str | None = None
    model_data: str | None = None

    @property
    def instance_type(self) -> str:
        return self.instance_types[0]

    @property
    def samples(self) -> Samples:
        """The samples that images.toml declares."""
        return Samples() if self.target.samples.default else self.target.samples

    @property
    def model(self) -> str | None:
        """The address of the model archive; None for an image without one.

        A training job writes it to OutputDataConfig.S3OutputPath, below its name: SageMaker
        developer guide, "Amazon S3 output" (docs.aws.amazon.com/sagemaker/latest/dg/
        cdf-training.html), read 2026-12.
        """
        if self.model_data is not None:
            return self.model_data
        if self.target.purpose.trains:
            return self.s3(f"models/{self.name}/output/model.tar.gz")
        return None if self.samples.model is None else self.s3("model/model.tar.gz")

    @property
    def code(self) -> str | None:
        """The address of the archive with the user's script; None without one."""
        return None if self.samples.code is None else self.s3("code/sourcedir.tar.gz")

    @property
    def content_types(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.content_type for each in self.samples.payloads))

    @property
    def answers(self) -> tuple[str, ...]:
        """Content types of answers. Without `accept` an image answers in that of the request."""
        payloads = self.samples.payloads
        return tuple(dict.fromkeys(each.accept or each.content_type for each in payloads))

    def s3(self, path: str) -> str:
        """An address in the bucket, below the name of the image."""
        return f"s3://{self.bucket}/{self.target.name}/{path}"
