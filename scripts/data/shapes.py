"""The model of an AWS API -> facts about its shapes, as short texts.

A fact has a name and a value, such as a member and its type; the value of an enum or a sentence of
the documentation has a name only.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildkit.contract.clauses import Shape

Facts = dict[str, str]
WAYS = ("input", "output")
BLOCKS = re.compile(r"</?(?:dd|div|dl|dt|important|li|note|ol|p|ul)>")
MARKUP = re.compile(r"<[^>]*>")
SENTENCES = re.compile(r"(?<=[.;]) ")
NAME = re.compile(r"(?:Amazon )?SageMaker(?: AI)?")
"""AWS renames the service from time to time, which changes nothing else."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """The API of one service, as botocore describes it in `service-2.json`."""

    service: str
    shapes: Mapping[str, Any]
    operations: Mapping[str, Any]

    def around(self, shape: Shape) -> list[str]:
        """The names of a shape or operation, and of all structures and enums that it leads to.

        With a member, these are the ones that the member leads to.
        """
        if not self._at(shape.name):
            return []
        found = {shape.name: None}
        waiting = [*self._next(shape.name, shape.member)]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = None
                waiting += self._next(name)
        return list(found)

    def facts(self, name: str) -> Facts:
        """The members of a structure, the values of an enum, the parts of an operation."""
        at = self._at(name)
        if "enum" in at:
            return dict.fromkeys(at["enum"], "")
        if "members" in at:
            required = at.get("required", ())
            return {
                member: self._member(details, required=member in required)
                for member, details in at["members"].items()
            }
        if "type" in at:
            return {"type": self._type(name)}
        ways = {way: at[way]["shape"] for way in WAYS if way in at}
        return ways | dict.fromkeys((f"error {each['shape']}" for each in at.get("errors", ())), "")

    def sentences(self, shape: Shape) -> Facts:
        """What the documentation of a shape, operation or member says."""
        at = self._at(shape.name)
        if shape.member:
            at = at.get("members", {}).get(shape.member, {})
        blocks = BLOCKS.split(at.get("documentation", ""))
        texts = (html.unescape(MARKUP.sub("", block)).split() for block in blocks)
        return {
            sentence: ""
            for words in texts
            for sentence in SENTENCES.split(NAME.sub("SageMaker", " ".join(words)))
            if sentence
        }

    def _at(self, name: str) -> Any:
        return self.shapes.get(name) or self.operations.get(name, {})

    def _member(self, details: Any, *, required: bool) -> str:
        words = [self._type(details["shape"])]
        if "location" in details:
            words.append(f"in {details['location']} {details['locationName']}")
        return " ".join(words + ["required"] * required)

    def _type(self, name: str) -> str:
        """A structure or enum by name, because it has facts of its own; any other in full."""
        shape = self.shapes[name]
        if shape["type"] == "structure" or "enum" in shape:
            return name
        words = [shape["type"], *_limits(shape)]
        if "member" in shape:
            words += ["of", self._type(shape["member"]["shape"])]
        if "key" in shape:
            words += ["of", *(self._type(shape[each]["shape"]) for each in ("key", "value"))]
        return " ".join([*words, shape.get("pattern", "")]).strip()

    def _next(self, name: str, member: str = "") -> Iterator[str]:
        at = self._at(name)
        parts = {**at.get("members", {}), **{way: at[way] for way in WAYS if way in at}}
        for part, details in parts.items():
            if member in ("", part):
                yield from self._named(details["shape"])

    def _named(self, name: str) -> Iterator[str]:
        """The structures and enums in a type."""
        shape = self.shapes[name]
        if shape["type"] == "structure" or "enum" in shape:
            yield name
        for part in ("member", "key", "value"):
            if part in shape:
                yield from self._named(shape[part]["shape"])


def _limits(shape: Any) -> Iterator[str]:
    if "min" in shape or "max" in shape:
        yield f"{shape.get('min', '')}-{shape.get('max', '')}"
