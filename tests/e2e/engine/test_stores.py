"""The engine's two image stores: the main job where a manifest is only made by the push."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from buildkit.engine import engine
from buildkit.engine.content_store import Store
from buildkit.registry.manifests import digest_of
from buildkit.system.processes import owner
from tests.e2e.support.tested import TAGS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.parts import Engine
    from tests.e2e.support.real import Local, Project

DOCKER = "application/vnd.docker"


def test_the_main_job_with_the_classic_store(
    classic: tuple[Engine, Local], local: Local, tested: Project, tmp_path: Path
) -> None:
    """And of the other store there is another image, of the same sources: the tag is taken."""
    _, there = classic
    others = shutil.copytree(tested.folder, tmp_path / "others")
    folder, id_ = tested.folder, f"{tested.name}-{TAGS[0]}"
    assert "overlay2" in there.docker("info", "--format", "{{.Driver}}")
    made = there.buildkit("build", id_, folder=folder, PYTHONDEVMODE="1")
    assert made.code == 0, made.stderr
    assert made.closed_all, made.stderr
    image_id = there.docker("inspect", "--format", "{{.Id}}", f"{tested.repository}:{TAGS[0]}")
    pushed = there.buildkit("push", id_, folder=folder, PYTHONDEVMODE="1")
    assert pushed.code == 0, pushed.stderr
    assert pushed.closed_all, pushed.stderr

    found = there.manifest(tested.repository, TAGS[0])
    assert found is not None
    media_type, digest, document = found
    assert media_type == f"{DOCKER}.distribution.manifest.v2+json"
    assert document["config"]["mediaType"] == f"{DOCKER}.container.image.v1+json"
    assert document["config"]["digest"] == image_id
    assert {layer["mediaType"] for layer in document["layers"]} == {
        f"{DOCKER}.image.rootfs.diff.tar.gzip"
    }
    record = json.loads((folder / "dist" / id_ / "verified.json").read_text())
    assert record["verified"]["built"]["config_digest"] == image_id
    assert record["verified"]["built"]["manifest_digest"] is None
    uri = f"{there.registry}/{tested.repository}@{digest}"
    assert pushed.stdout.splitlines() == [f"{there.registry}/{tested.repository}:{TAGS[0]}", uri]
    by_digest = there.buildkit("uri", id_, "--digest", folder=folder)
    assert by_digest.stdout == f"{uri}\n"

    again = there.buildkit("build", id_, "--push", "--json", folder=folder)
    (target,) = again.json["targets"]
    assert (target["status"], target["tested_before"], target["pushed"]) == (
        "published", True, False,
    )  # fmt: skip

    refused = local.buildkit("push", id_, folder=others)
    assert refused.code == 5
    assert "already exists with another image" in refused.stderr
    assert local.manifest(tested.repository, TAGS[0]) == found


def test_of_the_containerd_store_images_are_not_handed_out_whole(
    local: Local, tested: Project
) -> None:
    folder, image = tested.folder, f"{tested.repository}:{TAGS[0]}"
    assert local.buildkit("build", "--all", folder=folder).code == 0
    began = local.docker("info", "--format", "{{.SystemTime}}")
    assert local.buildkit("push", "--all", folder=folder).code == 0
    now = local.docker("info", "--format", "{{.SystemTime}}")
    window = ("--since", began, "--until", now)
    events = ("events", *window, "--filter", f"image={image}", "--format", "{{.Action}}")
    assert "save" not in local.docker(*events).splitlines()


@pytest.mark.parametrize("near", [True, False], ids=["root beside the engine", "anybody else"])
def test_blobs_are_read_as_they_are(
    near: bool, local: Local, tested_once: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tested_once.folder / "dist" / f"{tested_once.name}-{TAGS[0]}" / "built.json"
    digest = json.loads(record.read_text())["built"]["manifest_digest"]
    monkeypatch.setenv("DOCKER_HOST", local.env["DOCKER_HOST"])
    if not near:
        monkeypatch.setattr("buildkit.engine.content_store.os.access", lambda *_: False)

    def held() -> list[str]:
        return [each for each in local.things() if each.startswith(owner())]

    with engine.connect() as docker, closing(Store(engine=docker)) as store:
        manifest = store.read(digest, digest)
        assert manifest is not None
        assert digest_of(manifest) == digest
        document = json.loads(manifest)
        for each in (document["config"], *document["layers"]):
            seen = hashlib.sha256()
            with store.open(digest, each["digest"], each["size"]) as content:
                for chunk in iter(lambda: content.read(1 << 16), b""):
                    seen.update(chunk)
            assert f"sha256:{seen.hexdigest()}" == each["digest"]
        with store.open(digest, document["layers"][0]["digest"]) as content:
            assert content.read(10)  # and no more: the engine is not kept waiting
        assert bool(held()) is not near
    assert held() == []
