"""`docker save` becomes the exact bytes that a registry is to hold."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import threading
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from buildkit.model.image import Built
from buildkit.publish.packing import Packer, as_built
from buildkit.registry.manifests import digest_of, refusals
from buildkit.support.errors import ToolError
from tests.support import fakes, projects

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from buildkit.registry.client import Blob

CONFIG = b'{"architecture": "amd64", "os": "linux"}'
PLAIN = b"a layer that is not compressed " * 1000
PACKED = gzip.compress(PLAIN, mtime=0)


def archive(files: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return out.getvalue()


def blob_name(content: bytes) -> str:
    return f"blobs/sha256/{digest_of(content).removeprefix('sha256:')}"


def listing(*layers: str, config: str = blob_name(CONFIG)) -> bytes:
    return json.dumps([{"Config": config, "Layers": list(layers)}]).encode()


@dataclass
class FakeEngine:
    archives: dict[str, bytes]
    asked: list[str] = field(default_factory=list)

    def export(self, image_id: str) -> Generator[bytes]:
        self.asked.append(image_id)
        content = self.archives[image_id]
        for start in range(0, len(content), 1000):
            yield content[start : start + 1000]


def built(image_id: str, manifest_digest: str | None = None) -> Built:
    return Built(
        target=projects.target(),
        image_id=image_id,
        config_digest=digest_of(CONFIG),
        manifest_digest=manifest_digest,
    )


def read(blob: Blob) -> bytes:
    with blob.open() as file:
        return file.read()


def packer(folder: Path, **archives: bytes) -> Packer:
    store: Any = SimpleNamespace(read=lambda *_: None)  # it is not readable
    return Packer(store=store, export=FakeEngine(archives).export, folder=folder)


def containerd() -> tuple[bytes, str]:
    manifest = fakes.manifest(
        config={"mediaType": "c", "digest": digest_of(CONFIG), "size": len(CONFIG)},
        layers=[{"digest": digest_of(PACKED), "size": len(PACKED)}],
    ).content
    files = {blob_name(each): each for each in (CONFIG, PACKED, manifest)}
    return archive({**files, "manifest.json": listing(blob_name(PACKED))}), digest_of(manifest)


CLASSIC = {
    "today": archive(
        {
            blob_name(CONFIG): CONFIG,
            blob_name(PLAIN): PLAIN,
            "manifest.json": listing(blob_name(PLAIN), blob_name(PLAIN)),
        }
    ),
    "before Docker 25": archive(
        {
            "c.json": CONFIG,
            "one/layer.tar": PLAIN,
            "manifest.json": listing("one/layer.tar", "two/layer.tar", config="c.json"),
        },
        {"two/layer.tar": "../one/layer.tar"},
    ),
}


def test_a_containerd_store_hands_out_what_was_built(tmp_path: Path) -> None:
    content, digest = containerd()
    with packer(tmp_path, image=content).packed(built("image", digest)) as packed:
        assert packed.manifest.digest == digest
        assert [each.digest for each in packed.blobs] == [digest_of(PACKED), digest_of(CONFIG)]
        assert read(packed.layers[0]) == PACKED
        assert packed.layers[0].size == len(PACKED)
    assert not list(tmp_path.iterdir())


def test_an_index_where_a_manifest_was_is_told() -> None:
    index = b'{"schemaVersion": 2, "manifests": []}'
    with pytest.raises(ToolError, match="is not the manifest of a single image"):
        as_built(built("image", digest_of(index)), index, lambda *_: nullcontext(io.BytesIO()))


@pytest.mark.parametrize("kind", CLASSIC)
def test_a_classic_store_s_layers_are_compressed_to_the_same_bytes(
    kind: str, tmp_path: Path
) -> None:
    found = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        with packer(folder, image=CLASSIC[kind]).packed(built("image")) as packed:
            assert refusals(packed.manifest) == []
            assert packed.manifest.config_digest == digest_of(CONFIG)
            assert gzip.decompress(read(packed.layers[0])) == PLAIN
            assert len(packed.layers) == 2
            assert len(packed.blobs) == 2  # both layers are one
            found.append(packed.manifest.digest)
        assert not list(folder.iterdir())
    assert found[0] == found[1]


def test_blobs_that_images_share_stay_until_the_last_has_sent_them(tmp_path: Path) -> None:
    content, digest = containerd()
    both = packer(tmp_path, one=content, two=CLASSIC["today"])
    with both.packed(built("one", digest)) as first:
        with both.packed(built("two")):
            pass
        assert all(read(each) for each in first.blobs)
    assert not list(tmp_path.iterdir())


def test_many_at_once_share_a_folder(tmp_path: Path) -> None:
    content, digest = containerd()
    shared = packer(tmp_path, image=content)
    found: list[bool] = []

    def export() -> None:
        with shared.packed(built("image", digest)) as packed:
            found.append(read(packed.layers[0]) == PACKED)

    work = [threading.Thread(target=export) for _ in range(12)]
    for each in work:
        each.start()
    for each in work:
        each.join()
    assert found == [True] * 12
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(containerd()[0][:1200], id="cut off"),
        pytest.param(archive({"manifest.json": listing("missing")}), id="a layer is missing"),
        pytest.param(archive({"manifest.json": b"[]"}), id="no image"),
        pytest.param(
            archive({blob_name(CONFIG): b"{}", "manifest.json": listing()}), id="another content"
        ),
    ],
)
def test_what_is_no_image_is_told(content: bytes, tmp_path: Path) -> None:
    with (
        pytest.raises(ToolError, match="returned an unexpected format"),
        packer(tmp_path, image=content).packed(built("image")),
    ):
        pass
    assert not list(tmp_path.iterdir())
