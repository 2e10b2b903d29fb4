"""A cell -> its target: each key filled in from the image, its overrides and `[defaults]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from buildkit.amis import facts as hosts
from buildkit.config import locks, requirements, schema
from buildkit.config.schema import Places
from buildkit.matrix import cells, paths, samples
from buildkit.model import families, names
from buildkit.model.features import CAPABILITIES, FEATURES_LABEL, Feature
from buildkit.model.target import CudaCompat, Device, Purpose, Target
from buildkit.prebuilt import facts
from buildkit.prebuilt.lookup import look_up
from buildkit.prebuilt.question import Query
from buildkit.support import addresses, suggest
from buildkit.support.errors import BuildkitError
from buildkit.system import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from buildkit.config.images_toml import Config
    from buildkit.config.problems import Problems
    from buildkit.config.toml import Where
    from buildkit.matrix.cells import Cell

NAME = "{name}"
"""The default repository."""
LONGEST_ID = 200
LAYERS = ("override", "defaults")
"""What may give an image any other key."""
OPTION = re.compile(r"(`buildkit [^`]*`)|(?<![\w-])--(?=[a-z])")
"""The dashes before the name of an option, or a whole command."""
EXAMPLE_BASES = {
    Device.CPU: "python:{python}-slim-bookworm",
    Device.GPU: "nvidia/cuda:12.6.3-runtime-ubuntu24.04",
}
EXAMPLE_COMPAT = "nvidia/cuda:13.0.1-base-ubuntu24.04"
AWS_PURPOSES = {  # the purpose and the platform of a target -> AWS's word
    (Purpose.TRAINING, "linux/amd64"): "training",
    (Purpose.INFERENCE, "linux/amd64"): "inference",
    (Purpose.INFERENCE, "linux/arm64"): "inference_graviton",
    (Purpose.PROCESSING, "linux/amd64"): "processing",
    (Purpose.BOTH, "linux/amd64"): None,  # some of AWS's images are for both
}
NO_REGION = (
    "AWS's images differ by region: write `region` below `[registry]`, or set AWS_REGION "
    "(`render` ignores it: its output is the same for everybody)"
)


@dataclass(frozen=True, kw_only=True)
class Entry(Places):
    """The entry of an image for the cells with the same overrides; what differs by cell is open."""

    config: Config
    problems: Problems

    def named_at(self, key: str) -> Where:
        """Where a part of the image's name is written: for this image, or in `[registry]`."""
        of_registry = not self.has(key) and key in self.config.registry.model_fields_set
        return ("registry", key) if of_registry else self.at(key)

    @cached_property
    def common(self) -> dict[str, Any]:
        """What all targets of the entry have in common, by the fields of `Target`."""
        table, at = self.given("samples"), self.at("samples")
        return {
            "platform": self.given("platform"),
            "lockable": self.given("lock") is not False,
            "source_builds": self.given("source_builds"),
            "apt_snapshot": self.given("apt_snapshot"),
            "context": paths.whole(self.config, self.given("context")),
            "end_of_life": self.given("end_of_life"),
            "network": self.given("network"),
            "samples": samples.of_table(self.config, table, at, self.problems),
        }


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What a target is made from. `problems` collects what is wrong with it.

    `words` has the value of each `{word}` of a pattern.
    """

    id: str
    entry: Entry
    cell: Cell
    words: dict[str, str]
    config: Config
    problems: Problems

    @property
    def tag(self) -> str:
        """The pattern of the tag."""
        pattern: str = self.entry.given("tag") or self.config.registry.tag
        return pattern

    def lacks(self, *keys: str) -> bool:
        return self.problems.lacks(self.cell.name, *keys, *LAYERS)

    def filled(self, pattern: str) -> str:
        return names.expand(pattern, self.words)


def of_image(
    name: str, image: schema.Image, config: Config, problems: Problems
) -> Iterator[tuple[Target, Entry]]:
    """The target of each cell of an image, and where images.toml writes what it is made from."""
    entries: dict[tuple[int, ...], Entry] = {}
    for cell in cells.of_image(name, image, config.defaults, problems):
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
        base=_base(draft),
        cuda_compat=_cuda_compat(draft),
        template=draft.entry.given("template") or cell.name,
        packages=_packages(draft),
        indexes=tuple(
            draft.problems.check(draft.entry.at("indexes"), names.index, draft.filled(text))
            for text in draft.entry.given("indexes")
        ),
        args=_pairs("args", draft),
        labels=_labels(draft, features),
        lock=_lock(draft),
        repository=_repository(draft),
        tag=_tag(draft),
        features=features,
        family=_family(draft),
        **draft.entry.common,
    )


def cause(at: Where, message: str, words: Iterable[str]) -> str:
    """A problem without the words of its target: equal if one edit fixes both targets."""
    for word in sorted(filter(None, words), key=len, reverse=True):
        message = message.replace(word, "{}")
    return f"{at}: {message}"


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


def _base(draft: Draft) -> str:
    at, bases = draft.entry.at("base"), draft.entry.given("base") or {}
    match bases.get(draft.cell.device):
        case str() as pattern:
            return draft.problems.check(at, names.reference, draft.filled(pattern), pattern)
        case schema.Prebuilt(prebuilt=table):
            return _prebuilt(draft, table, (*at, "prebuilt"))
        case _:
            if not draft.lacks("base"):
                draft.problems.add(at, _no_base(draft.cell.device, is_table=bool(bases)))
            return "scratch"


def _cuda_compat(draft: Draft) -> CudaCompat | None:
    """What `cuda-compat` names, for a target that runs on GPUs."""
    pattern = draft.entry.given("cuda_compat")
    if pattern is None or draft.cell.device is not Device.GPU:
        return None
    at, image = draft.entry.at("cuda_compat"), draft.filled(pattern)
    draft.problems.check(at, _with_cuda, image, pattern)
    driver = _driver(image)
    return driver and CudaCompat(image=image, driver=driver.compat)


def _with_cuda(image: str) -> str:
    """The name of an image, if it shows a CUDA version. Raises ValueError."""
    names.reference(image)
    if _driver(image) is None:
        raise ValueError(
            f"{addresses.quoted(image)} shows no known CUDA version in its name, as "
            f"`{EXAMPLE_COMPAT}` does"
        )
    return image


def _driver(image: str) -> hosts.Driver | None:
    cuda = hosts.of_reference(image)
    return hosts.drivers().get(cuda.major) if cuda else None


def _prebuilt(draft: Draft, table: schema.PrebuiltTable, at: Where) -> str:
    """The URI of AWS's image that the table names, or the problem with what AWS has instead."""
    if (region := table.region or draft.config.region) is None:
        if not draft.lacks("base", "region", "registry"):
            draft.problems.add(at, NO_REGION)
        return "scratch"

    def refused(message: str) -> str:
        same = cause(at, message, draft.words.values())
        draft.problems.add(at, f"{draft.id}: {message}", same)
        return "scratch"

    asked: dict[str, Any] = {
        key: None if value is None else draft.filled(value)
        for key, value in table.model_dump(exclude={"region"}).items()
    }
    if asked["purpose"] is None:
        purpose, platform = draft.cell.purpose, draft.entry.given("platform")
        if (purpose, platform) not in AWS_PURPOSES:
            return refused(f"{facts.source()} has no image for {purpose.value} on {platform}")
        asked["purpose"] = AWS_PURPOSES[purpose, platform]
    try:
        return look_up(Query(region=region, **asked)).uri
    except BuildkitError as error:
        given = ", ".join(
            f'{key.replace("_", "-")} = "{value}"' for key, value in asked.items() if value
        )
        why = f"{error.message}; {error.hint or ''}"
        why = OPTION.sub(r"\1", why)  # the error names options; these are keys
        return refused(f"{why}; `prebuilt` asked for {{ {given} }}")


