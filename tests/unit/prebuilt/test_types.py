"""What a type checker tells somebody who uses buildkit from Python."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.sources import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.process
def test_types_reach_a_user(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(
        "from buildkit import Query, image_uri, look_up\n"
        "reveal_type(image_uri('pytorch', 'eu-west-1', '2.5.1'))\n"
        "reveal_type(look_up(Query('pytorch', 'eu-west-1')).account)\n"
        "image_uri(framework=1, region='eu-west-1')\n"
    )
    cache = f"--cache-dir={ROOT / '.mypy_cache' / 'theirs'}"  # `make lint` has other options
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", cache, "theirs.py"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    told = [line.partition(": ")[2] for line in done.stdout.replace("builtins.", "").splitlines()]
    assert told[:2] == ['note: Revealed type is "str"'] * 2, done.stdout + done.stderr
    assert '"image_uri" has incompatible type "int"; expected "str"' in told[2]
