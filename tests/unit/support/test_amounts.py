"""Amounts as people read them."""

from __future__ import annotations

import pytest

from buildkit.support.amounts import count, megabytes


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, "layer", "0 layers"),
        (1, "layer", "1 layer"),
        (2, "layer", "2 layers"),
        (1, "repository", "1 repository"),
        (3, "repository", "3 repositories"),
        (2, "day", "2 days"),
    ],
)
def test_a_noun_is_in_the_plural_unless_there_is_one(number: int, noun: str, text: str) -> None:
    assert count(number, noun) == text


def test_megabytes_have_one_digit_after_the_point() -> None:
    assert megabytes(12_345_678) == "12.3 MB"
    assert megabytes(12_345_678, ".0f") == "12 MB"
