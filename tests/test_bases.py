from __future__ import annotations

import pytest

from buildkit import bases
from buildkit.errors import UsageError

MIRROR = bases.parse(["python:*=mirror.example:5000/library/python:*"])


@pytest.mark.parametrize(
    ("base", "rule", "wanted"),
    [
        ("python:3.11-slim", "python:3.11-slim=local/python:1", "local/python:1"),
        ("python:3.11-slim", "python:*=m.example/python:*", "m.example/python:3.11-slim"),
        ("python:3.11", "docker.io/*=m.example/hub/*", "m.example/hub/library/python:3.11"),
        ("nvidia/cuda:12", "docker.io/*=m.example/hub/*", "m.example/hub/nvidia/cuda:12"),
        ("docker.io/library/python:3", "python:*=m.example/p:*", "m.example/p:3"),
        ("other.example/a/b:1", "docker.io/*=m.example/*", None),
        ("other.example/a/b:1", "other.example/*=m.example/other/*", "m.example/other/a/b:1"),
        ("python:3.11", "python:3.12=other:1", None),
    ],
)
def test_a_rule_fits_the_short_and_the_full_name(base: str, rule: str, wanted: str | None) -> None:
    assert bases.substitute(base, bases.parse([rule])) == wanted


def test_the_first_rule_that_fits_wins() -> None:
    rules = bases.parse(["python:3.11=one:1", "python:*=two:*"])
    assert bases.substitute("python:3.11", rules) == "one:1"
    assert bases.substitute("python:3.12", rules) == "two:3.12"


@pytest.mark.parametrize("rule", ["python", "python:*=b", "a=b c", "=b", "a=", "a:*=b:**"])
def test_a_rule_that_cannot_be_is_a_usage_error_with_an_example(rule: str) -> None:
    with pytest.raises(UsageError) as caught:
        bases.parse([rule])
    assert caught.value.hint
