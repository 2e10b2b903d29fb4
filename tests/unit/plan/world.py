"""A project, two registries, an engine and all that happens to them, in steps that a test draws.

After each run, what the run says of a target is compared with a build of the same files from
scratch (tests/support/builder.py). A step is a few words: `file train 1`, `run push`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from buildkit import pipeline, project, recording
from buildkit.build import bake, bake_plan, epoch
from buildkit.config.network import Network
from buildkit.contract import runner
from buildkit.engine import engine
from buildkit.ledger import attach, ledger, make
from buildkit.lock import check, lockfile
from buildkit.lock.lockfile import Lock, Locked
from buildkit.model.image import Status
from buildkit.pipeline import Choice, Until
from buildkit.plan import identity
from buildkit.publish import connect, destination, packing, upload
from buildkit.registry import bases
from buildkit.support import manual
from buildkit.support.errors import BuildkitError
from buildkit.system import console, files, shell, workers
from buildkit.verify import verify
from tests.support import builder, fakes
from tests.support.builder import Builder, Engine
from tests.support.direct import Net, Pool
from tests.support.distribution import Distribution
from tests.support.registry_server import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from buildkit.contract.scenario import Subject
    from buildkit.model.image import ClauseResult
    from buildkit.model.outcome import Outcome
    from buildkit.model.target import Target
    from buildkit.project import Project

ONE, TWO, BASES = "one.example", "two.example", "bases.example"
IMAGES = f"""
[registry.repositories]
mutability = "mutable"

[image.algo]
versions = ["1.0"]
base = "{BASES}/python:1"
context = "algo"
packages = ["six==0"]
args = {{ A = "0" }}
labels = {{ L = "0" }}
platform = "linux/amd64"
samples = {{ hyperparameters = {{ a = "0" }}, channels = {{ train = "samples" }} }}

[image.tool]
versions = ["1.0"]
base = "{BASES}/python:1"
"""
FILES = {
    "images.toml": IMAGES,
    "templates/algo.Dockerfile.j2": """{% import "macros/words.j2" as words %}
