from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from buildkit import registry
from buildkit.errors import ToolError
from buildkit.publish import Publisher
from tests import fakes

if TYPE_CHECKING:
    from buildkit.model import Verified

TAG = "demo:1.0-cpu-py311"


def verified(served: registry.Manifest, *, known_before: bool = True) -> Verified:
    """A tested image; an engine with the classic store does not know its manifest's digest."""
    image = fakes.built(manifest_digest=served.digest if known_before else None)
    return fakes.verified(image)


def publisher(the_registry: fakes.FakeRegistry) -> Publisher:
    return Publisher(registry=the_registry, pusher=the_registry)


@pytest.mark.parametrize("known_before", [True, False], ids=["containerd store", "classic store"])
def test_a_tested_image_is_pushed_and_checked(known_before: bool) -> None:
    served = fakes.manifest()
    there = fakes.FakeRegistry(serves=served)
    published = publisher(there).publish(verified(served, known_before=known_before))
    assert there.pushed == [verified(served, known_before=known_before).built.image_id]
    assert published.pushed
    assert published.uri == f"registry.example/{TAG}"
    assert published.digest_uri == f"registry.example/demo@{served.digest}"


@pytest.mark.parametrize("known_before", [True, False], ids=["containerd store", "classic store"])
def test_the_same_image_under_the_tag_is_published_already(known_before: bool) -> None:
    served = fakes.manifest()
    there = fakes.FakeRegistry(serves=served, tags={TAG: served})
    published = publisher(there).publish(verified(served, known_before=known_before))
    assert (there.pushed, published.pushed, published.digest) == ([], False, served.digest)


@pytest.mark.parametrize("known_before", [True, False], ids=["containerd store", "classic store"])
def test_a_tag_is_never_overwritten(known_before: bool) -> None:
    other = fakes.manifest(config_digest=f"sha256:{'d' * 64}")
    there = fakes.FakeRegistry(serves=fakes.manifest(), tags={TAG: other})
    with pytest.raises(ToolError, match=other.digest) as caught:
        publisher(there).publish(verified(fakes.manifest(), known_before=known_before))
    assert there.pushed == []
    assert there.tags == {TAG: other}
    assert "1.0-1" in str(caught.value.hint)


OCI = "application/vnd.oci.image"


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        pytest.param({"mediaType": f"{OCI}.manifest.v1+json"}, "oci.image.manifest", id="OCI"),
        pytest.param(
            {"mediaType": f"{OCI}.index.v1+json", "manifests": []}, "oci.image.index", id="index"
        ),
        pytest.param(
            {"mediaType": "application/vnd.docker.distribution.manifest.list.v2+json"},
            "manifest.list",
            id="list",
        ),
        pytest.param(
            {"layers": [{"mediaType": f"{OCI}.layer.v1.tar+gzip"}]}, "a layer", id="OCI layer"
        ),
        pytest.param(
            {"layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.zstd"}]},
            "tar.zstd",
            id="zstd",
        ),
        pytest.param(
            {"config": {"mediaType": f"{OCI}.config.v1+json", "digest": f"sha256:{'c' * 64}"}},
            "its configuration",
            id="OCI configuration",
        ),
    ],
)
def test_what_sagemaker_refuses_fails_the_push(changes: dict[str, Any], wanted: str) -> None:
    served = fakes.manifest(**changes)
    with pytest.raises(ToolError, match="SageMaker would refuse") as caught:
        publisher(fakes.FakeRegistry(serves=served)).publish(verified(served))
    assert wanted in caught.value.message


def test_a_manifest_that_lies_about_its_type_is_refused() -> None:
    lying = dataclasses.replace(fakes.manifest(), media_type=f"{OCI}.manifest.v1+json")
    assert registry.refusals(lying)


def test_a_registry_that_serves_another_image_than_was_pushed_fails_the_push() -> None:
    there = fakes.FakeRegistry(serves=fakes.manifest(config_digest=f"sha256:{'d' * 64}"))
    with pytest.raises(ToolError, match="but the registry serves"):
        publisher(there).publish(verified(fakes.manifest()))


def test_a_registry_that_loses_the_tag_fails_the_push() -> None:
    there = fakes.FakeRegistry(serves=fakes.manifest())
    there.push = lambda *_: None  # type: ignore[method-assign]
    with pytest.raises(ToolError, match="does not serve it"):
        publisher(there).publish(verified(fakes.manifest()))


def test_an_image_for_another_processor_fails_the_push() -> None:
    there = fakes.FakeRegistry(serves=fakes.manifest(), platform=("linux", "arm64"))
    with pytest.raises(ToolError, match="is for linux/arm64"):
        publisher(there).publish(verified(fakes.manifest()))
