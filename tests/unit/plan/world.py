"""A project, its registries and an engine in memory, into which the doors of buildkit lead."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from buildkit import pipeline, project
from buildkit.build import bake_plan
from buildkit.config.network import Network
from buildkit.contract import runner
from buildkit.engine import engine
from buildkit.ledger import attach, ledger, make
from buildkit.model.image import Status
from buildkit.plan import identity
from buildkit.publish import connect, destination, packing, upload
from buildkit.registry import wire
from buildkit.support import manual
from buildkit.system import console, files, shell, tempdirs, workers
from buildkit.verify import verify
from tests.support import builder, fakes
from tests.support.builder import Builder, Engine
from tests.support.direct import Net, Pool
from tests.support.distribution import Distribution
from tests.support.registry_server import digest
from tests.unit.plan.sources import BASES, FILES, ONE, TWO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from buildkit.contract.scenario import Subject
    from buildkit.model.image import ClauseResult
    from buildkit.project import Project

AT_LEDGER = -1
"""The run is killed before it writes the ledger, and not before one of its doors."""
FRACTION = 9
"""One of so many images fails its test."""


class Killed(BaseException):
    """The run ends here, and nothing that it would still do is done."""


class WrongSkipError(AssertionError):
    """A run says that a target is done, with an image that a build from scratch would not make."""


class NeedlessError(AssertionError):
    """A run did again what was done already."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """An image in a registry, with what its build has read. `labelled`: it says its identity."""

    digest: str
    essence: str
    labelled: bool


@dataclass
class World:
    """Everything outside of one run."""

    folder: Path
    wheels: Path | None = None
    suite: Path = field(init=False)
    clock: datetime = datetime(2026, 1, 1, tzinfo=timezone.utc)
    version: str = "1"
    output: str = bake_plan.OUTPUT
    making: int = identity.MAKING
    doors: int = 0
    kill_at: int = 0
    killed: bool = False
    meanwhile: list[str] = field(default_factory=list)
    tested: list[str] = field(default_factory=list)
    done: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    quiet: str = ""
    runs: int = 0
    ends: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root = self.folder / "project"
        self.suite = self.folder / "tool" / "contract"
        for name, text in FILES.items():
            self.write(name, text)
        (self.folder / "temporary").mkdir()
        self.suite.mkdir(parents=True)
        (self.suite / "clauses.toml").write_text("0")
        (self.suite.parent / "verify").mkdir()
        servers = {host: Distribution(host=host) for host in (ONE, TWO, BASES)}
        self.net = Net(registries=servers, door=self.door)
        self.engine = Engine(door=self.door)
        self.builder = Builder(
            engine=self.engine, registries=servers, down=self.net.down, before=self.before
        )
        for number in range(2):
            self.base(number)

    # ---- the doors of a run

    def door(self) -> None:
        """Each step of a run outside of the process: the run may be killed before it."""
        self.doors += 1
        if self.killed or self.doors == self.kill_at:
            self.killed = True
            raise Killed

    def before(self) -> None:
        """When bake begins to read, somebody may edit files."""
        for step in self.meanwhile:
            self.step(step)
        self.meanwhile.clear()

    def step(self, text: str) -> None:
        raise NotImplementedError

    def run_process(self, *argv: str, on_line: Callable[[str], None] = lambda _: None, **_: object) -> shell.Done:  # fmt: skip
        if argv[0] == "git":
            return shell.Done(code=128, output="")
        assert argv[:3] == ("docker", "buildx", "bake")
        return self.builder.bake(*argv, on_line=on_line)

    @contextmanager
    def connect(self) -> Iterator[Engine]:
        self.door()
        self.engine.released()
        yield self.engine
        self.engine.released()

    @contextmanager
    def packer(self, _engine: object) -> Iterator[Engine]:
        yield self.engine

    def judge(self, subject: Subject, *_: object, **__: object) -> tuple[ClauseResult, ...]:
        self.door()
        self.tested.append(subject.image)
        good = self.passes(self.engine.images[subject.image].essence, subject)
        return (fakes.clause(Status.PASS if good else Status.FAIL),)

    def passes(self, essence: str, subject: Any) -> bool:
        """Whether an image passes the suite of now with the samples of now."""
        text = f"{essence} {self.exam(subject.samples)}"
        return hashlib.sha256(text.encode()).digest()[0] % FRACTION != 0

    def exam(self, samples: Any) -> str:
        """What an image is tested with."""
        data = [each.read_text() for _, path in samples.channels for each in self._below(path)]
        return json.dumps(
            [(self.suite / "clauses.toml").read_text(), samples.hyperparameters, data]
        )

    @staticmethod
    def _below(path: str) -> list[Path]:
        from pathlib import Path

        return sorted(each for each in Path(path).rglob("*") if each.is_file())

    # ---- the files of the project

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def edit(self, name: str, pattern: str, text: str) -> None:
        before = (self.root / name).read_text()
        (self.root / name).write_text(re.sub(pattern, lambda _: text, before))

    def base(self, number: int, content: int = 0) -> None:
        """The tag of a base points to some content."""
        self.net.registries[BASES].image(
            "python",
            str(number),
            layers=[f"{number} {content}".encode()],
            config={"created": builder.CREATED.format(1 + 2 * number + content)},
        )

    # ---- runs

    def read(self) -> Project:
        return project.read(self.root / "images.toml", None, use_environment=False)

    def network(self, found: Project) -> Network:
        return Network(wheels=self.wheels).with_rules(found.config.substitutes)

    def scratch(self, found: Project, network: Network) -> dict[str, str | None]:
        """What a build from scratch of these files makes now, by target id."""

        def time(created: str) -> int:
            return int(datetime.fromisoformat(created.replace("Z", "+00:00")).timestamp())

        with pipeline.baked(found, found.targets, network) as plan:
            return {
                id_: self.builder.scratch(plan.document["target"][name], time)
                for id_, name in plan.names.items()
            }

    def held(self, host: str, repository: str, reference: str) -> Held | None:
        """What a registry holds under a tag or digest."""
        found = self.net.registries[host].manifests.get(f"{repository}:{reference}")
        if found is None:
            return None
        document, blobs = json.loads(found[1]), self.net.registries[host].blobs[repository]
        config = json.loads(blobs[document["config"]["digest"]]).get("config") or {}
        return Held(
            digest=digest(found[1]),
            essence=blobs[document["layers"][0]["digest"]].decode(),
            labelled=builder.IDENTITY in (config.get("Labels") or {}),
        )

    @contextmanager
    def patched(self) -> Iterator[None]:
        """The doors of buildkit lead into this world."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shell, "run", self.run_process)
            patch.setattr(engine, "connect", self.connect)
            patch.setattr(packing, "packer", self.packer)
            patch.setattr(connect, "Wire", self.net.wire)
            patch.setattr(wire, "Wire", self.net.wire)
            patch.setattr(runner, "run", self.judge)
            patch.setattr(verify, "__file__", str(self.suite.parent / "verify" / "verify.py"))
            patch.setattr(manual, "version", lambda: self.version)
            patch.setattr(bake_plan, "OUTPUT", self.output)
            patch.setattr(identity, "MAKING", self.making)
            patch.setattr(make, "datetime", Clock(self))
            for module in (workers, destination, upload, attach):
                patch.setattr(module, "ThreadPoolExecutor", Pool)
            for name in ("say", "step", "fail"):
                patch.setattr(console, name, lambda *_, **__: None)
            patch.setattr(files, "rewrite", partial(self.rewrite, files.rewrite))
            patch.setattr(ledger, "ROOM", 0)
            patch.setattr(tempdirs, "folder", self.temporary)
            patch.setenv("XDG_CACHE_HOME", str(self.folder / "cache"))
            patch.setenv("DOCKER_CONFIG", str(self.folder / "docker"))
            yield

    @contextmanager
    def temporary(self) -> Iterator[Path]:
        """It stays until the world ends, as after a kill."""
        yield type(self.folder)(tempfile.mkdtemp(dir=self.folder / "temporary"))

    def rewrite(self, really: Callable[..., None], path: Path, *given: Any, **named: Any) -> None:
        if path.name == ledger.NAME and self.kill_at == AT_LEDGER:
            self.kill_at = self.doors + 1
        self.door()
        really(path, *given, **named)
        self.door()


@dataclass(frozen=True)
class Clock:
    world: World

    def now(self, zone: timezone) -> datetime:
        return self.world.clock.astimezone(zone)
