"""Config -> targets: the product of the axes, its rules, and the selection of some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit import (
    cells,
    clashes,
    compatibility,
    extended,
    families,
    locks,
    names,
    near,
    schema,
)
from buildkit import config as config_module
from buildkit.cells import Problems, Where, given, matches
from buildkit.errors import NothingSelectedError
from buildkit.features import CAPABILITIES, FEATURES_LABEL, Feature
from buildkit.model import Device, Payload, Samples, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from buildkit.cells import Cell
    from buildkit.config import Config


def expand(config: Config) -> tuple[Target, ...]:
    """Every target of images.toml, in the order of the file.

    Raises ConfigError with all problems of the file, those of reading it included.
    """
    problems = Problems(read=config.problems)
    targets = []
    for name, image in config.images:
        found = cells.of_image(name, image, config.defaults, problems)
        targets += [_target(cell, image, config, problems) for cell in found]
    for target in targets:
        for message in compatibility.problems(target):
            at = ("image", target.name, "packages")
            problems.add(at, f"{target.id}: {message}", _cause(at, message, _own_words(target)))
        for alias in families.aliases_of(target.family, target.version):
            problems.check(("image", target.name, "aliases"), names.tag, alias)
    for problem in clashes.problems(targets):
        problems.add(problem.path, problem.message, problem.cause)
    config_module.fail(config, (*config.problems, *problems.found))
    return tuple(targets)


def select(targets: Sequence[Target], patterns: Sequence[str]) -> tuple[Target, ...]:
    """The targets that any pattern means. Raises NothingSelectedError if a pattern means none.

    A pattern that matches nothing is an error even beside others that match: it is a mistake.
    """
    for pattern in patterns:
        if not any(names.means(pattern, target.name, target.id) for target in targets):
            raise _no_target(pattern, targets)
    return tuple(t for t in targets if any(names.means(each, t.name, t.id) for each in patterns))


def _no_target(pattern: str, targets: Sequence[Target]) -> NothingSelectedError:
    """The error for a pattern without a target, with names and ids that are near."""
    known = dict.fromkeys((*(each.name for each in targets), *(each.id for each in targets)))
    bare = pattern.strip("*?")
    found = [each for each in known if bare and each.startswith(f"{bare}-")] or (
        near.near_names(bare, tuple(known))
    )
    hint = near.listed("did you mean", found[: near.SUGGESTED]) if found else ""
    return NothingSelectedError(
        f"no target matches `{near.shown(pattern)}`",
        hint="; ".join(filter(None, (hint, "`buildkit list` shows every target id"))),
    )


def _target(cell: Cell, image: schema.Image, config: Config, problems: Problems) -> Target:
    overrides = [rule for rule in reversed(image.override) if matches(cell, rule.when)]
    layers: tuple[schema.Facts, ...] = (*overrides, image, config.defaults)
    at: Where = ("image", cell.name)
    words = _words(cell)
    repository = given("repository", *layers) or config.registry.repository or (
        config.registry.prefix + ("{name}-{purpose}" if cell.split else "{name}")
    )  # fmt: skip
    tag = given("tag", *layers) or config.registry.tag
    aliases = given("aliases", *layers)
    family = families.of(tag, config.registry.aliases if aliases is None else aliases, words)
    features = _features(cell, given("features", *layers), (*at, "features"), problems)
    target_id = f"{cell.name}-{cell.version}-{cell.device.value}-{words['py']}" + (
        f"-{cell.purpose.value}" if cell.split else ""
    )
    return Target(
        id=target_id,
        name=cell.name,
        version=cell.version,
        framework_version=words["framework_version"],
        device=cell.device,
        python=cell.python,
        purpose=cell.purpose,
        platform=given("platform", *layers),
        base=_base(target_id, layers, words, config, problems),
        template=given("template", *layers) or cell.name,
        packages=tuple(
            problems.check((*at, "packages"), names.requirement, names.expand(text, words), text)
            for text in given("packages", *layers)
        ),
        indexes=tuple(
            problems.check((*at, "indexes"), names.index, names.expand(text, words))
            for text in given("indexes", *layers)
        ),
        args=_pairs(given("args", *layers), words),
        labels=_labels(given("labels", *layers), words, features),
        lock=_lock(config, given("lock", *layers), words, (*at, "lock"), problems),
        context=_folder(config, given("context", *layers), (*at, "context"), problems),
        repository=problems.check(
            (*at, "repository"), names.repository, names.expand(repository, words), repository
        ),
        tag=problems.check(
            (*at, "tag"), names.tag, names.without_plus(names.expand(tag, words)), tag
        ),
        features=features,
        end_of_life=given("end_of_life", *layers),
        family=family,
        network=given("network", *layers),
        samples=_samples(config, given("samples", *layers), (*at, "samples"), problems),
    )


def _base(
    target_id: str,
    layers: tuple[schema.Facts, ...],
    words: dict[str, str],
    config: Config,
    problems: Problems,
) -> str:
    at: Where = ("image", words["name"], "base")
    match (given("base", *layers) or {}).get(Device(words["device"])):
        case str() as pattern:
            return problems.check(at, names.reference, names.expand(pattern, words), pattern)
        case schema.Prebuilt(prebuilt=table):
            region = table.region or config.region
            if region is None:
                problems.add((*at, "prebuilt"), extended.NO_REGION)
                return "scratch"
            try:
                return extended.base(table, words, given("platform", *layers), region)
            except ValueError as error:
                cause = _cause(at, str(error), words.values())
                problems.add((*at, "prebuilt"), f"{target_id}: {error}", cause)
        case _:
            problems.add(at, f"no base for {words['device']}")
    return "scratch"


def _own_words(target: Target) -> tuple[str, ...]:
    return target.framework_version, target.python


def _cause(at: Where, message: str, words: Iterable[str]) -> str:
    """A problem without the words of its target: what the same edit mends in others."""
    for word in sorted(filter(None, words), key=len, reverse=True):
        message = message.replace(word, "{}")
    return f"{at}: {message}"


def _words(cell: Cell) -> dict[str, str]:
    return {
        **names.version_words(cell.version),
        "name": cell.name,
        "device": cell.device.value,
        "python": cell.python,
        "py": f"py{cell.python.replace('.', '')}",
        "purpose": cell.purpose.value,
    }


def _pairs(table: dict[str, str], words: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((key, names.expand(value, words)) for key, value in table.items())


def _features(
    cell: Cell, given_features: Iterable[Feature], at: Where, problems: Problems
) -> tuple[Feature, ...]:
    """Of an image per purpose, each promises what it can do."""
    promised = {*given_features} | ({Feature.GPU} if cell.device is Device.GPU else set())
    if cell.device is Device.CPU and Feature.GPU in promised:
        problems.add(at, "`gpu` comes with the device; write `devices`, and leave it out here")
    able = {feature for feature in promised if cell.purpose.allows(feature)}
    for feature in promised - able:
        if not cell.split:
            problems.add(at, f"an image for {cell.purpose.value} cannot do `{feature.value}`")
    return tuple(sorted(able, key=lambda feature: feature.value))


def _labels(
    table: dict[str, str], words: dict[str, str], features: Iterable[Feature]
) -> tuple[tuple[str, str], ...]:
    """The author's labels, and those that tell SageMaker and `buildkit test` the features."""
    labels = dict(_pairs(table, words))
    if features:
        labels.setdefault(FEATURES_LABEL, ",".join(feature.value for feature in features))
    for feature in features:
        if feature in CAPABILITIES:
            labels.setdefault(CAPABILITIES[feature], "true")
    return tuple(labels.items())


