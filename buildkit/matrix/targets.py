"""A cell -> its target: each key filled in from the image, its overrides and `[defaults]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildkit.config import locks, requirements
from buildkit.matrix import bases, cells, own_dockerfile, paths
from buildkit.matrix.draft import Draft, Entry, add_of_file, pairs
from buildkit.model import families, names
from buildkit.model.features import CAPABILITIES, FEATURES_LABEL, Feature
from buildkit.model.target import Device, Target
from buildkit.support import suggest
from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from buildkit.config import schema
    from buildkit.config.images_toml import Config
    from buildkit.config.problems import Problems
    from buildkit.matrix.cells import Cell

NAME = "{name}"
"""The default repository."""
LONGEST_ID = 200


def of_image(
    name: str, image: schema.Image, config: Config, problems: Problems
) -> Iterator[tuple[Target, Entry]]:
    """The target of each cell of an image, and where images.toml writes what it is made from."""
    entries: dict[tuple[int, ...], Entry] = {}
    found = cells.of_image(name, image, config.defaults, problems)
    with_file = (each.dockerfile for each in (config.defaults, image, *image.override))
    if not any(with_file) and not problems.lacks(name, *cells.OF_CELLS):
        bases.check_cuda_compat(name, image, found, problems)
    for cell in found:
        rules = [n for n, rule in enumerate(image.override) if cells.matches(cell, rule.when)]
        if (entry := entries.get(tuple(rules))) is None:
            overrides = [
                (("image", name, "override", n), image.override[n]) for n in reversed(rules)
            ]
            layers = (*overrides, (("image", name), image), (("defaults",), config.defaults))
            entry = Entry(layers=layers, config=config, problems=problems)
            entries[tuple(rules)] = entry
        words = words_of(cell)
        draft = Draft(
            id=_id(cell, words),
            entry=entry,
            cell=cell,
            words=words,
            config=config,
            problems=problems.of(cell),
        )
        yield _target(draft), entry


def words_of(cell: Cell | Target) -> dict[str, str]:
    """The value of each `{word}` of a pattern."""
    return {
        **names.version_words(cell.version),
        "name": cell.name,
        "device": cell.device.value,
        "python": cell.python,
        "py": f"py{cell.python.replace('.', '')}",
        "purpose": cell.purpose.value,
    }


def _id(cell: Cell, words: Mapping[str, str]) -> str:
    end = f"-{words['purpose']}" if cell.split else ""
    return f"{cell.name}-{cell.version}-{words['device']}-{words['py']}{end}"


def _target(draft: Draft) -> Target:
    cell = draft.cell
    _check_id(draft)
    features = _features(draft)
    return Target(
        id=draft.id,
        name=cell.name,
        version=cell.version,
        framework_version=draft.words["framework_version"],
        device=cell.device,
        python=cell.python,
        purpose=cell.purpose,
        labels=_labels(draft, features),
        repository=_repository(draft),
        tag=_tag(draft),
        features=features,
        family=_family(draft),
        **draft.entry.common,
        **(
            own_dockerfile.facts(draft)
            if own_dockerfile.is_used(draft.entry)
            else _by_template(draft)
        ),
    )


def _by_template(draft: Draft) -> dict[str, Any]:
    """What a template makes an image from, by the fields of `Target`."""
    entry = draft.entry
    own_dockerfile.check_without(draft)
    return {
        "base": bases.base(draft),
        "cuda_compat": bases.cuda_compat(draft),
        "template": entry.given("template") or draft.cell.name,
        "packages": _packages(draft),
        "indexes": tuple(
            draft.problems.check(entry.at("indexes"), names.index, draft.filled(text))
            for text in entry.given("indexes")
        ),
        "args": pairs("args", draft),
        "lock": _lock(draft),
        "lockable": entry.given("lock") is not False,
        "source_builds": entry.given("source_builds"),
        "apt_snapshot": entry.given("apt_snapshot"),
        "context": paths.whole(draft.config, entry.given("context")),
    }


def _check_id(draft: Draft) -> None:
    if (length := len(draft.id)) > LONGEST_ID:
        draft.problems.add(
            ("image", draft.cell.name),
            f"the target id `{suggest.shown(draft.id)}` has {length} characters, more than "
            f"{LONGEST_ID}; shorten the name of the image or its version",
        )


def _features(draft: Draft) -> tuple[Feature, ...]:
    """The features that this target can have: its image may promise more for another purpose."""
    cell, at = draft.cell, draft.entry.at("features")
    promised = {*draft.entry.given("features")}
    if cell.device is Device.GPU:
        promised.add(Feature.GPU)
    elif Feature.GPU in promised:
        message = '`gpu` follows from the device; write `devices = ["gpu"]`, and remove it here'
        draft.problems.add(at, message)
    able = [feature for feature in promised if cell.purpose.allows(feature)]
    for feature in promised.difference(able):
        if not cell.split and not draft.lacks("purposes"):
            message = f"an image for {cell.purpose.value} cannot have the feature `{feature.value}`"
            draft.problems.add(at, message)
    return tuple(sorted(able, key=lambda feature: feature.value))


def _packages(draft: Draft) -> tuple[str, ...]:
    """The requirements of `packages`, then those of the file `requirements`."""
    # Whether apt installs them is checked with the templates.
    by_template = draft.entry.has("template") or draft.cell.name == "r"
    check = requirements.package if by_template else requirements.requirement
    packages = [
        draft.problems.check(draft.entry.at("packages"), check, draft.filled(text), text)
        for text in dict.fromkeys(draft.entry.given("packages"))
    ]
    if (pattern := draft.entry.given("requirements")) is not None:
        text = draft.filled(pattern)
        wrong = tuple(paths.fault(draft.config, text, paths.Kind.FILE, requirements.LARGEST))
        found: tuple[str, ...] = ()
        if not wrong:
            found, wrong = requirements.read(draft.config.folder / text)
        packages += [each for each in found if each not in packages]
        add_of_file(draft, "requirements", pattern, wrong)
    return tuple(packages)


def _labels(draft: Draft, features: Iterable[Feature]) -> tuple[tuple[str, str], ...]:
    """The author's labels, and those that show the features to SageMaker and `buildkit test`."""
    labels = dict(pairs("labels", draft))
    if features:
        labels.setdefault(FEATURES_LABEL, ",".join(feature.value for feature in features))
    for feature in features:
        if feature in CAPABILITIES:
            labels.setdefault(CAPABILITIES[feature], "true")
    return tuple(labels.items())


