from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from buildkit.registry import referrers
from buildkit.registry.referrers import Artifact
from buildkit.support.errors import ToolError
from tests.support.distribution import Distribution, layer, listed
from tests.support.registry_server import digest as sha256
from tests.support.registry_server import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.registry.manifests import Manifest

ONE = Artifact(kind="application/vnd.test.one", content=b'{"a": 1}', created="2026-11-21T16:00:00Z")
TWO = Artifact(kind="application/vnd.test.two", content=b'{"b": 2}', created="2026-11-21T16:00:00Z")


@pytest.fixture(params=[True, False], ids=["lists referrers", "does not"])
def there(request: pytest.FixtureRequest) -> Iterator[Distribution]:
    with running(Distribution(refers=request.param)) as found:
        yield found


@pytest.fixture
def plain() -> Iterator[Distribution]:
    """Keeps the list under a tag."""
    with running(Distribution()) as found:
        yield found


def image(there: Distribution) -> Manifest:
    return there.image("demo", "1.0", layers=[layer({"a": "a"})])


def test_artifacts_are_listed_and_the_image_stays_as_it_is(there: Distribution) -> None:
    subject = image(there)
    before = dict(there.manifests)
    digests = [*referrers.attach(there.registry, "demo", referrers.of(subject), [ONE, TWO])]
    found = listed(there.registry, "demo", subject.digest)
    assert [each["digest"] for each in found] == digests
    assert [each["artifactType"] for each in found] == [ONE.kind, TWO.kind]
    assert before.items() <= there.manifests.items()


def test_an_artifact_is_a_manifest_with_the_image_as_its_subject(there: Distribution) -> None:
    subject = image(there)
    (digest,) = referrers.attach(there.registry, "demo", referrers.of(subject), [ONE])
    kind, content = there.manifests[f"demo:{digest}"]
    document = json.loads(content)
    assert kind == document["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert document["artifactType"] == ONE.kind
    assert document["subject"] == {
        "mediaType": subject.media_type, "digest": subject.digest, "size": len(subject.content),
    }  # fmt: skip
    assert document["config"] == {
        "mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(b"{}"), "size": 2,
    }  # fmt: skip
    (only,) = document["layers"]
    assert there.blobs["demo"][only["digest"]] == ONE.content
    assert there.blobs["demo"][sha256(b"{}")] == b"{}"


def test_the_tag_of_the_list_is_only_there_where_it_is_needed(there: Distribution) -> None:
    subject = image(there)
    referrers.attach(there.registry, "demo", referrers.of(subject), [ONE])
    tag = subject.digest.replace(":", "-")
    assert (f"demo:{tag}" in there.manifests) is not there.refers


def test_an_artifact_is_listed_once(there: Distribution) -> None:
    subject = image(there)
    for _ in range(2):
        referrers.attach(there.registry, "demo", referrers.of(subject), [ONE])
    assert len(listed(there.registry, "demo", subject.digest)) == 1


def test_what_others_have_listed_stays(plain: Distribution) -> None:
    subject = image(plain)
    theirs = {"mediaType": referrers.MANIFEST, "digest": sha256(b"x"), "size": 1}
    index = {"schemaVersion": 2, "mediaType": referrers.INDEX, "manifests": [theirs],
             "annotations": {"a": "b"}}  # fmt: skip
    tag = referrers.tag_of(subject.digest)
    plain.manifests[f"demo:{tag}"] = (referrers.INDEX, json.dumps(index).encode())
    (ours,) = referrers.attach(plain.registry, "demo", referrers.of(subject), [ONE])
    kind, content = plain.manifests[f"demo:{tag}"]
    document = json.loads(content)
    assert kind == referrers.INDEX
    assert document["annotations"] == {"a": "b"}
    assert document["manifests"][0] == theirs
    assert document["manifests"][1] == {
        "mediaType": referrers.MANIFEST,
        "digest": ours,
        "size": len(plain.manifests[f"demo:{ours}"][1]),
        "artifactType": ONE.kind,
        "annotations": {"org.opencontainers.image.created": ONE.created},
    }


def test_what_another_writer_overwrites_is_added_again(plain: Distribution) -> None:
    subject = image(plain)
    tag = referrers.tag_of(subject.digest)
    theirs = {"mediaType": referrers.MANIFEST, "digest": sha256(b"x"), "size": 1}
    index = {"schemaVersion": 2, "mediaType": referrers.INDEX, "manifests": [theirs]}
    overwritten: list[str] = []

    def overwrite(reference: str) -> None:
        if reference == f"demo:{tag}" and not overwritten:
            overwritten.append(reference)
            plain.manifests[f"demo:{tag}"] = (referrers.INDEX, json.dumps(index).encode())

    plain.on_put = overwrite
    (ours,) = referrers.attach(plain.registry, "demo", referrers.of(subject), [ONE])
    found = listed(plain.registry, "demo", subject.digest)
    assert [each["digest"] for each in found] == [theirs["digest"], ours]


def test_another_thing_under_the_tag_of_the_list_is_left(plain: Distribution) -> None:
    subject = image(plain)
    tag = referrers.tag_of(subject.digest)
    before = plain.manifests[f"demo:{tag}"] = plain.manifests["demo:1.0"]
    with pytest.raises(ToolError, match="should be the list of artifacts of"):
        referrers.attach(plain.registry, "demo", referrers.of(subject), [ONE])
    assert plain.manifests[f"demo:{tag}"] == before


def test_nothing_is_listed_of_an_image_without_artifacts(there: Distribution) -> None:
    assert listed(there.registry, "demo", image(there).digest) == ()
