"""A question for one of AWS's prebuilt images -> its URI, or an error that names the nearest.

The answer never has another version, device or region than the question.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from buildkit.prebuilt import choose, facts, instances, naming
from buildkit.prebuilt.question import Answer, Query
from buildkit.support import suggest
from buildkit.support.errors import UsageError
from buildkit.support.suggest import listed, nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from buildkit.prebuilt.facts import Entry

ADDABLE = ("pytorch-smp", "spark")
"""Frameworks whose tags may end with a `container_version` that the data does not hold."""
WORDS = Query._fields[:-1]
"""The fields of a query that are text."""
OPTIONS: Mapping[str, Callable[[Answer], str | None]] = {
    "purpose": lambda answer: answer.purpose,
    "device": lambda answer: answer.device,
    "python": lambda answer: answer.python,
    "base-framework": lambda answer: answer.base_framework,
}
"""The options that decide between images, and the value of an image; None for any."""
END = r"[A-Za-z0-9_.-]+"
LONGEST_TAG = 128


def look_up(query: Query) -> Answer:
    """The one image that matches. Raises NothingSelectedError or UsageError."""
    refuse_other_than_text(dict(zip(WORDS, query, strict=False)))
    query = query.lowered()
    region = facts.regions().get(query.region)
    if region is None:
        known = facts.regions()
        message = f"{facts.source()} has no images in `{query.region}`"
        raise nothing(message, query.region, known)
    found = choose.fitting(query)
    there = tuple(e for e in found if query.region in e.regions)
    if not there:
        regions = sorted(frozenset().union(*(e.regions for e in found)))
        message = f"{facts.source()} has no {_described(query)} in {query.region}"
        raise nothing(message, query.region, regions)
    answers = tuple(_answer(entry, query, region) for entry in there)
    if len({answer.uri for answer in answers}) > 1:
        raise _several(query, answers)
    return answers[0]


def refuse_other_than_text(words: Mapping[str, object]) -> None:
    """Raise UsageError for values that Python accepts in spite of the types: `version=2.5`.

    `words` are the values by their names in the call.
    """
    for name, value in words.items():
        if not isinstance(value, str) and (value is not None or name in ("framework", "region")):
            raise UsageError(
                f"`{name}` is {suggest.shown(repr(value))}, not text",
                hint=f'pass text: {name}="{"eu-west-1" if name == "region" else value}"'
                if value is not None or name == "region"
                else "`buildkit uri --list --prebuilt` shows all frameworks",
            )


def _answer(entry: Entry, query: Query, region: facts.Region) -> Answer:
    repository, tag = naming.named(
        entry, query.version, query.base_framework, with_python=query.python is not None
    )
    if query.container_version is not None:
        tag = _ended(entry.framework, tag, query.container_version)
    machine = query.instance_type
    if query.smdistributed or (machine is not None and instances.is_p4d(machine)):
        tag = "-".join(filter(None, (tag, facts.ends().get(f"{entry.framework}:{tag}"))))
    account = region.accounts[entry.family]
    host = region.host(account)
    return Answer(
        uri=f"{host}/{repository}:{tag}" if tag else f"{host}/{repository}",
        host=host,
        repository=repository,
        tag=tag or None,
        account=account,
        region=region.name,
        partition=region.partition,
        framework=entry.framework,
        version=naming.full_version(entry, query.version),
        purpose=entry.purpose,
        device=entry.device,
        python=entry.python,
        base_framework=next(iter(entry.bases), None),
    )


def _ended(framework: str, tag: str, end: str) -> str:
    """A tag with the container version. Raises UsageError."""
    import re  # noqa: PLC0415 - few questions have one

    if framework not in ADDABLE:
        raise UsageError(
            f"tags of `{framework}` take no container version, such as `{suggest.shown(end)}`",
            hint=f"remove the container version; only {' and '.join(ADDABLE)} take one",
        )
    if not re.fullmatch(END, end) or len(tag) + 1 + len(end) > LONGEST_TAG:
        raise UsageError(
            f"`{suggest.shown(end)}` cannot end a tag: tags have letters, digits, `_`, `.`, `-`, "
            f"at most {LONGEST_TAG} characters",
            hint="such as `v1` or `1.0`",
        )
    return f"{tag}-{end}"


def _several(query: Query, answers: tuple[Answer, ...]) -> UsageError:
    """The error for several images: it lists the fewest options that decide."""
    given = (query.purpose, query.device or query.instance_type, query.python, query.base_framework)
    open_ = [name for name, value in zip(OPTIONS, given, strict=True) if value is None]
    known = {name: {OPTIONS[name](each) for each in answers} - {None} for name in open_}
    open_ = [name for name in open_ if len(known[name]) > 1]
    subsets = (names for count in range(len(open_)) for names in combinations(open_, count))
    names = next((names for names in subsets if _decide(names, answers)), open_)
    count = len({answer.uri for answer in answers})
    return UsageError(
        f"{count} AWS images match {_described(query)}: also pass {_joined(names)}",
        hint="; ".join(
            listed(f"--{name}", _in_order(name, filter(None, known[name]))) for name in names
        ),
    )


def _in_order(name: str, values: Iterable[str]) -> Sequence[str]:
    return sorted(values) if name in ("purpose", "device") else naming.newest_first(values)


def _joined(names: Sequence[str]) -> str:
    options = [f"`--{name}`" for name in names]
    return " and ".join(filter(None, (", ".join(options[:-1]), *options[-1:])))


def _decide(names: Iterable[str], answers: tuple[Answer, ...]) -> bool:
    """Whether each two images differ in one of the options; `any` matches every value."""
    return all(
        any(len({OPTIONS[name](one), OPTIONS[name](other)} - {None}) > 1 for name in names)
        for one, other in combinations(answers, 2)
        if one.uri != other.uri
    )


def _described(query: Query) -> str:
    parts = (query.version, query.base_framework, query.purpose, query.device, query.python)
    return f"`{query.framework}` {' '.join(filter(None, parts))}".rstrip()
