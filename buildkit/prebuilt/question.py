"""The question for one of AWS's prebuilt images, and the answer.

Named tuples, because `dataclasses` takes longer to load than a lookup.
"""

from __future__ import annotations

from typing import NamedTuple

CASELESS = (
    "framework", "region", "python", "device", "instance_type", "purpose", "base_framework",
    "accelerator",
)  # fmt: skip
"""Words that the data has in lower case only. Versions and suffixes are taken as they are."""


class Query(NamedTuple):
    """The image to look up. None means any; if several images match, that is an error.

    Only versions are case-sensitive: `PyTorch` means `pytorch`.
    `python` is written `3.11` or `py311`; `device` is `cpu`, `gpu` or one of the chips that images
    are made for; an `instance_type` such as `ml.g5.xlarge` implies the device. An instance family
    that buildkit does not know is accepted with any `device`, or if the image runs on all.
    `purpose` is `training`, `inference` or one of the SDK's other scopes. `base_framework`, such as
    `pytorch2.0`, is what Hugging Face's images build on. `smdistributed` is SageMaker's library of
    distributed training; some images differ for it, and on `ml.p4d`.
    """

    framework: str
    region: str
    version: str | None = None
    python: str | None = None
    device: str | None = None
    instance_type: str | None = None
    purpose: str | None = None
    base_framework: str | None = None
    accelerator: str | None = None
    container_version: str | None = None
    smdistributed: bool = False

    def lowered(self) -> Query:
        """The same question, spelt as the data spells its words."""
        words = ((name, getattr(self, name)) for name in CASELESS)
        changed = {name: word.lower() for name, word in words if word and word != word.lower()}
        return self._replace(**changed) if changed else self


class Answer(NamedTuple):
    """An image of AWS. `version` is the full one; the tag has the version of the question."""

    uri: str
    host: str
    repository: str
    tag: str | None
    account: str
    region: str
    partition: str
    framework: str
    version: str
    purpose: str
    device: str | None
    python: str | None
    base_framework: str | None
