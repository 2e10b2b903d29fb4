"""The tags that are answered, beside those that AWS shows in public: the SDK's data has others, too."""

from __future__ import annotations

import random
import re
from pathlib import Path

from buildkit.prebuilt import facts, naming, reverse
from buildkit.uri import explain_notes
from tests.support.thorough import THOROUGH

LIST = Path(__file__).with_name("public_tags.txt")
ELSEWHERE = {
    "sagemaker-scikit-learn": "AWS's page of registry paths",
    "sagemaker-xgboost": "AWS's page of registry paths",
    "huggingface-pytorch-tgi-inference": "Hugging Face's own list, for Optimum Neuron",
}
"""Repositories of which AWS's list has not every kind of tag, and where those are shown."""
REBUILT = re.compile(r"-v[0-9.]+$")


def public() -> dict[str, set[str]]:
    """By repository, the tags and all that they begin with: most end with CUDA and the system."""
    found = {}
    for line in LIST.read_text().splitlines():
        if not line.startswith("#"):
            repository, *tags = line.split()
            found[repository] = {
                "-".join(parts[:end])
                for parts in (tag.split("-") for tag in tags)
                for end in range(1, len(parts) + 1)
            }
    return found


def shape(tag: str) -> str:
    return re.sub(r"[0-9]+", "0", REBUILT.sub("", tag))


def test_each_tag_is_shown_by_aws_or_has_the_shape_of_one_that_is() -> None:
    shown = public()
    shapes = {shape(tag) for tags in shown.values() for tag in tags}
    counted = {"shown": 0, "of a shape that is shown": 0, "shown elsewhere": 0}
    for framework in facts.frameworks():
        for entry in facts.entries(framework):
            for version in entry.names or (None,):
                for base in entry.bases or (None,):
                    repository, tag = naming.named(entry, version, base)
                    if not tag or repository not in shown:
                        continue
                    if tag in shown[repository]:
                        counted["shown"] += 1
                    elif shape(tag) in shapes:
                        counted["of a shape that is shown"] += 1
                    else:
                        assert repository in ELSEWHERE, f"{repository}:{tag}"
                        counted["shown elsewhere"] += 1
    assert all(counted.values()), counted


def test_no_tag_that_aws_shows_is_doubted_but_those_for_ec2() -> None:
    shown = [
        (repository, tag)
        for repository, *tags in map(str.split, LIST.read_text().splitlines())
        for tag in tags
        if repository != "#"
    ]
    counted = {"known": 0, "for SageMaker": 0, "for EC2": 0}
    for repository, tag in random.Random(0).sample(shown, 400 if THOROUGH else 100):
        uri = f"763104351884.dkr.ecr.us-west-2.amazonaws.com/{repository}:{tag}"
        known = reverse.known(parts := reverse.parse(uri))
        if not known:
            continue
        said = [
            note
            for note in explain_notes.on_aws(parts, known, ())
            if note.startswith("not verified")
        ]
        assert bool(said) == bool(known[0].rest), uri
        for_ec2 = bool({"ec2", "e3"} & {*(known[0].rest or "").split("-")})
        assert ["marks images for EC2" in note for note in said] == [for_ec2] * len(said), uri
        assert not [note for note in said if "is not of an image for" in note], uri
        counted["for EC2" if for_ec2 else "for SageMaker" if said else "known"] += 1
    assert all(counted.values()), counted
