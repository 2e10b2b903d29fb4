"""Blobs come out of an engine's store one by one, or out of a whole image where it has none."""

from __future__ import annotations

import io
import tarfile
import threading
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any

import docker.errors
import pytest

from buildkit.engine.content_store import BLOBS, READERS, Store
from buildkit.publish.packing import Packer
from buildkit.registry.manifests import digest_of
from buildkit.support.errors import ToolError
from buildkit.system import stopping
from tests.support import fakes
from tests.unit.publish.test_packing import (
    CONFIG,
    PACKED,
    FakeEngine,
    built,
    containerd,
    read,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from buildkit.engine.containers import Reader

ARCHIVE, MANIFEST_DIGEST = containerd()
MANIFEST = fakes.manifest(
    config={"mediaType": "c", "digest": digest_of(CONFIG), "size": len(CONFIG)},
    layers=[{"digest": digest_of(PACKED), "size": len(PACKED)}],
).content


@dataclass
class FakeReader:
    """Copies files out of a dict; cut off after `cut` bytes."""

    files: dict[str, bytes]
    cut: int | None
    at_work: list[int]
    removed: bool = False
    gone: bool = False

    @contextmanager
    def copy(self, path: str) -> Iterator[IO[bytes]]:
        if self.gone or path not in self.files:
            raise ToolError(f"reading {path}: 404")
        self.at_work.append(len(self.at_work) + 1)
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            member = tarfile.TarInfo(path.rpartition("/")[2])
            member.size = len(self.files[path])
            tar.addfile(member, io.BytesIO(self.files[path]))
        yield io.BytesIO(out.getvalue()[: self.cut])
        self.at_work.pop()

    def remove(self) -> None:
        self.removed = True


@dataclass
class FakeStoreEngine:
    """An engine whose blobs lie in a folder, if it lets that be mounted."""

    root: str = "/data"
    folder: str = f"/data/containerd/daemon/{BLOBS}"
    files: dict[str, bytes] = field(
        default_factory=lambda: {
            digest_of(each).replace(":", "/"): each for each in (CONFIG, PACKED, MANIFEST)
        }
    )
    cut: int | None = None
    asked: list[str] = field(default_factory=list)
    made: list[FakeReader] = field(default_factory=list)
    at_work: list[int] = field(default_factory=list)

    @property
    def client(self) -> Any:
        images = SimpleNamespace(get=lambda _image: None)
        return SimpleNamespace(info=lambda: {"DockerRootDir": self.root}, images=images)

    def reader(self, _image: str, folder: str) -> Reader:
        self.asked.append(folder)
        if folder != self.folder:
            raise ToolError(f"mounting {folder}: bind source path does not exist")
        self.made.append(FakeReader(self.files, self.cut, self.at_work))
        return self.made[-1]  # type: ignore[return-value]


def store(source: FakeStoreEngine) -> Store:
    return Store(engine=source)  # type: ignore[arg-type]


def packing(source: FakeStoreEngine, engine: FakeEngine, folder: Path) -> Packer:
    return Packer(store=store(source), export=engine.export, folder=folder)


def test_an_image_whose_name_another_checkout_took_has_a_hint_that_says_so() -> None:
    def lost(_image: str) -> None:
        raise docker.errors.ImageNotFound("no such image")

    engine = SimpleNamespace(client=SimpleNamespace(images=SimpleNamespace(get=lost)))
    with pytest.raises(ToolError, match="`sha256:1`: image not found in the engine") as caught:
        Store(engine=engine).read("sha256:1", MANIFEST_DIGEST)  # type: ignore[arg-type]
    assert "if another checkout builds the same tag" in str(caught.value.hint)


@pytest.mark.parametrize(
    "folder",
    ["/data/containerd/daemon", "/var/lib/containerd", "/var/lib/desktop-containerd/daemon"],
)
def test_an_image_is_read_blob_by_blob(folder: str, tmp_path: Path) -> None:
    source, engine = FakeStoreEngine(folder=f"{folder}/{BLOBS}"), FakeEngine({})
    with packing(source, engine, tmp_path).packed(built("image", MANIFEST_DIGEST)) as packed:
        assert packed.manifest.content == MANIFEST
        assert [read(each) for each in packed.blobs] == [PACKED, CONFIG]
        assert read(packed.layers[0]) == PACKED  # again, from its start
    assert engine.asked == []
    assert len(source.made) == 1


def test_what_may_be_read_here_needs_no_container(tmp_path: Path) -> None:
    root = tmp_path / "data"
    there = FakeStoreEngine(root=str(root))
    for name, content in there.files.items():
        path = root / "containerd/daemon" / BLOBS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    pack = packing(there, FakeEngine({}), tmp_path)
    with pack.packed(built("image", MANIFEST_DIGEST)) as packed:
        assert [read(each) for each in packed.blobs] == [PACKED, CONFIG]
    assert there.asked == []


def test_an_engine_that_has_no_store_hands_out_the_image(tmp_path: Path) -> None:
    source, engine = FakeStoreEngine(folder="elsewhere"), FakeEngine({"image": ARCHIVE})
    pack = packing(source, engine, tmp_path)
    for _ in range(2):
        with pack.packed(built("image", MANIFEST_DIGEST)) as packed:
            assert read(packed.layers[0]) == PACKED
    assert engine.asked == ["image", "image"]
    assert len(source.asked) == 3  # it is not looked for again


def test_a_classic_image_is_not_looked_for(tmp_path: Path) -> None:
    source, engine = FakeStoreEngine(), FakeEngine({"image": ARCHIVE})
    with packing(source, engine, tmp_path).packed(built("image")) as packed:
        assert read(packed.config) == CONFIG
    assert source.asked == []


def test_another_manifest_than_the_built_one_is_refused(tmp_path: Path) -> None:
    source = FakeStoreEngine()
    source.files[MANIFEST_DIGEST.replace(":", "/")] = b"{}"
    with (
        pytest.raises(ToolError, match="the engine returned manifest sha256:"),
        packing(source, FakeEngine({}), tmp_path).packed(built("image", MANIFEST_DIGEST)),
    ):
        pass


@pytest.mark.parametrize("cut", [0, 100, 520, 600])
def test_a_blob_that_is_cut_off_is_told(cut: int) -> None:
    source = FakeStoreEngine()
    there = store(source)
    assert there.read("image", MANIFEST_DIGEST)
    source.made[0].cut = cut
    with (
        pytest.raises(
            ToolError, match=f"engine's copy of {digest_of(PACKED)} cannot be read"
        ) as caught,
        there.open("image", digest_of(PACKED), len(PACKED)) as content,
    ):
        content.read()
    assert caught.value.hint


def test_a_blob_of_another_size_is_told() -> None:
    there = store(FakeStoreEngine())
    assert there.read("image", MANIFEST_DIGEST)
    with (
        pytest.raises(
            ToolError, match=f"{len(PACKED)} bytes, but {len(PACKED) + 1} in the manifest"
        ),
        there.open("image", digest_of(PACKED), len(PACKED) + 1),
    ):
        pass


def test_what_breaks_in_the_reader_s_hands_is_not_the_engine_s() -> None:
    there = store(FakeStoreEngine())
    assert there.read("image", MANIFEST_DIGEST)
    with pytest.raises(OSError, match="the registry"), there.open("image", digest_of(PACKED)):
        raise OSError("the registry")


def test_containers_are_shared_and_bounded_and_removed() -> None:
    source = FakeStoreEngine()
    with closing(store(source)) as there:
        assert there.read("image", MANIFEST_DIGEST)
        begin = threading.Barrier(2 * READERS)
        found: list[bytes] = []

        def read_all() -> None:
            begin.wait()
            for each in (CONFIG, PACKED):
                with there.open("image", digest_of(each), len(each)) as content:
                    found.append(b"".join(iter(partial(content.read, 10), b"")))

        work = [threading.Thread(target=read_all) for _ in range(2 * READERS)]
        for each in work:
            each.start()
        for each in work:
            each.join()
        assert sorted(found) == sorted([CONFIG, PACKED] * 2 * READERS)
        assert len(source.made) <= READERS
    assert all(each.removed for each in source.made)


def test_a_container_that_somebody_has_removed_is_made_again() -> None:
    source = FakeStoreEngine()
    there = store(source)
    assert there.read("image", MANIFEST_DIGEST)
    source.made[0].gone = True
    with there.open("image", digest_of(PACKED)) as content:
        assert content.read() == PACKED
    assert len(source.made) == 2


def test_the_end_of_the_run_ends_the_wait_for_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    source = FakeStoreEngine()
    there = store(source)
    assert there.read("image", MANIFEST_DIGEST)
    with ExitStack() as held:
        for _ in range(READERS):
            held.enter_context(there.open("image", digest_of(PACKED)))
        asked = threading.Event()
        asked.set()
        monkeypatch.setattr(stopping, "_asked", asked)
        with pytest.raises(stopping.Interrupted), there.open("image", "sha256:x"):
            pass
