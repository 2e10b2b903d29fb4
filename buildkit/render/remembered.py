"""The Dockerfiles of earlier runs, for runs with many targets: rendering 10,000 takes seconds.

A text is found by a digest of all that rendering reads: the target, the files of its template, and
the code that renders. So no text is ever out of date, and a lost one is rendered again.
"""

from __future__ import annotations

import hashlib
import json
import platform
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import packaging

from buildkit.render import failures, render
from buildkit.system import cache as kept
from buildkit.system.cache import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildkit.model.target import Rendered, Target
    from buildkit.render.render import Templates

FORMAT = 1
"""Increased when the form of these files changes."""
FEW = 20
"""Fewer targets are rendered as fast as their texts are found."""
MOST = 20_000
"""Texts that are kept, beside those of the last run."""
CHANGING = ("random", "lipsum")
"""What makes another text each time. Templates with such a word are rendered each time."""
ADDRESS = " at 0x"
"""Begins the address of an object, which is another one in each run."""


@dataclass(frozen=True, kw_only=True)
class _Texts:
    """Texts by their keys, as numbers of lines: most lines of Dockerfiles are in many of them."""

    lines: Sequence[str] = ()
    numbers: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def find(self, key: str) -> str | None:
        found = self.numbers.get(key)
        return None if found is None else "\n".join([self.lines[number] for number in found])


def render_all(targets: Sequence[Target], source: Templates) -> tuple[Rendered, ...]:
    """The same as `render.render_all`, errors included, but sooner in a later run."""
    if len(targets) < FEW:
        return render.render_all(targets, source)
    keys = _keys(targets, source)
    name = _digest(f"{FORMAT} {source.own}")
    texts = _read(name)
    known = {id_: text for id_, key in keys.items() if (text := texts.find(key)) is not None}
    rendered = render.render_all(targets, source, known)
    if len(known) < len(keys):
        now = {
            keys[each.target.id]: each.dockerfile
            for each in rendered
            if each.target.id in keys and ADDRESS not in each.dockerfile
        }
        _keep(name, texts, now)
    return rendered


def _keys(targets: Sequence[Target], source: Templates) -> dict[str, str]:
    """By target id, what the text of each Dockerfile follows from."""
    one = {each.template: each for each in targets if each.dockerfile is None}
    digests = {name: _of_template(source, each) for name, each in one.items()}
    found = {}
    for each in targets:
        if (others := digests.get(each.template)) is not None:
            # What a target prints of itself leaves its samples out; templates can print them.
            found[each.id] = _digest(f"{others} {each!r} {each.samples!r}")
    return found


def _of_template(source: Templates, target: Target) -> str | None:
    """A digest of a template's files and of the code; None if the text follows from more."""
    try:
        files, texts = source.files(target.template), source.texts(target)
    except failures.CAUGHT:
        return None  # rendering says what is wrong
    if None in files or any(word in text for word in CHANGING for text in texts.values()):
        return None
    return _digest(f"{_code()} {sorted(texts.items())!r}")


@cache
def _code() -> str:
    """A digest of the code that makes a text of a target and its templates."""
    package = Path(__file__).parents[1]
    modules = sorted(path for part in ("render", "model") for path in (package / part).glob("*.py"))
    libraries = (platform.python_version(), jinja2.__version__, packaging.__version__)
    return _digest(f"{libraries!r} {[path.read_text(encoding='utf-8') for path in modules]!r}")


def _read(name: str) -> _Texts:
    digest, _, document = (kept.find(Kind.DOCKERFILES, name) or "").partition("\n")
    if digest == _digest(document):
        with suppress(ValueError):
            return _Texts(**json.loads(document))
    return _Texts()


def _keep(name: str, before: _Texts, now: Mapping[str, str]) -> None:
    """Keep the texts of this run, and the newest of the others."""
    others = [key for key in before.numbers if key not in now]
    older = {key: before.find(key) or "" for key in others[-MOST:]}
    lines: dict[str, int] = {}
    numbers = {
        key: [lines.setdefault(line, len(lines)) for line in text.split("\n")]
        for key, text in (*older.items(), *now.items())
    }
    document = json.dumps({"lines": [*lines], "numbers": numbers}, separators=(",", ":"))
    kept.keep(Kind.DOCKERFILES, name, f"{_digest(document)}\n{document}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
