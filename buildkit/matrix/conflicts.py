"""Targets that conflict: with the same id or tag, or with aliases that could be mistaken."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from buildkit.config.problems import Problem
from buildkit.model import families, names, tag_filters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from buildkit.config.toml import Where
    from buildkit.matrix.draft import Entry
    from buildkit.model.families import Family
    from buildkit.model.target import Target

WORDS: Mapping[str, Callable[[Target], str]] = {
    "name": lambda target: target.name,
    "version": lambda target: names.without_plus(target.version),
    "device": lambda target: target.device.value,
    "py": lambda target: target.python,
    "purpose": lambda target: target.purpose.value,
}
"""What distinguishes targets, by the words of patterns."""


def problems(made: Iterable[tuple[Target, Entry]]) -> Iterator[Problem]:
    every = tuple(made)
    targets = [target for target, _ in every]
    yield from _same_id(targets)
    yield from _same_tag(every)
    apart = [twins[0] for twins in _by(lambda target: target.image, targets).values()]
    for siblings in _by(lambda target: target.repository, apart).values():
        if any(target.family for target in siblings):
            yield from _aliases(siblings)


def _by(key: Callable[[Target], str], targets: Iterable[Target]) -> dict[str, list[Target]]:
    found = defaultdict(list)
    for target in targets:
        found[key(target)].append(target)
    return found


def _same_id(targets: Iterable[Target]) -> Iterator[Problem]:
    """Two targets cannot share an id, because both would have one record."""
    for target_id, twins in _by(lambda target: target.id, targets).items():
        if len(twins) > 1:
            yield Problem(
                path=("image", twins[-1].name),
                message=f"{len(twins)} targets have the id `{target_id}`",
            )


def _same_tag(made: Sequence[tuple[Target, Entry]]) -> Iterator[Problem]:
    """Two targets cannot share a tag, because one would hide the other."""
    entries = {target.id: entry for target, entry in made}
    for image, twins in _by(lambda target: target.image, (target for target, _ in made)).items():
        ids = [*dict.fromkeys(twin.id for twin in twins)]
        if len(ids) == 1:
            continue
        shared, words = _shared([entries[each] for each in ids]), _words_apart(twins)
        yield Problem(
            path=shared or ("image", twins[-1].name),
            message=f"{' and '.join(ids)} have the same tag `{image}`; "
            + (f"add {' and '.join(words)} to" if words else "make them differ in")
            + " `repository` or `tag`",
            cause=f"one tag: {shared or sorted({twin.name for twin in twins})} {words}",
            target=image,
        )


def _shared(entries: Sequence[Entry]) -> Where | None:
    """Where `[registry]` or `[defaults]` names these targets; None if an image names its own."""
    named = [(entry, key) for entry in entries for key in ("repository", "tag")]
    if any(entry.has(key) and entry.at(key)[0] == "image" for entry, key in named):
        return None
    places = (entry.named_at(key) for entry, key in named)
    return next((place for place in places if place[0] != "image"), None)


def _words_apart(twins: Iterable[Target]) -> list[str]:
    """The words of patterns in which targets differ."""
    return [f"`{{{word}}}`" for word, of in WORDS.items() if len({*map(of, twins)}) > 1]


def _aliases(siblings: Sequence[Target]) -> Iterator[Problem]:
    """In a repository, an alias belongs to one family, and no name can be mistaken for another."""
    exact = {target.tag: target for target in siblings}
    owners: dict[str, dict[object, Target]] = defaultdict(dict)
    for target in siblings:
        if _hides_its_version(target):
            yield _problem(
                target,
                f"the tag `{target.tag}` of {target.id} does not contain its version, which "
                "aliases need; put `{version}` into `tag`",
                "no version in the tag",
            )
        for alias in families.aliases_of(target.family, target.version):
            if (wrong := tag_filters.reserved(alias)) is not None:
                advice = "give its pattern in `aliases` another prefix"
                yield _problem(target, f"{wrong}; {advice}", "a reserved prefix")
            owners[alias].setdefault(_kind(target), target)
            if alias in exact:
                whose = "its own tag" if exact[alias] == target else f"the tag of {exact[alias].id}"
                yield _problem(
                    target,
                    f"the alias `{alias}` of {target.id} is {whose}, which never moves; remove its "
                    "pattern from the image's `aliases`, or write a longer version (`1.0.0`)",
                    "an alias that is an exact tag",
                )
    for alias, rivals in owners.items():
        if len(rivals) > 1:
            yield _problem(
                [*rivals.values()][-1],
                f"{' and '.join(each.id for each in rivals.values())} have the same alias "
                f"`{alias}`; make them differ in `aliases`, as with `{{device}}` or `{{py}}`",
                "an alias of two targets",
            )
    named = [(alias, target) for alias, rivals in owners.items() for target in rivals.values()]
    for target in {_kind(each): each for each in siblings}.values():
        if target.family is not None:
            yield from _foreign_tags(target, target.family, siblings)
            yield from _foreign_aliases(target, target.family, named)


def _kind(target: Target) -> tuple[object, ...]:
    """What all versions of a family share."""
    tag = target.family.tag if target.family else target.tag
    return (tag, target.device, target.python, target.purpose)


def _hides_its_version(target: Target) -> bool:
    """Whether the version of a target cannot be read from its tag."""
    return (
        target.family is not None
        and target.tag not in families.aliases_of(target.family, target.version)
        and families.version_of(target.family, target.tag) != names.without_plus(target.version)
    )


def _foreign_tags(target: Target, family: Family, siblings: Iterable[Target]) -> Iterator[Problem]:
    """Exact tags that look like those of the family."""
    for other in siblings:
        if families.version_of(family, other.tag) is None:
            continue
        if (other.device, other.python, other.purpose) != (
            target.device, target.python, target.purpose,
        ):  # fmt: skip
            yield _problem(
                target,
                f"the tag `{other.tag}` of {other.id} looks like another version of {target.id}, "
                "whose aliases could move there; make them differ in `tag`",
                "a tag that looks like another",
            )
        elif other.family != family:
            yield _problem(
                other,
                f"the tags of {other.id} and {target.id} differ only in the version, so both must "
                "have the same `aliases`",
                "other aliases",
            )


def _foreign_aliases(
    target: Target, family: Family, named: Iterable[tuple[str, Target]]
) -> Iterator[Problem]:
    """Aliases that look like exact tags of the family."""
    for alias, owner in named:
        if (version := families.version_of(family, alias)) is not None:
            yield _problem(
                owner,
                f"the alias `{alias}` of {owner.id} looks like the tag of {target.name} {version}; "
                "choose another name in `aliases`",
                "an alias that looks like a tag",
            )


def _problem(target: Target, message: str, kind: str) -> Problem:
    """With the patterns as the cause: one edit of them fixes all problems of the kind."""
    patterns = " ".join(target.family.aliases) if target.family else target.name
    words = (target.name, target.device.value, f"py{target.python.replace('.', '')}")
    for word in (*words, target.python, target.purpose.value):
        patterns = patterns.replace(word, "*")
    return Problem(
        path=("image", target.name, "aliases"),
        message=message,
        cause=f"{kind}: {patterns}",
        target=target.id,
    )
