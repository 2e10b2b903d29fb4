"""The engine's two image stores: the main job where a manifest is only made by the push."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from buildkit.engine import engine
from buildkit.engine.content_store import Store
from buildkit.registry.manifests import digest_of
from buildkit.system.processes import owner

if TYPE_CHECKING:
    from tests.e2e.support.parts import Engine
    from tests.e2e.support.real import Local, Project

DOCKER = "application/vnd.docker"


def test_the_main_job_with_the_classic_store(
    classic: tuple[Engine, Local], project: Project
) -> None:
    _, there = classic
    folder = project.folder
    assert "overlay2" in there.docker("info", "--format", "{{.Driver}}")
    assert there.buildkit("build", "--all", folder=folder).code == 0
    image_id = there.docker("inspect", "--format", "{{.Id}}", f"{project.name}:1.0-cpu-py311")
    pushed = there.buildkit("push", "--all", folder=folder)
    assert pushed.code == 0, pushed.stderr

    found = there.manifest(project.name, "1.0-cpu-py311")
    assert found is not None
    media_type, digest, document = found
    assert media_type == f"{DOCKER}.distribution.manifest.v2+json"
    assert document["config"]["mediaType"] == f"{DOCKER}.container.image.v1+json"
    assert document["config"]["digest"] == image_id
    assert {layer["mediaType"] for layer in document["layers"]} == {
        f"{DOCKER}.image.rootfs.diff.tar.gzip"
    }
    record = json.loads((folder / "dist" / project.id / "verified.json").read_text())
    assert record["verified"]["built"]["config_digest"] == image_id
    assert record["verified"]["built"]["manifest_digest"] is None
    assert pushed.stdout.splitlines() == [
        f"{there.registry}/{project.name}:1.0-cpu-py311",
        f"{there.registry}/{project.name}@{digest}",
    ]
    by_digest = there.buildkit("uri", project.id, "--digest", folder=folder)
    assert by_digest.stdout == f"{there.registry}/{project.name}@{digest}\n"

    again = there.buildkit("build", "--all", "--push", "--json", folder=folder)
    (target,) = again.json["targets"]
    assert (target["status"], target["tested_before"], target["pushed"]) == (
        "published", True, False,
    )  # fmt: skip


def test_an_image_of_one_store_is_not_taken_for_that_of_the_other(
    classic: tuple[Engine, Local], local: Local, project: Project
) -> None:
    """The same sources, other bytes: the tag stays with the one that came first."""
    _, there = classic
    assert local.buildkit("build", "--all", "--push", folder=project.folder).code == 0
    before = local.manifest(project.name, "1.0-cpu-py311")
    done = there.buildkit("build", "--all", "--push", folder=project.folder)
    assert done.code == 5
    assert "already exists with another image" in done.stderr
    assert local.manifest(project.name, "1.0-cpu-py311") == before


def test_of_the_containerd_store_images_are_not_handed_out_whole(
    local: Local, project: Project
) -> None:
    folder, image = project.folder, f"{project.name}:1.0-cpu-py311"
    assert local.buildkit("build", "--all", folder=folder).code == 0
    began = local.docker("info", "--format", "{{.SystemTime}}")
    assert local.buildkit("push", "--all", folder=folder).code == 0
    now = local.docker("info", "--format", "{{.SystemTime}}")
    window = ("--since", began, "--until", now)
    events = ("events", *window, "--filter", f"image={image}", "--format", "{{.Action}}")
    assert "save" not in local.docker(*events).splitlines()


@pytest.mark.parametrize("near", [True, False], ids=["root beside the engine", "anybody else"])
def test_blobs_are_read_as_they_are(
    near: bool, local: Local, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert local.buildkit("build", "--all", "--push", folder=project.folder).code == 0
    found = local.manifest(project.name, "1.0-cpu-py311")
    assert found is not None
    _, digest, document = found
    monkeypatch.setenv("DOCKER_HOST", local.env["DOCKER_HOST"])
    if not near:
        monkeypatch.setattr("buildkit.engine.content_store.os.access", lambda *_: False)

    def held() -> list[str]:
        return [each for each in local.things() if each.startswith(owner())]

    with engine.connect() as docker, closing(Store(engine=docker)) as store:
        manifest = store.read(digest, digest)
        assert manifest is not None
        assert digest_of(manifest) == digest
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
