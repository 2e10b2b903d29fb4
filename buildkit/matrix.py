"""Config -> targets: the product of the axes, its rules, and the selection of some of them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import product
from typing import TYPE_CHECKING, Any

from buildkit import config as config_module
from buildkit import names, schema
from buildkit.errors import NothingSelectedError, Problem
from buildkit.model import Device, Payload, Purpose, Samples, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from buildkit.config import Config

Where = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class _Cell:
    version: str
    device: Device
    python: str
    purpose: Purpose


@dataclass(kw_only=True)
class _Problems:
    """Collects what is wrong while targets are made, so that all of it is reported."""

    found: list[Problem] = field(default_factory=list)

    def add(self, path: Where, message: str) -> None:
        problem = Problem(path=path, message=message)
        if problem not in self.found:
            self.found.append(problem)

    def check(self, path: Where, check: Callable[[str], str], text: str) -> str:
        try:
            return check(text)
        except ValueError as error:
            self.add(path, str(error))
            return text


def expand(config: Config) -> tuple[Target, ...]:
    """Every target of images.toml, in the order of the file.

    Raises ConfigError with all problems of the file, those of reading it included.
    """
    problems = _Problems(found=list(config.problems))
    targets = []
    for name, image in config.images:
        cells = _cells(name, image, config.defaults, problems)
        split = len({cell.purpose for cell in cells}) > 1
        targets += [_target(name, image, cell, split, config, problems) for cell in cells]
    _refuse_twins(targets, problems)
    config_module.fail(config, problems.found)
    return tuple(targets)


def select(targets: Sequence[Target], patterns: Sequence[str]) -> tuple[Target, ...]:
    """The targets whose id matches any pattern. Raises NothingSelectedError if a pattern has none.

    A pattern that matches nothing is an error even beside others that match: it is a mistake.
    """
    for pattern in patterns:
        if not any(fnmatchcase(target.id, pattern) for target in targets):
            raise NothingSelectedError(
                f"no target matches `{pattern}`", hint="`buildkit list` shows every target id"
            )
    return tuple(target for target in targets if any(fnmatchcase(target.id, p) for p in patterns))


def _cells(
    name: str, image: schema.Image, defaults: schema.Axes, problems: _Problems
) -> list[_Cell]:
    axes = {key: _given(key, image, defaults) for key in ("devices", "pythons", "purposes")}
    purposes = axes["purposes"]
    if Purpose.BOTH in purposes and len(purposes) > 1:
        problems.add(
            ("image", name, "purposes"),
            "`both` is one image for training and inference; it stands alone",
        )
    cells = [
        _Cell(version=version, device=device, python=python, purpose=purpose)
        for version, device, python, purpose in product(
            image.versions, axes["devices"], axes["pythons"], purposes
        )
    ]
    for number, rule in enumerate(image.exclude):
        kept = [cell for cell in cells if not _matches(cell, rule)]
        if len(kept) == len(cells):
            problems.add(("image", name, "exclude", number), "this matches no cell")
        cells = kept
    for number, new in enumerate(image.include):
        for purpose in purposes if new.purpose is None else (new.purpose,):
            cell = _Cell(version=new.version, device=new.device, python=new.python, purpose=purpose)
            if cell in cells:
                problems.add(("image", name, "include", number), "this cell is there already")
            cells.append(cell)
    if not cells:
        problems.add(("image", name), "no cell is left after `exclude`")
    for number, override in enumerate(image.override):
        if not any(_matches(cell, override.when) for cell in cells):
            problems.add(("image", name, "override", number, "when"), "this matches no cell")
    return cells


def _matches(cell: _Cell, rule: schema.Cell) -> bool:
    return (
        fnmatchcase(cell.version, rule.version)
        and fnmatchcase(cell.device.value, rule.device)
        and fnmatchcase(cell.python, rule.python)
        and fnmatchcase(cell.purpose.value, rule.purpose)
    )


def _given(key: str, *layers: schema.Facts) -> Any:
    """The value of the first layer in which the author wrote the key, else the schema's default."""
    return next(
        (getattr(layer, key) for layer in layers if key in layer.model_fields_set),
        getattr(layers[-1], key),
    )


