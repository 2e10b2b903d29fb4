from __future__ import annotations

import configparser
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from buildkit.build import mounts
from buildkit.config import substitution
from buildkit.config.network import Network
from buildkit.lock.lockfile import Lock, Locked
from buildkit.support.errors import UsageError
from tests.support.projects import MINIMAL, target

if TYPE_CHECKING:
    from pathlib import Path


def test_nothing_asked_for_is_nothing_mounted() -> None:
    with mounts.mounted(Network()) as found:
        assert found == ()


def test_pip_finds_all_of_it_in_one_file(tmp_path: Path) -> None:
    own = tmp_path / "pip.conf"
    own.write_text("[global]\nindex-url = https://me:s%cret@pypi.example/simple\nfind-links = /a\n")
    network = Network(ca_bundle=tmp_path / "ca", pip_config=own, wheels=tmp_path)
    with mounts.mounted(network) as found:
        mounted = dict(found)
        assert mounted["ca-bundle"] == tmp_path / "ca"
        path = mounted["pip.conf"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        read = configparser.RawConfigParser()
        read.read(path)
        assert dict(read["global"]) == {
            "index-url": "https://me:s%cret@pypi.example/simple",
            "find-links": "/a /run/wheels",
            "cert": "/run/secrets/ca-bundle",
        }
    assert not path.exists()


def test_what_is_no_pip_configuration_is_refused_without_showing_it(tmp_path: Path) -> None:
    own = tmp_path / "pip.conf"
    own.write_text("password = hunter2\n")
    with (
        pytest.raises(UsageError) as caught,
        mounts.mounted(Network(pip_config=own)),
    ):
        pass
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint} {caught.value.details}"


def test_mirrors_are_said_for_the_targets_whose_indexes_have_one() -> None:
    rules = substitution.parse(["https://a.example/*=https://m.example/a/*"])
    both, other, none = (
        target(MINIMAL.replace("demo", name) + f"indexes = {indexes}")
        for name, indexes in {
            "both": ["https://b.example", "https://a.example/simple"],
            "other": ["https://b.example"],
            "none": [],
        }.items()
    )
    with mounts.mirrored((both, other, none), rules) as found:
        assert {name: path.read_text() for name, path in found.items()} == {
            both.id: "--extra-index-url https://b.example "
            "--extra-index-url https://m.example/a/simple"
        }


def test_a_target_finds_its_packages_of_images_lock() -> None:
    digest = f"sha256:{'a' * 64}"
    one, other = target(), target(MINIMAL.replace("demo", "other"))
    lock = Lock(
        targets={one.id: Locked(made_from=digest, packages=("six==1.17.0",))},
        hashes={"six==1.17.0": (digest,)},
    )
    with mounts.locked(lock.pinned((other, one)), lock) as found:
        assert {name: (path / "images.lock").read_text() for name, path in found.items()} == {
            one.id: f"--only-binary :all:\nsix==1.17.0 \\\n    --hash={digest}\n"
        }
    with mounts.locked((one, other), None) as found:
        assert found == {}


def test_a_lock_of_the_users_own_is_mounted_alone_as_pip_reads_it(tmp_path: Path) -> None:
    package = '[[packages]]\nname = "six"\nversion = "1"\n'
    sdist = 'sdist = { url = "https://e.example/six-1.tar.gz", hashes = { sha256 = "aa" } }\n'
    texts = {
        "pip.txt": "six==1 --hash=sha256:aa\n",
        "pylock.toml": f'lock-version = "1.0"\ncreated-by = "me"\n{package}{sdist}',
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    for name, wanted in {
        "pip.txt": texts["pip.txt"],
        "pylock.toml": ("--only-binary :all:\n--no-binary six\nsix==1 \\\n    --hash=sha256:aa\n"),
    }.items():
        own = replace(target(), lock=str(tmp_path / name))
        with mounts.locked((own,), None) as found:
            (folder,) = found.values()
            assert {each.name: each.read_text() for each in folder.iterdir()} == {name: wanted}


def test_a_lock_that_became_none_since_it_was_checked_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "pip.txt").write_text("six==1\n")
    own = replace(target(), lock=str(tmp_path / "pip.txt"))
    with (
        pytest.raises(UsageError, match="pip.txt:1: `six==1` has no hash"),
        mounts.locked((own,), None),
    ):
        pass
