from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from buildkit.model.image import Layer, Location
from buildkit.publish.destination import Destination
from buildkit.publish.publisher import Publisher
from buildkit.registry.manifests import Manifest, refusals
from buildkit.registry.shapes import Configuration, Step
from buildkit.support.errors import ToolError, UnavailableError
from tests.support import fakes

if TYPE_CHECKING:
    from buildkit.model.image import Verified

TAG = "demo:1.0-cpu-py311"
GOOD = fakes.manifest()
OTHER = fakes.manifest(config_digest=f"sha256:{'d' * 64}")
OCI = "application/vnd.oci.image"
BLOB = {"digest": f"sha256:{'c' * 64}", "size": 1}


def verified(manifest: Manifest = GOOD, *, known_before: bool = True) -> Verified:
    """A tested image; an engine with the classic store does not know its manifest's digest."""
    image = fakes.built(manifest_digest=manifest.digest if known_before else None)
    return fakes.verified(image)


def publisher(
    *registries: fakes.FakeRegistry, manifest: Manifest = GOOD, mutable: bool = False
) -> tuple[Publisher, fakes.FakePacker]:
    packer = fakes.FakePacker(manifest)
    destinations = [
        Destination(
            registry=each,  # type: ignore[arg-type]
            upload=each.upload,
            have_repository=each.have_repository,
            mutable=mutable,
        )
        for each in registries
    ]
    return Publisher(destinations=destinations, packer=packer), packer  # type: ignore[arg-type]


both_stores = pytest.mark.parametrize(
    "known_before", [True, False], ids=["containerd store", "classic store"]
)


@both_stores
def test_a_tested_image_gets_its_tag_last(known_before: bool) -> None:
    there = fakes.FakeRegistry()
    published = publisher(there)[0].publish(verified(known_before=known_before))
    assert there.done == ["have demo", "upload 1", f"put demo:{GOOD.digest}", f"put {TAG}"]
    assert published.locations == (Location(uri=f"registry.example/{TAG}", pushed=True),)
    assert published.digest_uris == (f"registry.example/demo@{GOOD.digest}",)
    assert (published.size, published.layers) == (1, (Layer(digest=fakes.DIGEST, size=1),))


@both_stores
def test_the_same_image_under_the_tag_is_published_already(known_before: bool) -> None:
    there = fakes.FakeRegistry(manifests={TAG: GOOD})
    this, packer = publisher(there)
    published = this.publish(verified(known_before=known_before))
    assert (there.done, packer.asked) == ([], 0)
    assert (published.pushed, published.digest) == (False, GOOD.digest)


@both_stores
def test_a_tag_is_never_overwritten(known_before: bool) -> None:
    there = fakes.FakeRegistry(manifests={TAG: OTHER})
    with pytest.raises(ToolError, match=OTHER.digest) as caught:
        publisher(there)[0].publish(verified(known_before=known_before))
    assert there.done == []
    assert "1.0-1" in str(caught.value.hint)


def test_where_tags_may_move_it_goes_on_and_that_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    there = fakes.FakeRegistry(manifests={TAG: OTHER})
    this, _ = publisher(there, mutable=True)
    assert this.publish(verified()).pushed
    assert there.manifests[TAG] == GOOD
    assert f"it pointed to {OTHER.digest}" in capsys.readouterr().err


def test_a_refusal_tells_when_and_by_what_the_other_image_was_built() -> None:
    there = fakes.FakeRegistry(manifests={TAG: OTHER})
    there.config = lambda *_: Configuration(  # type: ignore[method-assign]
        created="2026-11-20T10:00:00Z",
        history=(Step(comment="debuerreotype"), Step(comment="buildkit.dockerfile.v0")),
    )
    told = r"\(built 2026-11-20T10:00:00Z by buildx\)"
    with pytest.raises(ToolError, match=f"{OTHER.digest} {told}, not {GOOD.digest}"):
        publisher(there)[0].publish(verified())


def test_several_registries_get_what_they_lack() -> None:
    full, empty = fakes.FakeRegistry(manifests={TAG: GOOD}), fakes.FakeRegistry(host="two.example")
    this, packer = publisher(full, empty)
    published = this.publish(verified())
    assert [each.pushed for each in published.locations] == [False, True]
    assert (full.done, packer.asked) == ([], 1)
    assert empty.manifests[TAG] == GOOD