FROM {{ target.base }} AS image
RUN echo 0 {{ words.of(target.packages) }}
{% for name, value in target.args %}
ARG {{ name }}={{ value }}
{% endfor %}
{% for name, value in target.labels %}
LABEL {{ name }}={{ value }}
{% endfor %}
RUN --mount=type=bind,from=runtime,target=/runtime cp -r /runtime /opt
{% if target.lock_file %}
RUN --mount=type=bind,from=lock,source={{ target.lock_file }} pip install
{% endif %}
{% include "parts/tail.j2" %}""",
    "templates/tool.Dockerfile.j2": "FROM {{ target.base }} AS image\nRUN echo 0\n",
    "templates/macros/words.j2": "{% macro of(all) %}{{ all | join(' ') }} 0{% endmacro %}\n",
    "templates/parts/tail.j2": "RUN echo 0\n",
    "templates/runtime/run.py": "0",
    "algo/.dockerignore": "",
    "algo/train": "0",
    "algo/lib/a.py": "0",
    "algo/note.log": "0",
    "algo/Data/x": "0",
    "algo/one": "0",
    "samples/data.csv": "0",
    "algo.lock": f"six==0 --hash=sha256:{'0' * 64}\n",
}
IGNORED = ("", "*.log\ndata\n", "*\n!**/*.py\n!train\n", "Data\nlib/*\n")
PATTERNS = {
    "packages": (r'"six==\d"', '"six=={}"'),
    "args": (r'A = "\d"', 'A = "{}"'),
    "labels": (r'L = "\d"', 'L = "{}"'),
    "base": (r"python:\d", "python:{}"),
    "platform": (r"linux/\w+", ("linux/amd64", "linux/arm64")),
    "revision": (r'versions = \["1.0[-\d]*"\]', ('versions = ["1.0"]', 'versions = ["1.0-1"]')),
    "mutable": (r'mutability = "\w+"', ('mutability = "mutable"', 'mutability = "immutable"')),
    "hyperparameters": (r'a = "\d"', 'a = "{}"'),
    "own-lock": (r'context = "algo"(\nlock = "algo.lock")?', ('context = "algo"', 'context = "algo"\nlock = "algo.lock"')),
}  # fmt: skip
TEXTS = {
    "file": ("algo/{}", "{}"),
    "template": ("templates/algo.Dockerfile.j2", (r"echo \d", "echo {}")),
    "macro": ("templates/macros/words.j2", (r"\d\{% endmacro", "{}{{% endmacro")),
    "include": ("templates/parts/tail.j2", (r"\d", "{}")),
    "tool": ("templates/tool.Dockerfile.j2", (r"echo \d", "echo {}")),
}
HARMLESS = frozenset({"touch", "modes", "clock", "version", "move", "cache", "fresh"})
"""Steps after which nothing is left to do, if nothing was before."""
FRACTION = 9
"""One of so many images fails its test."""


class Killed(BaseException):
    """The run ends here, and nothing that it would still do is done."""


class WrongSkipError(AssertionError):
    """A run says that a target is done, with an image that a build from scratch would not make."""


class NeedlessError(AssertionError):
    """A run did again what was done already."""


@dataclass
class World:
    """Everything outside of one run."""

    folder: Path
    rng: int = 0
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
        return json.dumps([(self.suite / "clauses.toml").read_text(), samples.hyperparameters, data])

    @staticmethod
    def _below(path: str) -> list[Path]:
        from pathlib import Path  # noqa: PLC0415

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

    def step(self, text: str) -> None:
        verb, *words = text.split()
        if verb == "run":
            self.run(*words)
            return
        if verb not in HARMLESS or (verb == "fresh" and self.quiet != "push"):
            self.quiet = ""
        if verb in PATTERNS:
            pattern, form = PATTERNS[verb]
            number = int(words[0])
            new = form.format(number) if isinstance(form, str) else form[number]
            self.edit("images.toml", pattern, new)
        elif verb in TEXTS:
            name, form = TEXTS[verb]
            *parts, number = words
            path = name.format(*parts)
            if isinstance(form, str):
                self.write(path, number)
            else:
                self.edit(path, form[0], form[1].format(number))
        else:
            getattr(self, f"_{verb.replace('-', '_')}")(*words)

    def _touch(self, number: str) -> None:
        for path in (*self.root.rglob("*"), *self.suite.iterdir()):
            os.utime(path, (2e9 * int(number),) * 2, follow_symlinks=False)

    def _modes(self, number: str) -> None:
        for path in self.root.rglob("*"):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~0o022 | (0o022 if number == "1" else 0))

    def _program(self, name: str, number: str) -> None:
        path = self.root / name
        if path.exists():
            path.chmod(0o755 if number == "1" else 0o644)

    def _new(self, number: str) -> None:
        if number == "1":
            self.write("algo/new.py", "0")
        else:
            (self.root / "algo/new.py").unlink(missing_ok=True)

    def _empty(self, number: str) -> None:
        path = self.root / "algo/empty"
        path.mkdir(exist_ok=True)
        if number == "0":
            path.rmdir()

    def _rename(self, number: str) -> None:
        old, new = (self.root / "algo" / name for name in ("one", "two")[:: 1 if number == "1" else -1])
        if old.exists():
            old.rename(new)

    def _link(self, number: str) -> None:
        path = self.root / "algo/link"
        path.unlink(missing_ok=True)
        path.symlink_to(("train", "lib/a.py")[int(number)])

    def _ignore(self, number: str) -> None:
        self.write("algo/.dockerignore", IGNORED[int(number)])

    def _runtime(self, number: str) -> None:
        self.write("templates/runtime/run.py", number)

    def _samples(self, number: str) -> None:
        self.write("samples/data.csv", number)

    def _branch(self, number: str) -> None:
        """The files of git: not the records; the ledger stays, as if it were merged."""
        here, there = (self.folder / f"branch{n}" for n in (1 - int(number), int(number)))
        if not there.exists():
            shutil.copytree(self.root, there, symlinks=True)
        kept = {"dist", ledger.NAME}
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(self.root, here, symlinks=True, ignore=lambda *_: kept)
        for path in self.root.iterdir():
            if path.name not in kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(there, self.root, symlinks=True, dirs_exist_ok=True, ignore=lambda *_: kept)

    def _move(self) -> None:
        new = self.folder / ("elsewhere" if self.root.name == "project" else "project")
        self.root.rename(new)
        self.root = new

    def _fresh(self) -> None:
        """A clone on another machine: no records, no cache, and an empty engine."""
        self._dist("gone")
        self._cache("gone")
        self._prune()
        self._move()

    def _wheels(self, number: str) -> None:
        """None; or a wheel, another one with its name, and one with another name."""
        folder = self.folder / "wheels"
        shutil.rmtree(folder, ignore_errors=True)
        self.wheels = None
        if number != "0":
            folder.mkdir()
            name = "six-0-py3-none-any.whl" if number != "3" else "six-1-py3-none-any.whl"
            (folder / name).write_text(number)
            self.wheels = folder

    # ---- the lock

    def _lock(self, number: str) -> None:
        """`buildkit lock`, on a day when the packages of an index have this number."""
        with suppress(BuildkitError):
            found = self.read().with_lock(None)
            requests = check.requests(found.targets, found.templates)
            pin = f"six=={number}"
            self.lock(
                Lock(
                    bases={each.base: self.of_base(each.base) for each in found.targets},
                    targets={
                        id_: Locked(made_from=each.digest, packages=(pin,))
                        for id_, each in requests.items()
                    },
                    hashes={pin: (f"sha256:{number * 64}",)},
                )
            )

    def lock(self, lock: Lock) -> None:
        lockfile.write(self.root / lockfile.NAME, lock)

    def of_base(self, name: str) -> str:
        return self.net.registries[BASES].digest(name.partition("/")[2]) or ""

    def _unlock(self) -> None:
        (self.root / lockfile.NAME).unlink(missing_ok=True)

    def _pins(self, number: str) -> None:
        """Somebody edits images.lock: another digest of the base, which exists."""
        found = lockfile.read(self.root / lockfile.NAME)
        if found is not None:
            manifests = self.net.registries[BASES].manifests
            other = sorted(key.partition(":")[2] for key in manifests if ":sha256:" in key)
            new = other[int(number) % len(other)]
            self.lock(replace(found, bases=dict.fromkeys(found.bases, new)))

    def _hashes(self, number: str) -> None:
        self.write("algo.lock", f"six==0 --hash=sha256:{number * 64}\n")
        found = lockfile.read(self.root / lockfile.NAME)
        if found is not None:
            self.lock(replace(found, hashes={pin: (f"sha256:{number * 64}",) for pin in found.hashes}))

    # ---- registries

    def _moved(self, number: str) -> None:
        self.base(0, int(number))
        self.base(1, int(number))

    def _down(self, host: str) -> None:
        self.net.down.add(host)

    def _up(self) -> None:
        self.net.down.clear()

    def tags(self, host: str) -> list[str]:
        found = self.net.registries[host].manifests
        return [key for key in found if "sha256" not in key.partition(":")[2]]

    def _archived(self, number: str) -> None:
        self.net.archived.clear()
        if number == "1":
            self.net.archived.update(f"/manifests/{key.partition(':')[2]}" for key in self.tags(ONE))

    def _untag(self, host: str) -> None:
        for key in self.tags(host):
            del self.net.registries[host].manifests[key]

    def _retag(self, host: str, number: str) -> None:
        """Somebody moves tags to another image of the repository, or to one without a label."""
        registry = self.net.registries[host]
        for key in self.tags(host):
            repository = key.partition(":")[0]
            if number == "0":
                registry.image(repository, key.partition(":")[2], layers=[b"foreign"])
            else:
                older = [k for k in registry.manifests if k.startswith(f"{repository}:sha256:") and registry.manifests[k][0] == builder.DOCKER_MANIFEST]  # fmt: skip
                registry.manifests[key] = registry.manifests[sorted(older)[int(number) % len(older)]]

    # ---- this machine

    def _epoch(self, number: str) -> None:
        os.environ.pop(epoch.VARIABLE, None)
        if number != "0":
            os.environ[epoch.VARIABLE] = f"{number}000"

    def _clock(self, number: str) -> None:
        self.clock += timedelta(days=400 * (1 if number == "1" else -1))

    def _prune(self) -> None:
        self.engine.images.clear()
        self.engine.names.clear()

    def _unname(self) -> None:
        self.engine.names = {k: v for k, v in self.engine.names.items() if not k.startswith("algo:")}
        self.engine.released()

    def _classic(self) -> None:
        self._prune()
        self.engine.containerd = not self.engine.containerd

    def _pull(self, number: str) -> None:
        """The engine has the base, as its registry has it now."""
        tag = f"python:{number}"
        kind, manifest = self.net.registries[BASES].manifests[tag]
        config = self.net.registries[BASES].blobs["python"][json.loads(manifest)["config"]["digest"]]
        facts = {"config": {"Labels": {}}, **json.loads(config)}
        made = builder.Image(essence="", config=json.dumps(facts).encode(), manifest=manifest)
        self.engine.keep(made, f"{BASES}/{tag}")

    def _cache(self, what: str) -> None:
        folder = self.folder / "cache"
        if what == "gone":
            shutil.rmtree(folder, ignore_errors=True)
        for path in folder.rglob("*"):
            if path.is_file():
                path.write_text(path.read_text()[:20])

    def _suite(self, number: str) -> None:
        (self.suite / "clauses.toml").write_text(number)

    def _version(self, number: str) -> None:
        self.version = number

    def _output(self, number: str) -> None:
        self.output = bake_plan.OUTPUT if number == "0" else "type=image,other=true"

    def _making(self, number: str) -> None:
        self.making, self.builder.salt = identity.MAKING + int(number), number * int(number)

    # ---- records

    def _dist(self, what: str) -> None:
        self.done.clear()
        dist, kept = self.root / "dist", self.folder / "kept"
        if what == "keep":
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(dist, kept) if dist.exists() else kept.mkdir()
            return
        shutil.rmtree(dist, ignore_errors=True)
        if what == "old" and kept.exists():
            shutil.copytree(kept, dist)

    def _record(self, name: str, how: str) -> None:
        """Somebody cuts a record off, or gives a target the record of another."""
        self.done.clear()
        paths = sorted((self.root / "dist").glob(f"*/{name}.json"))
        for path in paths:
            text = path.read_text()
            if how == "cut":
                path.write_text(text[: len(text) // 2])
            elif how == "edit":  # it says to be what is wanted now
                found = {t.id: i for t, i in self.identities().items()}
                wanted = found.get(path.parent.name)
                path.write_text(re.sub(r'"identity": "sha256:\w+"', f'"identity": "{wanted}"', text))
        if how == "swap" and len(paths) > 1:
            one, two = (path.read_text() for path in paths[:2])
            paths[0].write_text(two)
            paths[1].write_text(one)

    def identities(self) -> dict[Target, str | None]:
        """What the plan wants now, by its own word: for records that somebody makes up."""
        with suppress(BuildkitError), self.patched():
            found = self.read()
            plan = pipeline.plan(found, found.targets, self.network(found), Choice(until=Until.TESTED))
            return {each.target: each.identity.digest for each in plan.decisions}
        return {}

    def _ledger(self, how: str) -> None:
        path = self.root / ledger.NAME
        lines = path.read_text().splitlines() if path.exists() else []
        if how == "gone":
            lines = []
        elif how == "half":
            lines = lines[: len(lines) // 2]
        elif lines:
            fact = {"digests": '"digest": ', "identities": '"identity": ', "inputs": '"inputs": '}[how]
            pattern = re.compile(rf'({fact})"(sha256:\w+)"')
            every = sorted({each[2] for line in lines for each in pattern.finditer(line)})
            other = dict(zip(every, every[1:] + every[:1], strict=True))
            lines = [pattern.sub(lambda m: f'{m[1]}"{other[m[2]]}"', line) for line in lines]
        path.write_text("".join(f"{line}\n" for line in lines))

    def _wheel(self, number: str) -> None:
        if self.wheels is not None:
            (self.wheels / "six-0-py3-none-any.whl").write_text(number)

    def _meanwhile(self, *words: str) -> None:
        self.meanwhile.append(" ".join(words))

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

    def served(self, host: str, target: Target) -> tuple[str, str, str | None] | None:
        """The digest, the essence and the label of what a registry serves under a tag."""
        registry = self.net.registries[host]
        found = registry.manifests.get(target.image)
        if found is None:
            return None
        document, blobs = json.loads(found[1]), registry.blobs[target.repository]
        config = json.loads(blobs[document["config"]["digest"]]).get("config") or {}
        essence = blobs[document["layers"][0]["digest"]].decode()
        return digest(found[1]), essence, (config.get("Labels") or {}).get(builder.IDENTITY)

    def run(self, kind: str, *words: str) -> None:
        """One run of the tool, and what has to be true after it."""
        self.clock += timedelta(minutes=1)
        self.runs += 1
        self.net.put.clear()
        self.builder.built.clear()
        self.tested.clear()
        edited = bool(self.meanwhile)
        with self.patched():
            Run(
                world=self,
                kind=kind,
                hosts=(ONE, TWO) if kind == "both" else (ONE,),
                edited=edited,
                kill_at=int(words[0]) if words else 0,
            ).go()

    @contextmanager
    def patched(self) -> Iterator[None]:
        """The doors of buildkit lead into this world."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shell, "run", self.run_process)
            patch.setattr(engine, "connect", self.connect)
            patch.setattr(packing, "packer", self.packer)
            patch.setattr(connect, "Wire", self.net.wire)
            patch.setattr(bases, "Wire", self.net.wire)
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
            patch.setattr(tempfile, "tempdir", str(self.folder / "temporary"))
            patch.setenv("XDG_CACHE_HOME", str(self.folder / "cache"))
            patch.setenv("DOCKER_CONFIG", str(self.folder / "docker"))
            yield

    def rewrite(self, really: Callable[..., None], *arguments: Any, **options: Any) -> None:
        self.door()
        really(*arguments, **options)
        self.door()


