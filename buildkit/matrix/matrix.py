"""Config -> targets: the product of the axes, its rules, and the selection of some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.config import requirements, schema
from buildkit.config.layers import Places
from buildkit.config.problems import Problems, fail
from buildkit.matrix import cells, compatibility, conflicts, lockfiles, paths, prebuilt_base
from buildkit.matrix.cells import matches
from buildkit.model import families, names
from buildkit.model.features import CAPABILITIES, FEATURES_LABEL, Feature
from buildkit.model.target import Device, Payload, Samples, Target
from buildkit.render import ingredients
from buildkit.support import suggest
from buildkit.support.errors import NothingSelectedError
from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from buildkit.config.images_toml import Config
    from buildkit.config.problems import Where
    from buildkit.matrix.cells import Cell
    from buildkit.render.render import Templates

NAME = "{name}"
"""The repository of an image that says none."""
ANY_VERSION = frozenset({"base", "packages", "args", "labels", "features", "repository", "tag"})
"""Keys that can be judged without the versions of their image."""
LONGEST_ID = 200
EXAMPLE_BASES = {
    Device.CPU: "python:{python}-slim-bookworm",
    Device.GPU: "nvidia/cuda:12.6.3-runtime-ubuntu24.04",
}


def expand(config: Config, source: Templates | None = None) -> tuple[Target, ...]:
    """Every target of images.toml, in the order of the file.

    With `source` the templates of the targets are looked at, too. Raises ConfigError with all
    problems of the file, those of reading it included.
    """
    problems = Problems(read=config.problems)
    targets: list[Target] = []
    places: dict[str, Places] = {}
    for name, image in config.images:
        for cell in cells.of_image(name, image, config.defaults, problems):
            target, places[target.id] = _target(cell, image, config, problems)
            targets.append(target)
    for target in targets:
        for message in compatibility.problems(target):
            at = places[target.id].of("packages")
            problems.add(at, f"{target.id}: {message}", _cause(at, message, _own_words(target)))
        for alias in families.aliases_of(target.family, target.version):
            problems.check(places[target.id].of("aliases"), names.tag, alias)
    for problem in conflicts.problems(targets):
        problems.add(problem.path, problem.message, problem.cause)
    incomplete = [*_of_any_version(config, problems)]
    found = [*config.problems, *problems.found, *paths.problems(config)]
    if source is not None:
        looked_at = [*((each, places[each.id]) for each in targets), *incomplete]
        found += ingredients.problems(looked_at, source)
    fail(config.path.name, config.text, found)
    return tuple(targets)


def _of_any_version(config: Config, problems: Problems) -> Iterator[tuple[Target, Places]]:
    """Targets of images without usable `versions`, to find what does not depend on these."""
    for name, image in config.unversioned:
        found = Problems(read=config.problems)
        for cell in cells.of_image(name, image, config.defaults, found):
            yield _target(cell, image, config, found)
        for problem in found.found:
            if ANY_VERSION & {*problem.path} and "prebuilt" not in problem.path:
                problems.add(problem.path, problem.message)


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
        suggest.near_names(bare, tuple(known))
    )
    hint = suggest.listed("did you mean", found[: suggest.SUGGESTED]) if found else ""
    return NothingSelectedError(
        f"no target matches `{suggest.shown(pattern)}`",
        hint="; ".join(filter(None, (hint, "`buildkit list` shows every target id"))),
    )


def _target(
    cell: Cell, image: schema.Image, config: Config, problems: Problems
) -> tuple[Target, Places]:
    """A target, and where images.toml writes what it is made of."""
    overrides = [
        (("image", cell.name, "override", number), rule)
        for number, rule in reversed([*enumerate(image.override)])
        if matches(cell, rule.when)
    ]
    places = Places(
        layers=(*overrides, (("image", cell.name), image), (("defaults",), config.defaults))
    )
    given = places.given
    words = _words(cell)
    repository = given("repository") or config.registry.repository or (
        config.registry.prefix + ("{name}-{purpose}" if cell.split else NAME)
    )  # fmt: skip
    tag = given("tag") or config.registry.tag
    aliases = given("aliases")
    family = families.of(tag, config.registry.aliases if aliases is None else aliases, words)
    features = _features(cell, given("features"), places.of("features"), problems)
    target_id = f"{cell.name}-{cell.version}-{cell.device.value}-{words['py']}" + (
        f"-{cell.purpose.value}" if cell.split else ""
    )
    if len(target_id) > LONGEST_ID:
        problems.add(
            ("image", cell.name),
            f"the id `{suggest.shown(target_id)}` has {len(target_id)} characters, and becomes the "
            f"name of a folder: {LONGEST_ID} at most; shorten the name of the image or its version",
        )
    target = Target(
        id=target_id,
        name=cell.name,
        version=cell.version,
        framework_version=words["framework_version"],
        device=cell.device,
        python=cell.python,
        purpose=cell.purpose,
        platform=given("platform"),
        base=_base(target_id, places, words, config, problems),
        template=given("template") or cell.name,
        packages=_packages(config, places, words, problems),
        indexes=tuple(
            problems.check(places.of("indexes"), names.index, names.expand(text, words))
            for text in given("indexes")
        ),
        args=_pairs("args", places, words, problems),
        labels=_labels(places, words, features, problems),
        lock=_lock(config, places, words, problems),
        context=_path(config, given("context")),
        repository=_repository(repository, config, places, words, problems),
        tag=problems.check(
            _named_at("tag", config, places),
            names.tag,
            names.without_plus(names.expand(tag, words)),
            tag,
        ),
        features=features,
        end_of_life=given("end_of_life"),
        family=family,
        network=given("network"),
        samples=samples(config, given("samples"), places.of("samples"), problems),
    )
    return target, places


def _base(
    target_id: str,
    places: Places,
    words: dict[str, str],
    config: Config,
    problems: Problems,
) -> str:
    at = places.of("base")
    match (places.given("base") or {}).get(Device(words["device"])):
        case str() as pattern:
            return problems.check(at, names.reference, names.expand(pattern, words), pattern)
        case schema.Prebuilt(prebuilt=table):
            region = table.region or config.region
            if region is None:
                problems.add((*at, "prebuilt"), prebuilt_base.NO_REGION)
                return "scratch"
            try:
                return prebuilt_base.base(table, words, places.given("platform"), region)
            except ValueError as error:
                cause = _cause(at, str(error), words.values())
                problems.add((*at, "prebuilt"), f"{target_id}: {error}", cause)
        case _:
            problems.add(at, _no_base(words["device"], any_=bool(places.given("base"))))
    return "scratch"


def _own_words(target: Target) -> tuple[str, ...]:
    return target.framework_version, target.python


def _cause(at: Where, message: str, words: Iterable[str]) -> str:
    """A problem without the words of its target: what the same edit mends in others."""
    for word in sorted(filter(None, words), key=len, reverse=True):
        message = message.replace(word, "{}")
    return f"{at}: {message}"


def _no_base(device: str, *, any_: bool) -> str:
    """What to write where a device has no base: into the table that there is, or a text for all."""
    example = EXAMPLE_BASES[Device(device)]
    what = f'`{device} = "{example}"` into `base`' if any_ else f'`base = "{example}"`'
    return f"no base for {device}; write {what}, or another image to build on"


def _named_at(key: str, config: Config, places: Places) -> Where:
    """Where a part of the image's name is written: of its own, or for all in `[registry]`."""
    of_registry = not places.has(key) and key in config.registry.model_fields_set
    return ("registry", key) if of_registry else places.of(key)