def _target(
    name: str, image: schema.Image, cell: _Cell, split: bool, config: Config, problems: _Problems
) -> Target:
    overrides = [rule for rule in reversed(image.override) if _matches(cell, rule.when)]
    layers: tuple[schema.Facts, ...] = (*overrides, image, config.defaults)
    at: Where = ("image", name)
    words = _words(name, cell)
    repository = _given("repository", *layers) or config.registry.repository or (
        "{name}-{purpose}" if split else "{name}"
    )  # fmt: skip
    tag = _given("tag", *layers) or config.registry.tag
    base = (_given("base", *layers) or {}).get(cell.device)
    if base is None:
        problems.add((*at, "base"), f"no base for {cell.device.value}")
        base = "scratch"
    return Target(
        id=f"{name}-{cell.version}-{cell.device.value}-{words['py']}"
        + (f"-{cell.purpose.value}" if split else ""),
        name=name,
        version=cell.version,
        device=cell.device,
        python=cell.python,
        purpose=cell.purpose,
        platform=_given("platform", *layers),
        base=problems.check((*at, "base"), names.reference, names.expand(base, words)),
        template=_given("template", *layers) or name,
        packages=tuple(
            problems.check((*at, "packages"), names.requirement, names.expand(text, words))
            for text in _given("packages", *layers)
        ),
        args=_pairs(_given("args", *layers), words),
        labels=_pairs(_given("labels", *layers), words),
        context=_folder(config, _given("context", *layers), (*at, "context"), problems),
        repository=problems.check(
            (*at, "repository"), names.repository, names.expand(repository, words)
        ),
        tag=problems.check((*at, "tag"), names.tag, names.expand(tag, words).replace("+", ".")),
        samples=_samples(config, _given("samples", *layers), (*at, "samples"), problems),
    )


def _words(name: str, cell: _Cell) -> dict[str, str]:
    framework_version, revision = names.split_revision(cell.version)
    return {
        "name": name,
        "version": cell.version,
        "framework_version": framework_version,
        "revision": revision,
        "device": cell.device.value,
        "python": cell.python,
        "py": f"py{cell.python.replace('.', '')}",
        "purpose": cell.purpose.value,
    }


def _pairs(table: dict[str, str], words: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((key, names.expand(value, words)) for key, value in table.items())


def _samples(config: Config, table: schema.SamplesTable, at: Where, problems: _Problems) -> Samples:
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
                body=_existing(config, payload.body, (*at, "payload", number, "body"), problems),
                answer=payload.answer
                and _existing(config, payload.answer, (*at, "payload", number, "answer"), problems),
            )
            for number, payload in enumerate(table.payload)
        ),
    )


def _existing(config: Config, text: str, at: Where, problems: _Problems) -> str:
    path: Path = config.folder / text
    if not path.exists():
        problems.add(at, f"{text!r} does not exist in {config.folder}")
    return str(path)


def _folder(config: Config, text: str | None, at: Where, problems: _Problems) -> str | None:
    if text is None:
        return None
    path = _existing(config, text, at, problems)
    if (config.folder / text).is_file():
        problems.add(at, f"{text!r} is a file, a folder is wanted")
    return path


def _refuse_twins(targets: Iterable[Target], problems: _Problems) -> None:
    """Two targets must never share an id (one record) or a tag (one would hide the other)."""
    by_id, by_image = defaultdict(list), defaultdict(list)
    for target in targets:
        by_id[target.id].append(target)
        by_image[target.image].append(target)
    for target_id, twins in by_id.items():
        if len(twins) > 1:
            problems.add(
                ("image", twins[-1].name), f"{len(twins)} targets have the id `{target_id}`"
            )
    for image, twins in by_image.items():
        ids = [twin.id for twin in twins]
        if len(set(ids)) > 1:
            problems.add(
                ("image", twins[-1].name),
                f"{' and '.join(ids)} have the same tag `{image}`; tell them apart in "
                "`repository` or `tag`",
            )
