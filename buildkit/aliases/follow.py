"""Move aliases to where they belong (docs/reference/aliases.md), once a whole run is published."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from buildkit.aliases import moves, rules
from buildkit.aliases.moves import Aim, Alias, Moves
from buildkit.model import families
from buildkit.support.errors import BuildkitError, ToolError
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from buildkit.ledger.record import Move
    from buildkit.ledger.trails import Past
    from buildkit.model.target import Target
    from buildkit.registry.manifests import Manifest, Tagged

    Known = Callable[[str, str], Past]
    """A registry's host and a repository -> what the ledger knows of them now."""


AT_ONCE = 8
ROUNDS = 3
"""Times that aliases are moved again because other publishers add tags."""


def move(registries: Sequence[Tagged], targets: Iterable[Target], known: Known) -> Moves:
    """Move the aliases of targets that are all published, in all registries in parallel.

    A registry that fails does not stop the others.
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
        """Move the aliases, again if another publisher added a tag: the last one is right."""
        done: list[Move] = []
        try:
            for _ in range(ROUNDS):
                self._served.clear()
                self._tags = self.registry.tags(self.name)
                found = self._round(known(self.registry.host, self.name))
                done += found.done
                expected = {*self._tags, *(each.alias for each in found.done)}
                if not found.done or {*self.registry.tags(self.name)} <= expected:
                    return Moves(done=tuple(done), errors=found.errors)
        except BuildkitError as error:
            failed = ToolError(f"{self._where}: {error.message}", hint=error.hint)
        else:
            failed = ToolError(
                f"{self._where}: aliases may be outdated: other publishers keep adding tags",
                hint="rerun the command once they have finished",
            )
        return Moves(done=tuple(done), errors=(failed,))

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
        """Whether aliases may move to a tag: they must not show half a release.

        They may if the tag is of this run, in the ledger, the same image in all registries (if the
        run has all of them), or if an alias already points there, because aliases move forward.
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
            "skipped: the tag is not in the ledger and differs between registries",
            fg="yellow",
        )
        return False

    def _move(self, wanted: rules.Move, past: Past) -> Move | None:
        """Move one alias, unless it is where it belongs. Raises ToolError if it must not move.

        If it is there, but the ledger does not know, return the missing move for the ledger.
        """
        there = self._manifest(wanted.tag)
        if there is None:
            raise ToolError(
                f"`{self._where}:{wanted.alias}` not moved: `{wanted.tag}` is not found in the "
                "registry",
                hint="rerun the command; if the error remains, the tag was deleted: push it again",
            )
        now = self._manifest(wanted.alias) if wanted.alias in self._tags else None
        aim = Aim(
            registry=self.registry,
            alias=Alias(repository=self.name, name=wanted.alias),
            manifest=there,
            tag=wanted.tag,
            before=now.digest if now else None,
        )
        if aim.before == there.digest:
            last = past.last.get(wanted.alias)
            if last == there.digest:
                return None
            missing = "already points there; adding the missing ledger record"
            console.step(str(aim), missing, fg="yellow")
            return replace(aim, before=last).move
        if now is not None and not self._is_ours(now, past):
            raise ToolError(
                f"`{aim}` not moved: it points to {now.digest}, which has no exact tag here, so "
                "buildkit did not set it",
                hint="delete that tag, or rename the alias in `aliases` of images.toml",
            )
        moves.put(aim)
        console.step(str(aim), f"moved to {wanted.tag}", fg="green")
        return aim.move

    def _is_ours(self, now: Manifest, past: Past) -> bool:
        """Whether an alias points to an image that has an exact tag, or had one in the ledger.

        In a mutable repository, a tag may have moved to another image: the alias follows.
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