def test_another_image_under_the_tag_of_one_registry_stops_all() -> None:
    empty, taken = fakes.FakeRegistry(), fakes.FakeRegistry(manifests={TAG: OTHER}, host="two")
    with pytest.raises(ToolError, match="1 of 2 registries failed: two: .*another image"):
        publisher(empty, taken)[0].publish(verified())
    assert empty.done == []


def test_a_registry_that_fails_does_not_stop_the_others() -> None:
    def refuse(_name: str) -> None:
        raise ToolError("no more room", hint="make room")

    full, well = fakes.FakeRegistry(host="one"), fakes.FakeRegistry(host="two")
    full.have_repository = refuse  # type: ignore[assignment,method-assign]
    with pytest.raises(ToolError, match="one: no more room; done: two") as caught:
        publisher(full, well)[0].publish(verified())
    assert caught.value.hint == "make room"
    assert well.manifests[TAG] == GOOD


def test_of_two_publishers_the_first_registry_by_name_decides() -> None:
    """Another one gives the tag there after this one has looked: the other registry is left alone."""
    late, other = fakes.FakeRegistry(host="a"), fakes.FakeRegistry(host="b")

    def upload(*_: object) -> None:
        late.manifests[TAG] = OTHER

    late.upload = upload  # type: ignore[assignment,method-assign]
    with pytest.raises(ToolError, match=f"a: .*{OTHER.digest}.*; b: not tagged, because a has"):
        publisher(other, late)[0].publish(verified())
    assert TAG not in other.manifests
    assert late.manifests[TAG] == OTHER


def test_a_staged_image_has_no_tag_until_it_is_released() -> None:
    one, two = fakes.FakeRegistry(host="one"), fakes.FakeRegistry(host="two")
    this, packer = publisher(one, two)
    staged = this.stage(verified())
    assert staged.digest_uris == (f"one/demo@{GOOD.digest}", f"two/demo@{GOOD.digest}")
    assert all(TAG not in each.manifests for each in (one, two))
    without_engine = dataclasses.replace(this, packer=None)
    assert without_engine.check(staged) == staged
    published = without_engine.release(staged)
    assert [each.pushed for each in published.locations] == [True, True]
    assert one.manifests[TAG] == two.manifests[TAG] == GOOD
    assert packer.asked == 1
    assert not any(each.pushed for each in without_engine.release(staged).locations)


def test_what_was_staged_and_is_gone_or_taken_is_told_before_any_tag_is_given() -> None:
    one, two = fakes.FakeRegistry(host="one"), fakes.FakeRegistry(host="two")
    this, _ = publisher(one, two)
    staged = this.stage(verified())
    del two.manifests[f"demo:{GOOD.digest}"]
    with pytest.raises(ToolError, match="two/.* is not found; nothing was tagged") as caught:
        this.check(staged)
    assert "--stage" in str(caught.value.hint)
    two.manifests[TAG] = OTHER
    with pytest.raises(ToolError, match="two: .*another image"):
        this.check(staged)
    with pytest.raises(ToolError, match="nothing was uploaded"):
        this.release(staged)
    assert TAG not in one.manifests


def test_a_registry_that_does_not_answer_does_not_stop_the_others() -> None:
    def silent(_repository: str, _reference: str) -> Manifest | None:
        raise UnavailableError("it does not answer", hint="wait")

    down, well = fakes.FakeRegistry(host="one"), fakes.FakeRegistry(host="two")
    down.manifest = silent  # type: ignore[assignment,method-assign]
    with pytest.raises(ToolError, match="one: it does not answer; done: two"):
        publisher(down, well)[0].publish(verified())
    assert well.manifests[TAG] == GOOD


def test_a_registry_that_was_away_when_the_run_began_is_named_for_each_image() -> None:
    well = fakes.FakeRegistry(host="two")
    absent = {"one": UnavailableError("it does not answer", hint="wait")}
    this = dataclasses.replace(publisher(well)[0], absent=absent)
    with pytest.raises(ToolError, match="1 of 2 registries failed: one: .*; done: two") as caught:
        this.publish(verified())
    assert (caught.value.hint, well.manifests[TAG]) == ("wait", GOOD)