def _repository(
    pattern: str, config: Config, places: Places, words: dict[str, str], problems: Problems
) -> str:
    name = words["name"]
    if pattern == NAME and len(name) < names.SHORTEST_REPOSITORY:
        problems.add(
            ("image", name),
            f"the name `{name}` is too short for a repository, which has 2 to 256 characters; "
            "lengthen it, or write `repository`",
        )
        return name
    at = _named_at("repository", config, places)

    def whole(text: str) -> str:
        names.no_host(pattern)  # in the words of the file
        return names.repository(text)

    return problems.check(at, whole, names.expand(pattern, words), pattern)


def _words(cell: Cell) -> dict[str, str]:
    return {
        **names.version_words(cell.version),
        "name": cell.name,
        "device": cell.device.value,
        "python": cell.python,
        "py": f"py{cell.python.replace('.', '')}",
        "purpose": cell.purpose.value,
    }


def _pairs(
    key: str, places: Places, words: dict[str, str], problems: Problems
) -> tuple[tuple[str, str], ...]:
    """A table of patterns, filled in. What is in them stays in the image for good."""
    found = [(name, names.expand(value, words)) for name, value in places.given(key).items()]
    for name, value in found:
        try:
            requirements.check_kept(value)
        except ValueError as error:
            problems.add((*places.of(key), name), str(error))
    return tuple(found)


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
    places: Places, words: dict[str, str], features: Iterable[Feature], problems: Problems
) -> tuple[tuple[str, str], ...]:
    """The author's labels, and those that tell SageMaker and `buildkit test` the features."""
    labels = dict(_pairs("labels", places, words, problems))
    if features:
        labels.setdefault(FEATURES_LABEL, ",".join(feature.value for feature in features))
    for feature in features:
        if feature in CAPABILITIES:
            labels.setdefault(CAPABILITIES[feature], "true")
    return tuple(labels.items())


