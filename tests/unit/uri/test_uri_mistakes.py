"""Questions that have no answer, through the command: none gets a URI, each gets a hint."""

from __future__ import annotations

import os
import random
import re
from typing import TYPE_CHECKING

import pytest

from buildkit import cli
from buildkit.ledger import ledger
from buildkit.support.errors import Exit
from buildkit.uri import catalogue
from tests.support.releases import image, release

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildkit.uri.catalogue import Row

PARTS = 4
"""Tests that run side by side."""
QUESTIONS = int(os.environ.get("QUESTIONS", "1000")) // PARTS
"""`make test-uri` asks 20,000."""
SELDOM = ("--container-version", "--accelerator", "--instance-type")


def spoilt(chance: random.Random, text: str) -> str:
    """Something that nothing is called."""
    place = chance.randrange(len(text) + 1)
    return chance.choice((
        f"{text[:place]}ß{text[place:]}", f"{text}\n", f"{text}\x00", f"\x1b[31m{text}", f"../{text}", f" {text}", "", " ",
        f"{text.upper()}_", "x" * 300, f"{text};id", f"{text[:place]}?", "$(id)", "NaN", "🐍", f"{text}@sha256:0", "%s{0}", "\ud800",
    ))  # fmt: skip


def of_aws(chance: random.Random, images: tuple[Row, ...]) -> list[str]:
    """A good question of an image of AWS, of which one word is spoilt."""
    each = chance.choice(images)
    words = {
        "target": each.framework, "--version": each.names[0] if each.names else "", "--purpose": each.purposes[0].replace("any", "training"),
        "--device": each.device or "cpu", "--python": each.python or "", "--region": chance.choice(sorted(each.regions)),
        "--base-framework": each.base_frameworks[0] if each.base_frameworks else "", "--container-version": "v1", "--accelerator": "ml.eia1.medium",
        "--instance-type": chance.choice(("ml.m5.xlarge", "ml.g5.xlarge", "ml.p6e-gb200.36xlarge", "p4d.24xlarge", "local_gpu")),
    }  # fmt: skip
    wrong = chance.choice([word for word in words if words[word]])
    for word in SELDOM:
        if word != wrong and chance.random() < 0.9:
            words[word] = ""
    bad = spoilt(chance, words[wrong]) or "-"
    while wrong == "--container-version" and re.fullmatch(r"[\w.-]{1,99}", bad, re.ASCII):
        bad = spoilt(chance, words[wrong])  # nearly anything may be the end of a tag
    words[wrong] = bad or " "
    return ["--prebuilt", *arguments(words)]


def of_own(chance: random.Random) -> list[str]:
    words = {
        "target": "demo", "--version": "1.7.2", "--purpose": "training", "--device": "cpu", "--python": "3.11",
        "--region": "eu-west-1", "--account": "111122223333",
    }  # fmt: skip
    wrong = chance.choice(tuple(words))
    words[wrong] = spoilt(chance, words[wrong]) or "-"
    return arguments(words)


def of_options(chance: random.Random) -> list[str]:
    """Options that do not go together, are not there, or lack their value."""
    return [
        *chance.choice((["--prebuilt", "--account", "1"], ["--digest", "--prebuilt"], ["--instance-type", "ml.g5.xlarge"],
                        ["--list"], ["--explain"], ["--no-such"], ["--version"], ["--explain", "no uri"], ["a", "b"], ["--smdistributed"])),
        "demo-9",
    ]  # fmt: skip


def to_explain(chance: random.Random) -> list[str]:
    return ["--explain", f"{spoilt(chance, 'python')} {spoilt(chance, 'x')}"]


def to_list(chance: random.Random) -> list[str]:
    option = chance.choice(("--framework", "--version", "--purpose", "--device", "--region"))
    word = spoilt(chance, "pytorch").replace("?", "!")  # which would be a pattern
    return ["--list", f"{option}={word or '-'}"]


def arguments(words: dict[str, str]) -> list[str]:
    """With `=`, for a word that begins with a dash; after `--` the one that is no option's."""
    options = [f"{name}={value}" for name, value in words.items() if value and name != "target"]
    return [*options, "--", words["target"]]


@pytest.mark.parametrize("part", range(PARTS))
def test_no_bad_question_gets_an_answer_and_each_gets_a_hint(
    part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    host = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
    book = ledger.Ledger(path=tmp_path / ledger.NAME)
    book.append(release(image("1.7.2", host=host), image("2.0", host=host)))
    chance = random.Random(part)
    images = tuple(catalogue.prebuilt())
    kinds: list[Callable[[], list[str]]] = [
        lambda: of_aws(chance, images), lambda: of_own(chance), lambda: of_options(chance),
        lambda: to_explain(chance), lambda: to_list(chance),
    ]  # fmt: skip
    for _ in range(QUESTIONS):
        # Of lists there are few: each reads all of the data, which takes as long as twenty others.
        (kind,) = chance.choices(kinds, [60, 30, 10, 10, 1])
        ask = kind()
        code = cli.run(["uri", *ask])
        out, err = capsys.readouterr()
        assert code in (Exit.USAGE, Exit.NOTHING_SELECTED), (ask, code, out, err)
        assert out == "", ask
        assert "Traceback" not in err, (ask, err)
        assert "hint: " in err or "Try 'buildkit uri --help'" in err, (ask, err)
