"""What every error has in common."""

from __future__ import annotations

import pytest

from buildkit.support.errors import ToolError


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\x85"])
def test_an_error_has_one_line_and_its_hint_another(end: str) -> None:
    """Both quote registries and files: more lines would look like ours."""
    error = ToolError(f"no{end}error: x", hint=f"a{end}hint: b", details=f"c{end}d")
    assert error.message == "no error: x"
    assert error.hint == "a hint: b"
    assert error.details == f"c{end}d"


def test_a_message_shows_neither_passwords_nor_the_query_of_an_address() -> None:
    error = ToolError(
        "cannot read https://me:S3CRET@h/x?token=S3CRET: no", hint="see https://h/page#part"
    )
    assert error.message == "cannot read https://…@h/x?… no"
    assert error.hint == "see https://h/page#part"
