"""Names of hosts: an IPv6 address stands in brackets, with or without a port."""

from __future__ import annotations

import pytest

from buildkit.model import names


@pytest.mark.parametrize(
    ("text", "here"),
    [
        ("localhost", True),
        ("127.0.0.1:5000", True),
        ("[::1]", True),
        ("[::1]:5000", True),
        ("[fd00::1]:5000", False),
        ("registry.example:443", False),
    ],
)
def test_a_registry_has_a_name_or_an_address(text: str, *, here: bool) -> None:
    assert names.host(text) == text
    assert names.is_loopback(text) is here
    assert names.reference(f"{text}/team/image:1") == f"{text}/team/image:1"


@pytest.mark.parametrize("text", ["::1", "[::1", "[::1]x", "[1.2]", "[]", "[::1]:65536", "a:65536"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not the host name"):
        names.host(text)