def test_registries_never_hold_different_manifests_of_one_image() -> None:
    """A classic engine elsewhere may have compressed the same layers to other bytes."""
    elsewhere = fakes.manifest(layers=[])
    there = fakes.FakeRegistry(manifests={TAG: elsewhere})
    empty = fakes.FakeRegistry(host="two")
    with pytest.raises(ToolError, match="another engine compressed its layers"):
        publisher(there, empty)[0].publish(verified(known_before=False))
    assert empty.done == []


def test_of_two_publishers_the_slower_is_told() -> None:
    there = fakes.FakeRegistry()
    put = there.put_manifest

    def immutable(repository: str, reference: str, manifest: Manifest) -> None:
        if f"{repository}:{reference}" == TAG:
            there.manifests[TAG] = OTHER
            raise ToolError("400: TAG_INVALID, immutable")
        put(repository, reference, manifest)

    there.put_manifest = immutable  # type: ignore[method-assign]
    with pytest.raises(ToolError, match="already exists with another image"):
        publisher(there)[0].publish(verified())


def test_a_twin_that_was_quicker_with_the_same_image_is_no_failure() -> None:
    there = fakes.FakeRegistry()
    put = there.put_manifest

    def immutable(repository: str, reference: str, manifest: Manifest) -> None:
        put(repository, reference, manifest)
        if f"{repository}:{reference}" == TAG:
            raise ToolError("400: ImageTagAlreadyExists")

    there.put_manifest = immutable  # type: ignore[method-assign]
    assert publisher(there)[0].publish(verified()).digest == GOOD.digest


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
            {"layers": [{**BLOB, "mediaType": f"{OCI}.layer.v1.tar+gzip"}]},
            "a layer",
            id="OCI layer",
        ),
        pytest.param(
            {
                "layers": [
                    {**BLOB, "mediaType": "application/vnd.docker.image.rootfs.diff.tar.zstd"}
                ]
            },
            "tar.zstd",
            id="zstd",
        ),
        pytest.param(
            {"config": {**BLOB, "mediaType": f"{OCI}.config.v1+json"}},
            "the configuration",
            id="OCI configuration",
        ),
    ],
)
def test_what_sagemaker_refuses_is_not_sent(changes: dict[str, Any], wanted: str) -> None:
    unfit = fakes.manifest(**changes)
    there = fakes.FakeRegistry()
    with pytest.raises(ToolError, match="SageMaker would refuse") as caught:
        publisher(there, manifest=unfit)[0].publish(verified(unfit))
    assert wanted in caught.value.message
    assert there.done == []


def test_a_manifest_that_lies_about_its_type_is_refused() -> None:
    lying = dataclasses.replace(GOOD, media_type=f"{OCI}.manifest.v1+json")
    assert refusals(lying)


def test_a_registry_that_serves_another_manifest_gets_no_tag() -> None:
    there = fakes.FakeRegistry(distorts=lambda _: OTHER)
    with pytest.raises(ToolError, match="but the registry serves"):
        publisher(there)[0].publish(verified())
    assert f"put {TAG}" not in there.done


def test_a_registry_that_converts_the_manifest_gets_no_tag() -> None:
    converted = dataclasses.replace(GOOD, media_type=f"{OCI}.manifest.v1+json")
    there = fakes.FakeRegistry(distorts=lambda _: converted)
    with pytest.raises(ToolError, match="SageMaker would refuse"):
        publisher(there)[0].publish(verified())
    assert f"put {TAG}" not in there.done


def test_a_registry_that_loses_what_it_got_gets_no_tag() -> None:
    there = fakes.FakeRegistry()
    there.put_manifest = lambda *_: None  # type: ignore[method-assign]
    with pytest.raises(ToolError, match="does not serve it"):
        publisher(there)[0].publish(verified())


def test_an_image_for_another_processor_gets_no_tag() -> None:
    there = fakes.FakeRegistry(platform=("linux", "arm64"))
    with pytest.raises(ToolError, match="is for linux/arm64"):
        publisher(there)[0].publish(verified())
    assert TAG not in there.manifests
