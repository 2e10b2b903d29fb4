"""The step that installs Debian packages: from which archive, and what it leaves behind."""

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


def spark(keys: str = "") -> str:
    found = target(f'{MINIMAL}template = "sparkml"\n{keys}')
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


SNAPSHOT = "20261101T000000Z"
ARCHIVE = "http://snapshot.debian.org/archive"
OF_BOOKWORM = """\
Types: deb
# http://snapshot.debian.org/archive/debian/20250520T000000Z
URIs: http://deb.debian.org/debian
Suites: bookworm bookworm-updates

Types: deb
URIs: https://deb.debian.org/debian-security/
Suites: bookworm-security
"""
OF_BULLSEYE = """\
deb http://deb.debian.org/debian bullseye main
deb http://security.debian.org/debian-security bullseye-security main
deb https://mirror.example/debian bullseye main
"""


def sources(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the part of the step that makes the sources of the snapshot, of those in etc/apt."""
    text = spark(f'apt-snapshot = "{SNAPSHOT}"\n')
    command = re.search(r"^ +(cp -r /etc/apt .*?) && \\\n +mkdir ", text, re.MULTILINE | re.DOTALL)
    assert command is not None
    script = command[1].replace("/etc/apt", str(folder / "etc"))
    script = f'{script} && printf "%s\\n" "$@"'.replace("/var/cache/apt", str(folder))
    return subprocess.run(["sh", "-ec", script], capture_output=True, text=True)


@pytest.mark.process
def test_apt_reads_copies_of_its_sources_that_name_the_snapshot(tmp_path: Path) -> None:
    (tmp_path / "etc" / "sources.list.d").mkdir(parents=True)
    texts = {"sources.list": OF_BULLSEYE, "sources.list.d/debian.sources": OF_BOOKWORM}
    for name, text in texts.items():
        (tmp_path / "etc" / name).write_text(text)
    done = sources(tmp_path)
    assert done.stdout.split() == [
        "-o", f"Dir::Etc::SourceList={tmp_path}/sources/sources.list",
        "-o", f"Dir::Etc::SourceParts={tmp_path}/sources/sources.list.d",
        "-o", "Acquire::Check-Valid-Until=false",
    ], done.stderr  # fmt: skip
    found = {name: (tmp_path / "sources" / name).read_text() for name in texts}
    assert f"URIs: {ARCHIVE}/debian/{SNAPSHOT}\n" in found["sources.list.d/debian.sources"]
    assert (
        f"URIs: {ARCHIVE}/debian-security/{SNAPSHOT}/\n" in found["sources.list.d/debian.sources"]
    )
    assert found["sources.list"] == (
        f"deb {ARCHIVE}/debian/{SNAPSHOT} bullseye main\n"
        f"deb {ARCHIVE}/debian-security/{SNAPSHOT} bullseye-security main\n"
        "deb https://mirror.example/debian bullseye main\n"
    )
    assert (tmp_path / "etc" / "sources.list").read_text() == OF_BULLSEYE


@pytest.mark.process
def test_a_base_without_sources_of_debian_has_no_snapshot(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "sources.list").write_text(
        f"# {ARCHIVE}/debian/20250520T000000Z\ndeb http://archive.ubuntu.com/ubuntu noble main\n"
    )
    done = sources(tmp_path)
    assert done.returncode == 1
    assert "no source of apt in the base is deb.debian.org" in done.stderr


def test_without_a_snapshot_apt_reads_the_sources_of_the_base() -> None:
    assert "snapshot" not in spark()
    assert "Dir::Etc" not in spark()
