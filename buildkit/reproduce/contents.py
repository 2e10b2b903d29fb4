"""Two images of one target -> their differences, down to the field of a file. Pure."""

from __future__ import annotations

import hashlib
import json
import posixpath
import tarfile
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import chain, repeat, zip_longest
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildkit.publish.packing import Packed
    from buildkit.registry.client import Blob

CHUNK = 1 << 20
ABSENT = "absent"
IN_FIELDS = {"path", "linkpath", "size", "uid", "gid", "uname", "gname", "mtime"}
"""Pax headers that are fields of an entry."""
KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "link",
    tarfile.LNKTYPE: "hard link",
}
DIFF_IDS = "rootfs.diff_ids"
"""The digests of the layers in a configuration: the layers show why they differ."""

Entry = dict[str, str]
"""The fields of a file, folder or link, by name."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """`name` is a path in a layer with one of its fields, or a key of the configuration."""

    name: str
    field: str
    a: str
    b: str


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer that differs: its number, from 1, and the instruction that made it."""

    number: int
    instruction: str
    differences: tuple[Difference, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    layers: tuple[Layer, ...]
    configuration: tuple[Difference, ...]


def compare(a: Packed, b: Packed) -> Comparison:
    """The differences of two images. Raises ToolError if one cannot be read."""
    config_a, config_b = _document(a.config), _document(b.config)
    instructions = chain(_instructions(config_a), repeat(""))
    pairs = zip(zip_longest(a.layers, b.layers), instructions, strict=False)
    layers = [
        Layer(number=number, instruction=instruction, differences=tuple(_between(one, two)))
        for number, ((one, two), instruction) in enumerate(pairs, start=1)
        if one is None or two is None or one.digest != two.digest
    ]
    return Comparison(layers=tuple(layers), configuration=tuple(_of_keys(config_a, config_b)))


def _document(blob: Blob) -> Any:
    with blob.open() as content:
        return json.loads(content.read())


def _instructions(config: Any) -> list[str]:
    """The instruction of each layer; steps that only change the configuration have no layer."""
    steps = [step for step in config.get("history") or () if not step.get("empty_layer")]
    return [str(step.get("created_by") or "") for step in steps]


def _between(a: Blob | None, b: Blob | None) -> Iterator[Difference]:
    """The differences of two layers; there may be only one."""
    if a is None or b is None:
        digests = (ABSENT if each is None else each.digest for each in (a, b))
        yield _difference("", "layer", *digests)
        return
    entries_a, entries_b = (_entries(each) for each in (a, b))
    found = list(of_entries(entries_a, entries_b))
    yield from found
    if not found:
        yield _difference("", "archive", a.digest, b.digest)


def _entries(blob: Blob) -> dict[str, Entry]:
    with blob.open() as content:
        return read(content)


def read(layer: IO[bytes]) -> dict[str, Entry]:
    """The entries of a layer by path, in the layer's order."""
    with tarfile.open(fileobj=layer, mode="r|*", bufsize=CHUNK) as tar:
        return {_path(member.name): _entry(tar, member) for member in tar}


def _path(name: str) -> str:
    """A readable path: bytes that are not text are replaced."""
    text = name.encode(errors="surrogateescape").decode(errors="replace")
    return posixpath.normpath(f"/{text.lstrip('/')}")


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    seen = hashlib.sha256()
    if member.isreg() and (content := tar.extractfile(member)) is not None:
        while chunk := content.read(CHUNK):
            seen.update(chunk)
    headers = {key: text for key, text in member.pax_headers.items() if key not in IN_FIELDS}
    return {
        "kind": KINDS.get(member.type, "other"),
        "mode": f"{member.mode:04o}",
        "owner": f"{member.uid}:{member.gid} {member.uname}:{member.gname}",
        "size": str(member.size),
        "mtime": datetime.fromtimestamp(member.mtime, timezone.utc).isoformat(),
        "link": member.linkname,
        "content": f"sha256:{seen.hexdigest()}",
        "attributes": json.dumps(headers, sort_keys=True),
    }


def of_entries(a: Mapping[str, Entry], b: Mapping[str, Entry]) -> Iterator[Difference]:
    """The differences of two layers by path; that of their order, if they have the same paths."""
    for path in sorted({*a, *b}):
        if path not in a or path not in b:
            yield _difference(path, "file", *(_kind(each.get(path)) for each in (a, b)))
            continue
        for name, one in a[path].items():
            if one != (two := b[path][name]):
                yield _difference(path, name, one, two)
    if a.keys() == b.keys():
        moved = next((pair for pair in zip(a, b, strict=True) if pair[0] != pair[1]), None)
        if moved is not None:
            yield _difference(moved[0], "order", *moved)


def _kind(entry: Entry | None) -> str:
    return ABSENT if entry is None else entry["kind"]


def _of_keys(a: Any, b: Any) -> Iterator[Difference]:
    """The differences of two configurations by key, such as `history[3].created`."""
    keys_a, keys_b = dict(_flat(a)), dict(_flat(b))
    for key in dict.fromkeys((*keys_a, *keys_b)):
        one, two = keys_a.get(key, ABSENT), keys_b.get(key, ABSENT)
        if one != two and not key.startswith(DIFF_IDS):
            yield _difference(key, "value", one, two)


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _flat(each, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _flat(each, f"{key}[{number}]")
    else:
        yield key, value if isinstance(value, str) else json.dumps(value)


def _difference(name: str, field: str, *sides: str) -> Difference:
    a, b = sides
    return Difference(name=name, field=field, a=a, b=b)