def _lock(draft: Draft) -> str | None:
    pattern = draft.entry.given("lock")
    if pattern is None or pattern is False:
        return None
    at, text = draft.entry.at("lock"), draft.filled(pattern)
    path = str(draft.config.folder / text)
    draft.problems.check(at, locks.name, path)
    wrong = [*paths.fault(draft.config, text, paths.Kind.FILE, reading.LARGEST_TEXT)]
    add_of_file(draft, "lock", pattern, wrong)
    return path if wrong else draft.problems.check(at, locks.check, path)


def _repository(draft: Draft) -> str:
    registry, name = draft.config.registry, draft.cell.name
    default = registry.prefix + ("{name}-{purpose}" if draft.cell.split else NAME)
    pattern = draft.entry.given("repository") or registry.repository or default
    if pattern == default and not names.NAME.fullmatch(name):
        return name  # the name has its own problem
    if pattern == NAME and len(name) < names.SHORTEST_REPOSITORY:
        draft.problems.add(
            ("image", name),
            f"the name `{name}` is too short for a repository (2 to 256 characters); write a "
            "longer name, or `repository`",
        )
        return name

    def whole(text: str) -> str:
        names.no_address(pattern)  # in the words of the file
        return names.repository(text)

    at = draft.entry.named_at("repository")
    return draft.problems.check(at, whole, draft.filled(pattern), pattern)


def _tag(draft: Draft) -> str:
    tag = names.without_plus(draft.filled(draft.tag))
    return draft.problems.check(draft.entry.named_at("tag"), names.tag, tag, draft.tag)


def _family(draft: Draft) -> families.Family | None:
    aliases = draft.entry.given("aliases")
    if aliases is None:
        aliases = draft.config.registry.aliases
    return families.of(draft.tag, aliases, draft.words)
