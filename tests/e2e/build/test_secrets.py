"""What a company's network needs enters the build and is nowhere afterwards."""

from __future__ import annotations

import base64
import gzip
import io
import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.support import tested as once
from tests.e2e.support.package_index import index, options
from tests.e2e.support.parts import private_engine
from tests.e2e.support.real import make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.support.real import Local, Project

USER, PASSWORD = "builder", "Zq7-pass-of-the-private-index"
ALLOWED = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture
def network(local: Local, project: Project, tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """The options that lead to two packages: one of an index with TLS and login, one of a folder."""
    make_wheel(tmp_path / "index" / "indexed", f"{project.name}indexed").parent.rename(
        tmp_path / "index" / f"{project.name}indexed"
    )
    make_wheel(tmp_path / "my wheels", f"{project.name}foldered")
    with index(local, tmp_path / "index", ALLOWED) as host:
        settings = f"index-url = https://{USER}:{PASSWORD}@{host}/\nretries = 0"
        yield (*options(local, tmp_path, settings), "--wheels", str(tmp_path / "my wheels"))


def secrets(local: Local, project: Project) -> tuple[bytes, ...]:
    lines = (private_engine(local) / "ca" / "ca.crt").read_text().splitlines()
    return (
        PASSWORD.encode(),
        ALLOWED.partition(" ")[2].encode(),
        lines[2].encode(),  # of the certificate's base64
        f"wheel file of {project.name}".encode(),
        f"{project.name}foldered-1.0-py3-none-any.whl".encode(),
    )


def every_file(image: bytes) -> Iterator[tuple[str, bytes]]:
    """The files of a saved image, those inside of its layers too."""
    with tarfile.open(fileobj=io.BytesIO(image)) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is None:
                continue
            data = content.read()
            yield member.name, data
            plain = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
            if plain[257:262] == b"ustar":
                with tarfile.open(fileobj=io.BytesIO(plain)) as layer:
                    yield f"names in {member.name}", "\n".join(layer.getnames()).encode()
                yield f"all of {member.name}", plain


def found_in(name: str, data: bytes, wanted: tuple[bytes, ...]) -> list[str]:
    return [f"{text!r} in {name}" for text in wanted if text in data]


def test_nothing_of_the_network_stays(
    local: Local, project: Project, network: tuple[str, ...]
) -> None:
    packages = '"1.0"]\npackages = ["NAMEindexed", "NAMEfoldered"]'
    project.write(once.ONE.replace('"1.0"]', packages))
    plan = local.buildkit("build", "--all", "--bake-plan", *network, folder=project.folder)
    done = local.buildkit("build", "--all", "-v", *network, folder=project.folder)
    assert done.code == 0, done.stderr
    image = f"{project.name}:1.0-cpu-py311"
    assert (
        f"Successfully installed {project.name}foldered-1.0 {project.name}indexed-1.0"
        in done.stderr
    )
    names = local.docker("run", "--rm", image, "python", "-c",
                         f"import {project.name}foldered as f, {project.name}indexed as i; print(f.NAME, i.NAME)")  # fmt: skip
    assert names == f"{project.name}foldered {project.name}indexed"

    saved = project.folder.parent / "image.tar"
    local.docker("save", "--output", str(saved), image)
    wanted = secrets(local, project)
    places = [
        ("the plan", plan.stdout.encode()),
        ("what is said of the plan", plan.stderr.encode()),
        ("stdout", done.stdout.encode()),
        # pip itself names the wheels that it takes.
        ("stderr", done.stderr.encode().replace(wanted[-1], b"")),
        ("history", local.docker("history", "--no-trunc", image).encode()),
        ("inspect", local.docker("inspect", image).encode()),
        *every_file(saved.read_bytes()),
        *(
            (str(path), path.read_bytes())
            for path in (project.folder / "dist").rglob("*")
            if path.is_file()
        ),
    ]
    assert [found for name, data in places for found in found_in(name, data, wanted)] == []
    # The search does find what is there.
    layers = [name for name, data in places if f"NAME = '{project.name}indexed'".encode() in data]
    assert layers != []


def test_a_wrong_password_of_the_index_is_no_leak(
    local: Local, project: Project, network: tuple[str, ...], tmp_path: Path
) -> None:
    project.write(once.ONE.replace('"1.0"]', '"1.0"]\npackages = ["NAMEindexed"]'))
    path = Path(network[1])
    path.write_text(path.read_text().replace(PASSWORD, "old-" + PASSWORD))
    done = local.buildkit("build", "--all", *network, folder=project.folder)
    assert done.code == 5
    assert "401" in done.stderr
    assert PASSWORD not in done.stderr


def test_paths_with_blanks_and_equals_signs(
    local: Local, project: Project, network: tuple[str, ...], tmp_path: Path
) -> None:
    """Secrets travel as `id=…,src=…`."""
    odd = tmp_path / "a b=c"
    odd.mkdir()
    copies = [shutil.copy(network[number], odd) for number in (1, 3)]
    project.write(once.ONE.replace('"1.0"]', '"1.0"]\npackages = ["NAMEindexed"]'))
    done = local.buildkit("build", "--all", "--pip-config", str(copies[0]), "--ca-bundle",
                          str(copies[1]), folder=project.folder)  # fmt: skip
    assert done.code == 0, done.stderr
