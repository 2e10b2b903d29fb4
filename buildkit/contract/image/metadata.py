"""Clauses that are judged by the metadata of an image: manifest, labels, variables, history."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful, Unseen, check
from buildkit.contract.image import files
from buildkit.contract.image.basics import StillImage, still
from buildkit.contract.signs import Sign
from buildkit.model.features import CAPABILITIES, FEATURES_LABEL, Feature

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_REFERENCE = 255
LARGEST = 10 * 1024**3
OCI = "application/vnd.oci."
LISTS = ("manifest.list.", "image.index.")
CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
)
SECRETS = (
    (re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"), "an AWS access key"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), "a private key"),
    (re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36}"), "a GitHub token"),
    (re.compile(r"://[^/\s:@$\"']+:[^/\s:@$\"']{3,}@"), "an address with a password"),
)
SECRET_WORDS = {
    "SECRET", "SECRETS", "PASSWORD", "PASSWD", "PASSPHRASE", "TOKEN", "APIKEY", "CREDENTIAL",
    "CREDENTIALS",
}  # fmt: skip
SECRET_PAIRS = ("API_KEY", "ACCESS_KEY", "PRIVATE_KEY", "SECRET_KEY")
ASSIGNED = re.compile(r"\b([A-Za-z][A-Za-z0-9_]*)=(\"[^\"]{4,}\"|'[^']{4,}'|[^\s\"'$]{4,})")
HARMLESS = ("/", "$", "true", "false", "none")
PYTHONS = ("python3", "python")
UNBUFFERED = re.compile(rb"python[\d.]*\s(.*\s)?-[A-Za-z]*u")


@check("IMG-02", still, smoke=True)
def docker_manifest(image: StillImage) -> None:
    """The media type of the manifest, where engine or registry report it: no index, no OCI."""
    found = image.view.media_type
    if found is None:
        raise Unseen("the media type of the manifest is known only after a push")
    if found.startswith(OCI) or any(each in found for each in LISTS):
        raise Broken(f"the manifest is {found}")


@check("IMG-03", still, smoke=True)
def reference_suits(image: StillImage) -> None:
    """At most 255 characters, and no whitespace."""
    if len(image.reference) > LONGEST_REFERENCE or re.search(r"\s", image.reference):
        raise Broken(
            f"the reference has {len(image.reference)} characters: {image.reference[:80]!r}"
        )


@check("IMG-07", still, smoke=True)
def labels_are_true(image: StillImage) -> None:
    """A promised feature has its label, and each label of a capability has the value `true`."""
    labels = {each: image.view.labels.get(label) for each, label in CAPABILITIES.items()}
    for feature in sorted(labels, key=lambda each: each in image.features):
        value, label = labels[feature], CAPABILITIES[feature]
        promised = feature in image.features
        signs = (Sign.NO_LABEL,) if promised else ()
        if value is None and promised:
            evidence = f"the image promises {feature.value} but lacks the label {label}"
            raise Broken(evidence, *signs)
        if value not in (None, "true"):
            evidence = f"the label {label} has the value {value!r} instead of 'true'"
            raise Broken(evidence, *signs)
    words = image.view.labels.get(FEATURES_LABEL, "").split(",")
    unknown = {word.strip() for word in words} - {each.value for each in Feature} - {""}
    if unknown:
        raise Doubtful(f"the label {FEATURES_LABEL} names an unknown feature: {min(unknown)}")


@check("IMG-08", still, smoke=True)
def not_too_large(image: StillImage) -> None:
    """All layers together, unpacked, have at most 10 GB."""
    if image.view.size > LARGEST:
        raise Doubtful(f"the image has {image.view.size / 1024**3:.1f} GB, the limit is 10 GB")


@check("IMG-11", still)
def no_secrets(image: StillImage) -> None:
    """Variables, labels and history: patterns of keys and tokens, and names of secrets."""
    for where, text in _texts(image):
        for pattern, what in SECRETS:
            if pattern.search(text):
                raise Broken(f"{where} holds {what}")
    for where, text in _texts(image):
        for name, value in ASSIGNED.findall(text):
            if _is_secret(name) and not value.strip("\"'").lower().startswith(HARMLESS):
                raise Doubtful(f"{where} gives a value to {name}")


@check("ENV-02", still, smoke=True)
def no_credentials(image: StillImage) -> None:
    """No AWS keys or profile among the variables, and no ~/.aws/credentials."""
    for name in CREDENTIALS:
        if image.view.environment.get(name):
            raise Broken(f"the image sets {name}")
    home = image.view.environment.get("HOME") or "/root"
    for folder in dict.fromkeys((home, "/root")):
        found = image.container.look(f"{folder}/.aws/credentials")
        if found is not None and found.size > 0:
            raise Broken(f"the image holds {folder}/.aws/credentials")


@check("ENV-06", still)
def python_is_not_buffered(image: StillImage) -> None:
    """PYTHONUNBUFFERED is set if the start programs are written in Python, or call it."""
    container, environment = image.container, image.view.environment
    if not any(files.on_path(container, environment, name) for name in PYTHONS):
        raise Unseen("Python is not on the PATH of the image")
    starts = image.view.entrypoint[:1] or ("train", "serve")
    found = [files.on_path(container, environment, name) for name in starts]
    programs = [files.head(container, path) for path in found]
    names = " ".join(image.view.entrypoint).encode()
    if b"python" not in names and not any(b"python" in head for head in programs):
        raise Unseen("the start programs of the image are not Python")
    if environment.get("PYTHONUNBUFFERED"):
        return
    first_lines = [names, *(head.partition(b"\n")[0] for head in programs)]
    if not any(map(UNBUFFERED.search, first_lines)):
        raise Broken("PYTHONUNBUFFERED is not set, so Python buffers its output", Sign.BUFFERED)


def _texts(image: StillImage) -> Iterator[tuple[str, str]]:
    """Each text that anyone with the image can read, and where it is."""
    for name, value in image.view.environment.items():
        yield f"the variable {name}", f"{name}={value}"
    for step in image.view.history:
        yield f"the layer of `{step.strip()[:40]}…`", step
    for name, value in image.view.labels.items():
        yield f"the label {name}", value


def _is_secret(name: str) -> bool:
    name = name.upper()
    return bool(SECRET_WORDS & set(name.split("_"))) or name.endswith(SECRET_PAIRS)
