"""Config -> targets: the product of the axes, its rules, and the selection of some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.config.problems import Problems, fail
from buildkit.matrix import compatibility, conflicts, contradictions, own_dockerfile, paths
from buildkit.matrix.draft import LAYERS, cause
from buildkit.matrix.targets import of_image
from buildkit.model import families, names
from buildkit.render import ingredients
from buildkit.support import suggest
from buildkit.support.errors import NothingSelectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from buildkit.config.images_toml import Config
    from buildkit.config.problems import Problem
    from buildkit.config.schema import Places
    from buildkit.model.target import Target
    from buildkit.render.render import Templates

    Check = Callable[[Config, Sequence[Target]], Iterable[Problem]]

ANY_VERSION = frozenset({"base", "packages", "args", "labels", "features", "repository", "tag"})
"""Keys that can be checked without the versions of their image."""
NAMING = ("repository", "tag", "aliases", "prefix", "registry")
"""Keys that name targets: without one, targets may seem to conflict."""


def expand(
    config: Config, templates: Templates | None = None, also: Check | None = None
) -> tuple[Target, ...]:
    """Every target of images.toml, in the order of the file.

    With `templates`, the templates of the targets are checked, too; `also` is a further check.
    Raises ConfigError with all problems of the file, those of reading it included.
    """
    problems = Problems(read=config.problems)
    made = [
        each for name, image in config.images for each in of_image(name, image, config, problems)
    ]
    for target, places in made:
        _check(target, places, problems)
    targets = tuple(target for target, _ in made)
    named = (each for each in made if not problems.lacks(each[0].name, *NAMING, *LAYERS))
    problems.found += conflicts.problems(named)
    incomplete = [*_of_any_version(config, problems)]
    found = [*config.problems, *problems.found, *paths.problems(config)]
    if templates is not None:
        known = [each for each in (*made, *incomplete) if _is_readable(*each, problems)]
        found += (
            each
            for each in ingredients.problems(known, templates)
            # A template that builds on a wrong `base` is no problem of its own.
            if not _follows(each, problems)
            and not (each.path[-1] == "base" and problems.has(each.path))
        )
    if also is not None:
        found += also(config, targets)
    fail(config.path.name, config.text, found)
    return targets


def _check(target: Target, places: Places, problems: Problems) -> None:
    """Add what is wrong with a whole target: with its frameworks, and with its aliases."""
    own_words = (target.framework_version, target.python)
    at = places.at("packages" if places.has("packages") else "requirements")
    problems = problems.of(target.id)
    for message in contradictions.problems(target.packages):
        problems.add(at, message, cause(at, message, own_words))
    at = places.at("packages")
    for message in compatibility.problems(target):
        problems.add(at, f"{target.id}: {message}", cause(at, message, own_words))
    for alias in families.aliases_of(target.family, target.version):
        problems.check(places.at("aliases"), names.tag, alias)


def _is_readable(target: Target, places: Places, problems: Problems) -> bool:
    """Whether images.toml names a Dockerfile without problems, or shows which template is meant.

    The default template has the name of the image.
    """
    if own_dockerfile.is_used(places):
        return not problems.has(places.at("dockerfile"))
    readable = places.has("template") or names.NAME.fullmatch(target.name) is not None
    return readable and not problems.lacks(target.name, "template", "dockerfile", *LAYERS)


def _follows(problem: Problem, problems: Problems) -> bool:
    """Whether a problem of a template follows from a key that was left out."""
    *_, key = problem.path
    needed = isinstance(key, str) and key in ("base", "context")
    return needed and problems.lacks(str(problem.path[1]), str(key), *LAYERS)


def _of_any_version(config: Config, problems: Problems) -> Iterator[tuple[Target, Places]]:
    """Targets of images without usable `versions`, to find what does not depend on these."""
    for name, image in config.unversioned:
        found = problems.empty()
        yield from of_image(name, image, config, found)
        for problem in found.found:
            if ANY_VERSION & {*problem.path} and "prebuilt" not in problem.path:
                problems.add(problem.path, problem.message)


def select(targets: Sequence[Target], patterns: Sequence[str]) -> tuple[Target, ...]:
    """The targets that match any pattern. Raises NothingSelectedError if a pattern matches none.

    That is a mistake even beside other patterns that match.
    """
    words = {*patterns}  # CI names hundreds of targets: only real patterns are tried on each
    wild = [each for each in words if names.is_pattern(each)]
    found = tuple(
        target
        for target in targets
        if not words.isdisjoint((target.name, target.id))
        or any(names.means(each, target.name, target.id) for each in wild)
    )
    known = {word for each in found for word in (each.name, each.id)}
    for pattern in patterns:
        if pattern not in known and not any(names.means(pattern, t.name, t.id) for t in found):
            raise _no_target(pattern, targets)
    return found


def _no_target(pattern: str, targets: Sequence[Target]) -> NothingSelectedError:
    """The error for a pattern without a target, with similar names and ids."""
    known = dict.fromkeys((*(each.name for each in targets), *(each.id for each in targets)))
    bare = pattern.strip("*?")
    found = [each for each in known if bare and each.startswith(f"{bare}-")] or (
        suggest.near_names(bare, tuple(known))
    )
    hint = suggest.listed("did you mean", found[: suggest.SUGGESTED]) if found else ""
    return NothingSelectedError(
        f"no target matches `{suggest.shown(pattern)}`",
        hint="; ".join(filter(None, (hint, "`buildkit list` shows every target id"))),
    )
