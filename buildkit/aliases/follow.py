"""Aliases -> where they belong, after every exact tag of a run is in: docs/reference/aliases.md."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from buildkit.aliases import moves, rules
from buildkit.aliases.moves import Alias, Moves
from buildkit.ledger.record import Move
from buildkit.model import families
from buildkit.support.errors import BuildkitError, ToolError
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from buildkit.ledger.trails import Past
    from buildkit.model.target import Target
    from buildkit.registry.manifests import Manifest, Tagged

    Known = Callable[[str, str], Past]
    """A registry's host and a repository -> what is on record of it by now."""


AT_ONCE = 8
ROUNDS = 3
"""Times that aliases are decided on while other publishers add tags."""


def move(registries: Sequence[Tagged], targets: Iterable[Target], known: Known) -> Moves:
    """Move the aliases of targets that are all published, in each registry.

    Registries are worked on side by side; one that fails stops no other.
    """
    by_repository: dict[str, list[Target]] = {}
    for target in targets:
        if target.family is not None:
            by_repository.setdefault(target.repository, []).append(target)
    work = [
        _Repository(
            registry=registry,
            name=name,
            targets=inside,
            others=[each for each in registries if each is not registry],
        )
        for registry in registries
        for name, inside in by_repository.items()
    ]
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        found = list(pool.map(lambda each: each.move(known), work))
    return Moves(
        done=tuple(moved for each in found for moved in each.done),
        errors=tuple(error for each in found for error in each.errors),
    )


@dataclass(kw_only=True)
class _Repository:
    """One repository of one registry, with the targets that share it.

    `others` are the other registries of the run.
    """

    registry: Tagged
    name: str
    targets: Sequence[Target]
    others: Sequence[Tagged]
    _tags: Sequence[str] = ()
    _served: dict[str, Manifest | None] = field(default_factory=dict)

    @property
    def _where(self) -> str:
        return f"{self.registry.host}/{self.name}"

    def move(self, known: Known) -> Moves:
        """Move, and again if another publisher added a tag meanwhile: who ends last is right."""
        done: list[Move] = []
        try:
            for _ in range(ROUNDS):
                self._served.clear()
                self._tags = self.registry.tags(self.name)
                found = self._round(known(self.registry.host, self.name))
                done += found.done
                if not found.done or {*self.registry.tags(self.name)} <= self._expected(found):
                    return Moves(done=tuple(done), errors=found.errors)
        except BuildkitError as error:
            told = ToolError(f"{self._where}: {error.message}", hint=error.hint)
        else:
            told = ToolError(
                f"{self._where}: others keep adding tags, so its aliases may be behind",
                hint="the same command again, when they have ended",
            )
        return Moves(done=tuple(done), errors=(told,))

    def _expected(self, moved: Moves) -> set[str]:
        """The tags that there are if nobody else has added one."""
        return {*self._tags, *(each.alias for each in moved.done)}

    def _round(self, past: Past) -> Moves:
        tags = [tag for tag in self._tags if self._is_settled(tag, past)]
        decisions = [rules.decide(target, tags, past.held) for target in self.targets]
        done: list[Move] = []
        errors = [
            ToolError(f"{self._where}: {each.message}", hint=each.hint)
            for each in dict.fromkeys(each for found in decisions for each in found.refusals)
        ]
        for wanted in dict.fromkeys(each for found in decisions for each in found.moves):
            try:
                moved = self._move(wanted, past)
            except ToolError as error:
                errors.append(error)
                continue
            if moved is not None:
                done.append(moved)
        return Moves(done=tuple(done), errors=tuple(errors))

    def _is_settled(self, tag: str, past: Past) -> bool:
        """Whether aliases may come to a tag: no half a release is to be seen through them.

        It is of this run, on record, the same image in every registry of the run (if that has all
        that there are), or the one at which an alias is already, because that moves forward only.
        """
        if tag in past.tags or any(tag == each.tag for each in self.targets):
            return True
        named = [
            alias
            for each in self.targets
            if each.family and (version := families.version_of(each.family, tag))
            for alias in families.aliases_of(each.family, version)
        ]
        if not named or tag in named or (there := self._manifest(tag)) is None:
            return True
        everywhere = (each.manifest(self.name, tag) for each in self.others)
        alone = not self.others and past.elsewhere
        if not alone and all(each and each.digest == there.digest for each in everywhere):
            return True
        now = (self._manifest(alias) for alias in named if alias in self._tags)
        if any(each and each.digest == there.digest for each in now):
            return True
        console.step(
            f"{self._where}:{tag}",
            "is skipped: the tag is not in the ledger, and differs between registries",
            fg="yellow",
        )
        return False

    def _move(self, wanted: rules.Move, past: Past) -> Move | None:
        """Move one alias if it is elsewhere. Raises ToolError if it cannot or may not be.

        Where it is right, but nobody has put on record that it moved there, that is made up for.
        """
        name = f"{self._where}:{wanted.alias}"
        there = self._manifest(wanted.tag)
        if there is None:
            raise ToolError(f"`{name}` stays: the registry has lost `{wanted.tag}`")
        now = self._manifest(wanted.alias) if wanted.alias in self._tags else None
        before = now.digest if now else None
        if before == there.digest:
            before = past.last.get(wanted.alias)
            if before == there.digest:
                return None
            console.step(
                name, "already points there; adding the missing ledger record", fg="yellow"
            )
            return self._moved(wanted, before, there)
        if now is not None and not self._is_ours(now, past):
            raise ToolError(
                f"`{name}` stays: it is {now.digest}, which has no exact tag here, so somebody "
                "else gave it",
                hint="remove that tag, or name the alias differently in `aliases`",
            )
        moves.put(self.registry, Alias(repository=self.name, name=wanted.alias), there)
        console.step(name, f"is now {wanted.tag}", fg="green")
        return self._moved(wanted, before, there)

    def _moved(self, wanted: rules.Move, before: str | None, there: Manifest) -> Move:
        return Move(
            host=self.registry.host,
            repository=self.name,
            alias=wanted.alias,
            tag=wanted.tag,
            before=before,
            after=there.digest,
        )

    def _is_ours(self, now: Manifest, past: Past) -> bool:
        """Whether an alias is at an image that has an exact tag, or had one by the ledger.

        In a mutable repository a tag goes on to another image, and the alias follows.
        """
        if now.digest in past.published:
            return True
        exact = (
            tag
            for tag in reversed(self._tags)
            if any(each.family and families.version_of(each.family, tag) for each in self.targets)
        )
        return any((found := self._manifest(tag)) and found.digest == now.digest for tag in exact)

    def _manifest(self, tag: str) -> Manifest | None:
        if tag not in self._served:
            self._served[tag] = self.registry.manifest(self.name, tag)
        return self._served[tag]