def _no_base(device: Device, *, is_table: bool) -> str:
    example = EXAMPLE_BASES[device]
    edit = (
        f'add `{device.value} = "{example}"` to `base`'
        if is_table
        else f'write `base = "{example}"`'
    )
    return f"no base for {device.value}; {edit}, or name another image"


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
        _add_of_file(draft, "requirements", pattern, wrong)
    return tuple(packages)


def _pairs(key: str, draft: Draft) -> tuple[tuple[str, str], ...]:
    """A table of patterns, filled in. Its values stay in the image for good."""
    found = [(name, draft.filled(value)) for name, value in draft.entry.given(key).items()]
    for name, value in found:
        try:
            requirements.check_kept(value)
        except ValueError as error:
            draft.problems.add((*draft.entry.at(key), name), str(error))
    return tuple(found)


def _labels(draft: Draft, features: Iterable[Feature]) -> tuple[tuple[str, str], ...]:
    """The author's labels, and those that show the features to SageMaker and `buildkit test`."""
    labels = dict(_pairs("labels", draft))
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
    _add_of_file(draft, "lock", pattern, wrong)
    return path if wrong else draft.problems.check(at, locks.check, path)


def _add_of_file(draft: Draft, key: str, pattern: str, wrong: Iterable[str]) -> None:
    """Add what is wrong with a file that `pattern` names, once for all targets."""
    at = draft.entry.at(key)
    for message in wrong:
        same = cause(at, f"{pattern} {message}", (draft.filled(pattern),))
        draft.problems.add(at, message, same)


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