@dataclass(frozen=True)
class Clock:
    world: World

    def now(self, zone: timezone) -> datetime:
        return self.world.clock.astimezone(zone)


CHOICES = {
    "tests": Choice(until=Until.TESTED),
    "push": Choice(),
    "both": Choice(),
    "kill": Choice(),
    "stage": Choice(until=Until.STAGED),
    "force": Choice(force=True, retest=True),
    "no-cache": Choice(no_cache=True),
    "retest": Choice(retest=True),
}
AGAIN = ("force", "no-cache", "retest")


@dataclass
class Run:
    """One run and its checks."""

    world: World
    kind: str
    hosts: tuple[str, ...]
    edited: bool
    kill_at: int
    killed: bool = False
    images: frozenset[str] = frozenset()

    def go(self) -> None:
        world = self.world
        choice = replace(CHOICES[self.kind], registries=self.hosts, jobs=1)
        try:
            found = world.read()
            network = world.network(found)
            wanted = world.scratch(found, network)
        except BuildkitError:  # the files cannot be built at all
            world.quiet = ""
            world.ends.append("no project")
            return
        before = {t.id: [world.served(h, t) for h in self.hosts] for t in found.targets}
        outcomes: tuple[Outcome, ...] = ()
        world.doors, world.kill_at = 0, self.kill_at
        self.images = frozenset(world.engine.images)
        try:
            ended = pipeline.build(found, found.targets, network, choice)
            outcomes = ended.outcomes
        except (BuildkitError, Killed):
            world.ends.append("refused")
        self.killed, world.killed, world.kill_at = world.killed, False, 0
        later = wanted
        if self.edited:
            with suppress(BuildkitError):
                later = world.scratch(world.read(), network)
        for outcome in outcomes:
            world.ends.append("failed" if outcome.error else outcome.status)
            try:
                self.right(outcome, wanted[outcome.target.id])
            except WrongSkipError:
                self.right(outcome, later[outcome.target.id])
            self.lean(outcome.target, wanted[outcome.target.id], before[outcome.target.id])
        self.still(found, outcomes)
        self.keep(found, outcomes, wanted)

    def right(self, outcome: Outcome, wanted: str | None) -> None:
        """What is said to be done is what a build from scratch would have made."""
        world, target = self.world, outcome.target
        if outcome.error is not None:
            return
        if outcome.served is not None:
            places = [world.served(host, target) for host in self.hosts]
            self.same(outcome, wanted, [each and each[1] for each in places])
        elif outcome.staged is not None:
            held = [world.net.registries[h].manifests.get(f"{target.repository}:{outcome.staged.digest}") for h in self.hosts]  # fmt: skip
            layers = [json.loads(each[1])["layers"][0]["digest"] if each else "" for each in held]
            self.same(outcome, wanted, [world.net.registries[h].blobs[target.repository][each].decode() for h, each in zip(self.hosts, layers, strict=True)])  # fmt: skip
        else:
            named = world.engine.images.get(world.engine.names.get(target.image, ""))
            self.same(outcome, wanted, [named and named.essence])
        if outcome.verified is not None:
            assert outcome.report is not None
            if not world.passes(str(wanted), target):
                raise WrongSkipError(f"{target.id}: the image does not pass the test of now")

    def same(self, outcome: Outcome, wanted: str | None, found: list[str | None]) -> None:
        if wanted is not None and found != [wanted] * len(found):
            raise WrongSkipError(f"{outcome.target.id}: {outcome.status}: {found}, not {wanted}")
        if wanted is None and not self.baked(outcome.target):
            raise WrongSkipError(f"{outcome.target.id}: {outcome.status} on an unknown base")

    def baked(self, target: Target) -> bool:
        return re.sub(r"[^A-Za-z0-9_-]", "_", target.id) in self.world.builder.built

    def lean(self, target: Target, wanted: str | None, before: list[Any]) -> None:
        """What is done is not done again."""
        world, baked = self.world, self.baked(target)
        if wanted is None or self.kind in AGAIN or self.edited:
            return
        publishes = self.kind not in ("tests", "stage")
        reachable = not ({*self.hosts} & world.net.down) and not world.net.archived
        same = len({each and each[0] for each in before}) == 1
        there = all(each is not None and each[1] == wanted and each[2] for each in before)
        if publishes and reachable and same and there:
            if baked:
                raise NeedlessError(f"{target.id}: built, though all registries have it")
        elif (done := world.done.get(target.id)) is not None:
            essence, exam, image_id = done
            if essence == wanted and image_id in self.images:
                if baked:
                    raise NeedlessError(f"{target.id}: built, though the engine has it")
                if exam == world.exam(target.samples) and image_id in world.tested:
                    raise NeedlessError(f"{target.id}: tested, though it has passed")

    def still(self, found: Project, outcomes: tuple[Outcome, ...]) -> None:
        """After a complete run, and changes that are no inputs, nothing is left to do."""
        world, complete = self.world, len(outcomes) == len(found.targets)
        complete = complete and all(each.error is None for each in outcomes)
        kind = "push" if self.kind == "kill" else self.kind
        if world.quiet == kind and self.kind not in AGAIN:
            put = () if kind == "stage" else world.net.put
            done = (*world.builder.built, *world.tested, *put)
            if done or not (complete or self.killed):
                raise NeedlessError(f"nothing changed, but: {done}")
        world.quiet = kind if complete and not self.edited else ""

    def keep(self, found: Project, outcomes: tuple[Outcome, ...], wanted: dict[str, Any]) -> None:
        """What has been built and tested, as the records say that were written now."""
        ended = {each.target.id: each for each in outcomes}
        for target in found.targets:
            outcome = ended.get(target.id)
            if outcome is None or outcome.error is not None or outcome.built is None:
                if outcome is None or outcome.built is not None or self.baked(target):
                    self.world.done.pop(target.id, None)
            elif not self.edited:
                exam = self.world.exam(target.samples)
                image_id = outcome.built.image_id
                self.world.done[target.id] = (str(wanted[target.id]), exam, image_id)