def _packages(
    config: Config, places: Places, words: dict[str, str], problems: Problems
) -> tuple[str, ...]:
    """The requirements of `packages`, then those of the file `requirements`."""
    # Whether apt installs is judged with the templates.
    by_template = places.has("template") or words["name"] == "r"
    check = requirements.package if by_template else requirements.requirement
    packages = [
        problems.check(places.of("packages"), check, names.expand(text, words), text)
        for text in places.given("packages")
    ]
    if (pattern := places.given("requirements")) is not None:
        text = names.expand(pattern, words)
        wrong = tuple(paths.fault(config, text, paths.Kind.FILE, requirements.LARGEST))
        found: tuple[str, ...] = ()
        if not wrong:
            found, wrong = requirements.read(config.folder / text)
        packages += [each for each in found if each not in packages]
        _add_of_file(places.of("requirements"), pattern, text, wrong, problems)
    return tuple(packages)


def _add_of_file(
    at: Where, pattern: str, text: str, wrong: Iterable[str], problems: Problems
) -> None:
    """What is wrong with a file that a pattern names for each target: of all of them once."""
    for message in wrong:
        problems.add(at, message, _cause(at, f"{pattern} {message}", (text,)))


def _lock(config: Config, places: Places, words: dict[str, str], problems: Problems) -> str | None:
    if (pattern := places.given("lock")) is None:
        return None
    at, text = places.of("lock"), names.expand(pattern, words)
    path = str(config.folder / text)
    problems.check(at, lockfiles.check_name, path)
    wrong = [*paths.fault(config, text, paths.Kind.FILE, reading.LARGEST_TEXT)]
    _add_of_file(at, pattern, text, wrong, problems)
    return path if wrong else problems.check(at, lockfiles.check, path)


def samples(
    config: paths.Place, table: schema.SamplesTable, at: Where, problems: Problems
) -> Samples:
    """Samples as they are written, with the files that they name."""
    return Samples(
        hyperparameters=tuple(table.hyperparameters.items()),
        channels=tuple(
            (channel, str(config.folder / text)) for channel, text in table.channels.items()
        ),
        code=_path(config, table.code),
        model=_path(config, table.model),
        payloads=tuple(
            Payload(
                content_type=payload.content_type,
                accept=payload.accept,
                body=str(config.folder / payload.body),
                answer=_path(config, payload.answer),
                headers=tuple(payload.headers.items()),
            )
            for payload in table.payload
        ),
        metrics=tuple(table.metrics.items()),
        objective=_objective(table, (*at, "objective"), problems),
        startup_seconds=table.startup_seconds,
        environment=tuple(table.environment.items()),
    )


def _objective(table: schema.SamplesTable, at: Where, problems: Problems) -> str | None:
    if table.objective is not None and table.objective not in table.metrics:
        problems.add(at, f"{table.objective!r} is none of the metrics")
    return table.objective


def _path(config: paths.Place, text: str | None) -> str | None:
    return None if text is None else str(config.folder / text)
