"""Amounts as people read them."""

from __future__ import annotations

import pytest

from buildkit.support.amounts import count, megabytes, size


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


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (12_345_678, "12.3 MB"),
        (999_000_000, "999.0 MB"),
        (4_000_000_000, "4.0 GB"),
        (5_200_000_000_000, "5200.0 GB"),
    ],
)
def test_bytes_have_the_largest_unit_that_fits(number: int, words: str) -> None:
    assert size(number) == words
