"""The engine's two image stores: the main job where a manifest is only made by the push."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.parts import Engine
    from tests.e2e.real import Local, Project

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
    assert "is there already, with another image" in done.stderr
    assert local.manifest(project.name, "1.0-cpu-py311") == before


def test_of_the_containerd_store_only_blobs_are_read_that_the_registry_lacks(
    local: Local, project: Project
) -> None:
    folder, image = project.folder, f"{project.name}:1.0-cpu-py311"
    assert local.buildkit("build", "--all", folder=folder).code == 0
    began = local.docker("info", "--format", "{{.SystemTime}}")
    assert local.buildkit("push", "--all", folder=folder).code == 0
    now = local.docker("info", "--format", "{{.SystemTime}}")
    window = ("--since", began, "--until", now)
    saved = local.docker("events", *window, "--filter", f"image={image}", "--filter", "event=save")
    assert saved == ""  # docker save: whole images, and slow
    found = local.manifest(project.name, "1.0-cpu-py311")
    assert found is not None
    copied = local.docker(
        *("events", *window, "--filter", "type=container", "--filter", "event=archive-path"),
        *("--filter", f"image={found[1]}", "--format", "{{.Actor.ID}}"),
    ).splitlines()
    # The store is looked for, the manifest read, and then the configuration and each layer.
    assert 2 < len(copied) <= 3 + len({each["digest"] for each in found[2]["layers"]})
