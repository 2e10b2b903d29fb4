"""Which token server a registry names, in all forms that the header may have."""

from __future__ import annotations

import pytest

from buildkit.registry import challenges

REALM = "https://h.example/token"
FULL = {"realm": REALM, "service": "s"}


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (f'Bearer realm="{REALM}",service="s"', FULL),
        (f'BEARER REALM="{REALM}", Service="s"', FULL),
        (f'bearer  realm = "{REALM}" , service = "s"', FULL),
        (f"Bearer realm={REALM},service=s", FULL),
        (f'Basic realm="x", Bearer realm="{REALM}",service="s"', FULL),
        (f'Bearer realm="{REALM}",service="s", Basic realm="x",service="y"', FULL),
        (f'Bearer realm="{REALM}",service="s", Bearer realm="x"', FULL),
        (f'Bearer error="x", Bearer realm="{REALM}",service="s"', FULL),
        (f'Negotiate YWJj==, , Bearer realm="{REALM}",service="s"', FULL),
        (f'Negotiate, Bearer realm="{REALM}",service="s"', FULL),
        (
            f'Bearer realm="{REALM}",service="a, \\"b\\"\\\\"',
            {"realm": REALM, "service": 'a, "b"\\'},
        ),
        (f'Bearer realm="{REALM}",service=""', {"realm": REALM, "service": ""}),
        ('Basic realm="x, Bearer realm=\\"y\\""', {}),
        ('Basic realm="https://h.example",service="s"', {}),
        ('Bearer service="s"', {}),
        ("Bearer", {}),
        ('Bearer realm="cut off', {}),
        ("", {}),
        ("," * 9999 + f'Bearer realm="{REALM}"', {}),
    ],
)
def test_the_bearer_challenge_of_a_header(header: str, found: dict[str, str]) -> None:
    assert challenges.bearer(header) == found
