"""What happens to a project and around it: one method for each step of a history."""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from buildkit import pipeline
from buildkit.build import bake_plan, epoch
from buildkit.ledger import ledger
from buildkit.lock import check, lockfile
from buildkit.lock.lockfile import Lock, Locked
from buildkit.pipeline import Choice, Until
from buildkit.plan import identity
from buildkit.registry.manifests import DOCKER_MANIFEST
from buildkit.support.errors import BuildkitError
from tests.support import builder
from tests.unit.plan import runs
from tests.unit.plan.sources import BASES, IGNORED, ONE, PATTERNS, TEXTS
from tests.unit.plan.world import World

if TYPE_CHECKING:
    from buildkit.model.target import Target

HARMLESS = frozenset({"touch", "modes", "clock", "version", "move", "cache", "fresh"})
"""Steps after which nothing is left to do, if nothing was before."""


@dataclass
class Steps(World):
    """A world in which steps are taken: `file train 1`, `run push`."""

    def step(self, text: str) -> None:
        verb, *words = text.split()
        if verb == "run":
            runs.run(self, *words)
            return
        if verb not in HARMLESS or (verb == "fresh" and self.quiet != "push"):
            self.quiet = ""
        if verb in PATTERNS:
            pattern, forms = PATTERNS[verb]
            new = forms.format(*words) if isinstance(forms, str) else forms[int(words[0])]
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
        old, new = (
            self.root / "algo" / name for name in ("one", "two")[:: 1 if number == "1" else -1]
        )
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
            self.lock(
                replace(found, hashes=dict.fromkeys(found.hashes, (f"sha256:{number * 64}",)))
            )

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
            self.net.archived.update(
                f"/manifests/{key.partition(':')[2]}" for key in self.tags(ONE)
            )

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
                older = sorted(
                    (name, found)
                    for name, found in registry.manifests.items()
                    if name.startswith(f"{repository}:sha256:") and found[0] == DOCKER_MANIFEST
                )
                registry.manifests[key] = older[int(number) % len(older)][1]

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
        self.engine.names = {
            k: v for k, v in self.engine.names.items() if not k.startswith("algo:")
        }
        self.engine.released()

    def _classic(self) -> None:
        self._prune()
        self.engine.containerd = not self.engine.containerd

    def _pull(self, number: str) -> None:
        """The engine has the base, as its registry has it now."""
        tag = f"python:{number}"
        _, manifest = self.net.registries[BASES].manifests[tag]
        config = self.net.registries[BASES].blobs["python"][
            json.loads(manifest)["config"]["digest"]
        ]
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
                path.write_text(
                    re.sub(r'"identity": "sha256:\w+"', f'"identity": "{wanted}"', text)
                )
        if how == "swap" and len(paths) > 1:
            one, two = (path.read_text() for path in paths[:2])
            paths[0].write_text(two)
            paths[1].write_text(one)

    def identities(self) -> dict[Target, str | None]:
        """What the plan wants now, by its own word: for records that somebody makes up."""
        with suppress(BuildkitError), self.patched():
            found = self.read()
            plan = pipeline.plan(
                found, found.targets, self.network(found), Choice(until=Until.TESTED)
            )
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
            fact = {"digests": '"digest": ', "identities": '"identity": ', "inputs": '"inputs": '}[
                how
            ]
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
