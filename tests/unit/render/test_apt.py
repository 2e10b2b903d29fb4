"""The step that installs Debian packages, and what it does to Java's keystore."""

from __future__ import annotations

import hashlib
import re
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildkit.render import render
from tests.support.projects import MINIMAL, target

if TYPE_CHECKING:
    from collections.abc import Sequence

KEYSTORE = "/etc/ssl/certs/java/cacerts"
SALT = "changeit".encode("utf-16-be") + b"Mighty Aphrodite"


def spark() -> str:
    found = target(MINIMAL + 'template = "sparkml"\n')
    return render.render(found, render.templates(Path("/nowhere"))).dockerfile


def jks(times: Sequence[int]) -> bytes:
    """A keystore of Java with one certificate for each time, in milliseconds."""
    content = struct.pack(">III", 0xFEEDFEED, 2, len(times))
    for number, time in enumerate(times):
        alias, certificate = f"debian:{number}.pem".encode(), bytes(range(256)) * (number + 1)
        content += struct.pack(">IH", 2, len(alias)) + alias + struct.pack(">Q", time)
        content += struct.pack(">H", 5) + b"X.509" + struct.pack(">I", len(certificate))
        content += certificate
    return content + hashlib.sha1(SALT + content, usedforsecurity=False).digest()


@pytest.mark.process
def test_all_certificates_in_java_s_keystore_get_one_time(tmp_path: Path) -> None:
    command = re.search(r"^ +(perl -0777 .*\n.*\n.*) && \\\n", spark(), re.MULTILINE)
    assert command is not None
    path = tmp_path / "cacerts"
    path.write_bytes(jks((1_764_500_000_123, 0x0A0B0C0D0E0F, 0)))
    script = command[1].replace(KEYSTORE, str(path))
    for _ in range(2):  # nothing is left to change the second time
        subprocess.run(["sh", "-ec", script], check=True)
        assert path.read_bytes() == jks((946_684_800_000,) * 3)