def _lock(
    config: Config, pattern: str | None, words: dict[str, str], at: Where, problems: Problems
) -> str | None:
    if pattern is None:
        return None
    path = _file(config, names.expand(pattern, words), at, problems)
    problems.check(at, locks.check, path)
    return path


def _samples(config: Config, table: schema.SamplesTable, at: Where, problems: Problems) -> Samples:
    return Samples(
        hyperparameters=tuple(table.hyperparameters.items()),
        channels=tuple(
            (channel, _existing(config, path, (*at, "channels", channel), problems))
            for channel, path in table.channels.items()
        ),
        code=_folder(config, table.code, (*at, "code"), problems),
        model=_folder(config, table.model, (*at, "model"), problems),
        payloads=tuple(
            Payload(
                content_type=payload.content_type,
                accept=payload.accept,
                body=_file(config, payload.body, (*at, "payload", number, "body"), problems),
                answer=payload.answer
                and _file(config, payload.answer, (*at, "payload", number, "answer"), problems),
            )
            for number, payload in enumerate(table.payload)
        ),
        metrics=tuple(table.metrics.items()),
        objective=_objective(table, (*at, "objective"), problems),
        startup_seconds=table.startup_seconds,
    )


def _objective(table: schema.SamplesTable, at: Where, problems: Problems) -> str | None:
    if table.objective is not None and table.objective not in table.metrics:
        problems.add(at, f"{table.objective!r} is none of the metrics")
    return table.objective


def _existing(config: Config, text: str, at: Where, problems: Problems) -> str:
    path: Path = config.folder / text
    if not path.exists():
        problems.add(at, f"{text!r} does not exist in {config.folder}")
    return str(path)


def _file(config: Config, text: str, at: Where, problems: Problems) -> str:
    if (config.folder / text).is_dir():
        problems.add(at, f"{text!r} is a folder, a file is wanted")
    return _existing(config, text, at, problems)


def _folder(config: Config, text: str | None, at: Where, problems: Problems) -> str | None:
    if text is None:
        return None
    path = _existing(config, text, at, problems)
    if (config.folder / text).is_file():
        problems.add(at, f"{text!r} is a file, a folder is wanted")
    return path
