"""Where two images differ: the layer, the file and the field, or the key of the configuration."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import Any

import pytest

from buildkit.publish.packing import Packed
from buildkit.registry.client import Blob
from buildkit.registry.manifests import digest_of
from buildkit.reproduce import contents
from buildkit.reproduce.contents import Comparison, Difference, Layer
from tests.support import fakes

HISTORY: list[dict[str, Any]] = [
    {"created": "2026-01-01T00:00:00Z", "created_by": "ADD base"},
    {"created": "2026-01-01T00:00:00Z", "created_by": "ENV A=1", "empty_layer": True},
    {"created": "2026-01-01T00:00:00Z", "created_by": "RUN date > /x"},
]
CONFIG = {"created": "2026-01-01T00:00:00Z", "config": {"Env": ["A=1"]}, "history": HISTORY}


def blob(content: bytes) -> Blob:
    return Blob(digest=digest_of(content), size=len(content), open=lambda: io.BytesIO(content))


def entry(name: str, content: bytes = b"x", **changes: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(content), 0o644, 946684800
    for key, value in changes.items():
        setattr(info, key, value)
    return info, content if info.isreg() else b""


def layer(*entries: tuple[tarfile.TarInfo, bytes], level: int = 9) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), level, mtime=0)


BASE = layer(entry("bin/sh"))
TOP = layer(entry("etc", b"", type=tarfile.DIRTYPE, mode=0o755), entry("etc/a"), entry("etc/b"))


def image(*layers: bytes, config: Any = CONFIG) -> Packed:
    return Packed(
        manifest=fakes.manifest(),
        config=blob(json.dumps(config).encode()),
        layers=tuple(map(blob, layers)),
    )


def differing(top: bytes, other: bytes) -> tuple[Difference, ...]:
    """The differences of the second layer, which has to be the only one that differs."""
    found = contents.compare(image(BASE, top), image(BASE, other))
    assert found.configuration == ()
    ((number, instruction, differences),) = (
        (each.number, each.instruction, each.differences) for each in found.layers
    )
    assert (number, instruction) == (2, "RUN date > /x")
    return differences


def test_images_with_the_same_bytes_do_not_differ() -> None:
    same = contents.compare(image(BASE, TOP), image(BASE, TOP))
    assert same == Comparison(layers=(), configuration=())


@pytest.mark.parametrize(
    ("change", "field", "a", "b"),
    [
        ({"mtime": 0}, "mtime", "2000-01-01T00:00:00+00:00", "1970-01-01T00:00:00+00:00"),
        ({"mode": 0o664}, "mode", "0644", "0664"),
        ({"uid": 7}, "owner", "0:0 :", "7:0 :"),
        ({"gname": "adm"}, "owner", "0:0 :", "0:0 :adm"),
        (
            {"pax_headers": {"SCHILY.xattr.a": "1"}},
            "attributes",
            "{}",
            '{"SCHILY.xattr.a": "1"}',
        ),
        ({"content": b"y"}, "content", digest_of(b"x"), digest_of(b"y")),
    ],
)
def test_one_field_of_a_file_is_named(change: dict[str, Any], field: str, a: str, b: str) -> None:
    top, other = layer(entry("etc/a"), entry("x")), layer(entry("etc/a"), entry("x", **change))
    assert differing(top, other) == (Difference(name="/x", field=field, a=a, b=b),)


def test_size_kind_and_end_of_a_link_are_fields() -> None:
    link = entry("x", b"", type=tarfile.SYMTYPE, linkname="/a")
    longer = differing(layer(entry("x")), layer(entry("x", b"xx")))
    assert [each.field for each in longer] == ["size", "content"]
    linked = {each.field: (each.a, each.b) for each in differing(layer(entry("x")), layer(link))}
    assert linked["kind"] == ("file", "link")
    assert linked["link"] == ("", "/a")


def test_a_file_of_one_image_is_named() -> None:
    found = differing(layer(entry("a")), layer(entry("a"), entry("b/.wh.c")))
    assert found == (Difference(name="/b/.wh.c", field="file", a="absent", b="file"),)


def test_the_first_file_in_another_order_is_named() -> None:
    one, two, three = entry("a"), entry("b"), entry("c")
    found = differing(layer(one, two, three), layer(one, three, two))
    assert found == (Difference(name="/b", field="order", a="/b", b="/c"),)


def test_a_layer_that_is_only_compressed_otherwise_differs_as_an_archive() -> None:
    entries = (entry("a", b"abc" * 1000),)
    one, two = layer(*entries), layer(*entries, level=1)
    (found,) = differing(one, two)
    assert (found.field, found.a, found.b) == ("archive", digest_of(one), digest_of(two))


def test_a_layer_of_one_image_only_is_named() -> None:
    found = contents.compare(image(BASE), image(BASE, TOP))
    (difference,) = found.layers[0].differences
    assert found.layers == (
        Layer(number=2, instruction="RUN date > /x", differences=(difference,)),
    )
    assert (difference.field, difference.a, difference.b) == ("layer", "absent", digest_of(TOP))


def test_keys_of_the_configuration_are_named_but_not_the_digests_of_layers() -> None:
    later = [*HISTORY[:2], {**HISTORY[2], "created": "2027-01-01T00:00:00Z"}]
    other = {**CONFIG, "config": {"Env": ["A=2"]}, "history": later, "rootfs": {"diff_ids": ["1"]}}
    found = contents.compare(image(BASE), image(BASE, config=other))
    assert found.layers == ()
    assert found.configuration == (
        Difference(name="config.Env[0]", field="value", a="A=1", b="A=2"),
        Difference(
            name="history[2].created",
            field="value",
            a="2026-01-01T00:00:00Z",
            b="2027-01-01T00:00:00Z",
        ),
    )
