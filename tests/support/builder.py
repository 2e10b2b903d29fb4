"""An engine and `docker buildx bake` in memory: an image is a digest of what its build really reads.

Shares nothing with buildkit.plan and buildkit.render.inputs, which it is compared with.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildkit.contract.engine import ImageView
from buildkit.publish.packing import Packed
from buildkit.registry.client import Blob
from buildkit.registry.manifests import DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, Manifest
from buildkit.support.errors import ToolError
from buildkit.system.shell import Done
from tests.support.registry_server import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from buildkit.model.image import Built
    from tests.support.distribution import Distribution

FROM = re.compile(r"^FROM (\S+) AS image$", re.MULTILINE)
EPOCH = "SOURCE_DATE_EPOCH"
IDENTITY = "buildkit.identity"
CREATED = "2026-01-0{}T00:00:00Z"


@dataclass(frozen=True, kw_only=True)
class Image:
    """`essence` is the digest of all that the build has read."""

    essence: str
    config: bytes
    manifest: bytes

    @property
    def id(self) -> str:
        return digest(self.manifest)

    @property
    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.config)
        return found

    @property
    def labels(self) -> dict[str, str]:
        return self.facts["config"]["Labels"] or {}


def image(essence: str, platform: str, created: str, labels: Mapping[str, str]) -> Image:
    system, _, architecture = platform.partition("/")
    facts = {
        "os": system,
        "architecture": architecture,
        "created": created,
        "config": {"Labels": dict(labels)},
    }
    config, layer = json.dumps(facts).encode(), essence.encode()
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": {"mediaType": DOCKER_CONFIG, "digest": digest(config), "size": len(config)},
        "layers": [{"mediaType": DOCKER_LAYER, "digest": digest(layer), "size": len(layer)}],
    }
    return Image(essence=essence, config=config, manifest=json.dumps(document).encode())


@dataclass
class Engine:
    """Images by their id, and their names. `containerd`: an image without a name is deleted."""

    containerd: bool = True
    images: dict[str, Image] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    door: Callable[[], None] = lambda: None
    builder: str = "default"
    numbers: Iterator[int] = field(default_factory=count)

    def held(self) -> str:
        return f"buildkit-build:{next(self.numbers)}"

    def released(self) -> None:
        """The end of a run, or the beginning of one after a kill."""
        for name in [each for each in self.names if each.startswith("buildkit-build:")]:
            del self.names[name]
        if self.containerd:
            kept = {*self.names.values()}
            self.images = {id_: each for id_, each in self.images.items() if id_ in kept}

    def keep(self, made: Image, name: str) -> None:
        self.images[self.id_of(made)] = made
        self.names[name] = self.id_of(made)

    def id_of(self, made: Image) -> str:
        return made.id if self.containerd else digest(made.config)

    def _found(self, text: str) -> Image | None:
        return self.images.get(self.names.get(text, text))

    def find(self, text: str) -> str | None:
        self.door()
        found = self._found(text)
        return None if found is None else self.id_of(found)

    def created(self, text: str) -> str | None:
        found = self._found(text)
        return None if found is None else str(found.facts["created"])

    def label(self, text: str, name: str) -> str | None:
        self.door()
        found = self._found(text)
        return None if found is None else found.labels.get(name)

    def name(self, text: str, name: str) -> None:
        self.door()
        self.names[name] = self.names.get(text, text)

    def view(self, text: str) -> ImageView:
        found = self.images[text].facts
        return ImageView(
            id=text,
            os=found["os"],
            architecture=found["architecture"],
            user="",
            entrypoint=(),
            command=(),
            environment={},
            labels=found["config"]["Labels"],
            history=(),
            size=1,
            media_type=None,
        )

    @contextmanager
    def packed(self, built: Built) -> Iterator[Packed]:
        found = self.images.get(built.image_id)
        if found is None or built.manifest_digest not in (None, found.id):
            raise ToolError("the engine has no such image")
        layer = found.essence.encode()
        config, only = (
            Blob(digest=digest(each), size=len(each), open=lambda each=each: io.BytesIO(each))  # type: ignore[misc]
            for each in (found.config, layer)
        )
        manifest = Manifest(media_type=DOCKER_MANIFEST, content=found.manifest)
        yield Packed(manifest=manifest, config=config, layers=(only,))


@dataclass
class Builder:
    """Builds in one engine, with bases from registries. `salt`: the builder makes other bytes.

    `before` is called when a build begins to read; `built` has the names that were built.
    """

    engine: Engine
    registries: Mapping[str, Distribution]
    down: set[str]
    before: Callable[[], None] = lambda: None
    salt: str = ""
    built: list[str] = field(default_factory=list)

    def bake(self, *argv: str, on_line: Callable[[str], None]) -> Done:
        """`docker buildx bake`, as far as buildkit uses it."""
        self.engine.door()
        self.before()
        options = dict(pairwise(argv))
        document = json.loads(Path(options["--file"]).read_text())
        names = [each for each in argv if each in document["target"]]
        metadata = {}
        for name in names:
            target = plain(document["target"][name])
            base = self.base(target)
            if base is None or not self.can_pull(base[0]):
                return Done(code=1, output="ERROR: failed to solve: no base")
            reference, found, created = base
            on_line(f"#1 [{name} 1/2] FROM {reference.partition('@')[0]}@{found}")
            self.built.append(name)
            (held,) = target["tags"]
            epoch = target.get("args", {}).get(EPOCH) or os.environ[EPOCH]
            labels = target.get("labels", {})
            made = image(self.essence(target, epoch), target["platforms"][0], created, labels)
            self.engine.keep(made, held)
            metadata[name] = {
                "containerimage.digest": made.id,
                "containerimage.config.digest": digest(made.config),
                "containerimage.descriptor": {"mediaType": DOCKER_MANIFEST},
            }
        self.engine.door()
        Path(options["--metadata-file"]).write_text(json.dumps(metadata))
        return Done(code=0, output="")

    def base(self, target: Mapping[str, Any]) -> tuple[str, str, str] | None:
        """The reference that a build uses, its digest, and when it was created."""
        (written,) = FROM.findall(target["dockerfile-inline"])
        used = target["contexts"].get(written, written).removeprefix("docker-image://")
        host, _, rest = used.partition("/")
        name, _, exact = rest.partition("@")
        repository, _, tag = name.partition(":")
        if host in self.down and not exact:
            found = self.engine.find(used)
            return found and (used, found, self.engine.created(used) or "")  # type: ignore[return-value]
        kind = self.registries[host].manifests.get(f"{repository}:{exact or tag}")
        if kind is None:
            return None
        config = json.loads(kind[1])["config"]["digest"]
        facts = json.loads(self.registries[host].blobs[repository][config])
        return used, digest(kind[1]), facts["created"]

    def can_pull(self, reference: str) -> bool:
        host = reference.partition("/")[0]
        return host not in self.down or self.engine.find(reference) is not None

    def scratch(self, target: Mapping[str, Any], time: Callable[[str], int]) -> str | None:
        """What a build of this target would make now; None without its base."""
        base = self.base(plain(target))
        if base is None:
            return None
        return self.essence(plain(target), os.environ.get(EPOCH) or str(time(base[2])))

    def essence(self, target: Mapping[str, Any], epoch: str) -> str:
        """The digest of everything that a build reads and that stays in its image."""
        base = self.base(target)
        assert base is not None
        text, contexts = target["dockerfile-inline"], target["contexts"]
        read = {
            "dockerfile": text,
            "platform": target["platforms"],
            "output": target["output"],
            "context": tree(Path(target["context"])),
            "base": base[1],
            "epoch": epoch,
            "salt": self.salt,
        }
        if "from=runtime" in text:
            read["runtime"] = tree(Path(contexts["runtime"]))
        if match := re.search(r"from=lock,source=(\S+)", text):
            read["lock"] = (Path(contexts["lock"]) / match[1]).read_text()
        elif "wheels" in contexts:  # pip takes only what has the hashes of a lock
            read["wheels"] = tree(Path(contexts["wheels"]))
        return hashlib.sha256(json.dumps(read).encode()).hexdigest()


def plain(value: Any) -> Any:
    """A value of the bake file after bake's interpolation."""
    if isinstance(value, str):
        return value.replace("$${", "${").replace("%%{", "%{")
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def tree(folder: Path) -> list[tuple[str, ...]]:
    """The files, links and folders of a context that the rules of .dockerignore leave."""
    ignored = folder / ".dockerignore"
    lines = ignored.read_text().splitlines() if ignored.exists() else []
    found: list[tuple[str, ...]] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name.split("/")[0] in (".git", ".buildkit") or _ignored(name, lines):
            continue
        if path.is_symlink():
            found.append((name, "link", os.readlink(path)))  # noqa: PTH115 - as it is
        elif path.is_dir():
            found.append((name, "folder"))
        else:
            program = "program" if path.stat().st_mode & 0o100 else "file"
            found.append((name, program, path.read_text()))
    parents = {(each.as_posix(), "folder") for name, *_ in found for each in Path(name).parents}
    return sorted({*found, *(parents - {(".", "folder")})})


def _ignored(name: str, lines: Sequence[str]) -> bool:
    """The last line that fits a path, or a folder that it is in, decides."""
    parts, result = name.split("/"), False
    for line in filter(None, lines):
        pattern = line.removeprefix("!").split("/")
        if any(_fits(parts[: number + 1], pattern) for number in range(len(parts))):
            result = not line.startswith("!")
    return result


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern or not parts:
        return not pattern and not parts
    if pattern[0] == "**":
        return any(_fits(parts[start:], pattern[1:]) for start in range(len(parts) + 1))
    return fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])
