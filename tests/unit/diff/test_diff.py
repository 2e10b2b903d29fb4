"""Two images in a registry: what is different, and what has to be read to know it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildkit.diff.compare import Comparison, Subject, compare
from buildkit.diff.differences import Difference
from buildkit.support.errors import ToolError
from tests.support.distribution import Distribution, layer
from tests.support.registry_server import Fault, Handler, answers, resets, running
from tests.support.registry_server import digest as sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SITE = "usr/local/lib/python3.11/site-packages"
SYSTEM = layer(
    {
        "var/lib/dpkg/status": "Package: libc6\nStatus: install ok installed\nVersion: 2.36\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n"
        "Package: tar\nStatus: install ok installed\nVersion: 1.34\nDescription: a\n b: c\n",
        f"{SITE}/pip-24.0.dist-info/METADATA": "Name: pip\nVersion: 24.0\n\nName: x\n",
    }
)
PROGRAM = layer({"opt/program/train": "#!/bin/sh\n"})


def dist(name: str, version: str, spelt: str | None = None) -> dict[str, str | None]:
    folder = f"{SITE}/{name.replace('-', '_')}-{version}.dist-info"
    return {
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {spelt or name}\nVersion: {version}\n"
    }


def dpkg(**versions: str) -> dict[str, str | None]:
    text = "\n".join(
        f"Package: {name}\nStatus: install ok installed\nVersion: {version}\n"
        for name, version in versions.items()
    )
    return {"var/lib/dpkg/status": text}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses between attempts."""
    monkeypatch.setattr("buildkit.registry.wire._pause", lambda _state: 0)


@pytest.fixture
def there() -> Iterator[Distribution]:
    with running(Distribution()) as found:
        yield found


def differ(
    there: Distribution,
    a: Sequence[bytes],
    b: Sequence[bytes],
    config_a: dict[str, Any] | None = None,
    config_b: dict[str, Any] | None = None,
) -> Comparison:
    one = there.image("one", "1", layers=list(a), config=config_a)
    two = there.image("two", "1", layers=list(b), config=config_b)
    there.requests.clear()
    registry = there.registry
    return compare(
        Subject(registry=registry, repository="one", digest=one.digest),
        Subject(registry=registry, repository="two", digest=two.digest),
    )


def cut_off(handler: Handler) -> None:
    """The connection ends within the answer."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
    handler.wfile.flush()
    handler.connection.close()


def read(there: Distribution) -> list[str]:
    """The layers that were fetched; configurations are read always."""
    known = {sha256(each): name for name, each in (("system", SYSTEM), ("program", PROGRAM))}
    fetched = [line.rpartition("/")[2] for line in there.requests if "/blobs/" in line]
    return [known[each] for each in fetched if each in known]


def test_images_that_are_the_same_need_no_layer(there: Distribution) -> None:
    found = differ(there, [SYSTEM, PROGRAM], [SYSTEM, PROGRAM])
    assert found.layers.only_a == found.layers.only_b == ()
    assert (found.packages, found.configuration, found.fetched) == ((), (), 0)
    assert read(there) == []


def test_a_new_version_shows_without_reading_what_both_have(there: Distribution) -> None:
    old = layer({**dist("scikit-learn", "1.7.1"), **dist("numpy", "2.0")})
    new = layer({**dist("scikit-learn", "1.7.2", "scikit_learn"), **dist("joblib", "1.5")})
    found = differ(there, [SYSTEM, old, PROGRAM], [SYSTEM, new, PROGRAM])
    assert found.packages == (
        Difference(name="python joblib", a=None, b="1.5"),
        Difference(name="python numpy", a="2.0", b=None),
        Difference(name="python scikit-learn", a="1.7.1", b="1.7.2"),
    )
    assert [each.digest for each in found.layers.shared] == [sha256(SYSTEM), sha256(PROGRAM)]
    assert [(each.digest, each.size) for each in found.layers.only_b] == [(sha256(new), len(new))]
    assert "system" not in read(there)
    assert found.fetched == len(old) + len(new) + len(PROGRAM)


def test_what_a_layer_deletes_is_gone_by_its_name(there: Distribution) -> None:
    """pip 24.0 is in a layer that nobody reads."""
    newer = layer({f"{SITE}/.wh.pip-24.0.dist-info": None, **dist("pip", "25.0")})
    found = differ(there, [SYSTEM, newer], [SYSTEM, PROGRAM])
    assert found.packages == (Difference(name="python pip", a="25.0", b="24.0"),)
    assert "system" not in read(there)


def test_what_one_image_brings_and_deletes_itself_is_nowhere(there: Distribution) -> None:
    brings = layer(dist("wheel", "0.45"))
    deletes = layer({f"{SITE}/.wh.wheel-0.45.dist-info": None})
    found = differ(there, [SYSTEM, brings, deletes], [SYSTEM, PROGRAM])
    assert found.packages == ()


def test_a_whole_folder_that_goes_is_looked_into(there: Distribution) -> None:
    without = layer({"usr/local/lib/.wh.python3.11": None})
    found = differ(there, [SYSTEM, PROGRAM], [SYSTEM, PROGRAM, without])
    assert found.packages == (Difference(name="python pip", a="24.0", b=None),)
    assert "system" in read(there)


def test_a_folder_that_is_emptied_keeps_what_comes_with_it(there: Distribution) -> None:
    anew = layer({f"{SITE}/.wh..wh..opq": None, **dist("numpy", "2.0")})
    found = differ(there, [SYSTEM, anew], [SYSTEM, PROGRAM])
    assert found.packages == (
        Difference(name="python numpy", a="2.0", b=None),
        Difference(name="python pip", a=None, b="24.0"),
    )


def test_debian_packages_that_one_image_changes_are_compared_with_the_base(
    there: Distribution,
) -> None:
    changed = layer(dpkg(libc6="2.36", tar="1.35", curl="7.88"))
    found = differ(there, [SYSTEM, changed], [SYSTEM, PROGRAM])
    assert found.packages == (
        Difference(name="debian curl", a="7.88", b=None),
        Difference(name="debian tar", a="1.35", b="1.34"),
    )
    assert "system" in read(there)


def test_debian_packages_that_both_change_need_no_base(there: Distribution) -> None:
    one, two = (layer(dpkg(libc6="2.36", curl=version)) for version in ("7.88", "8.0"))
    found = differ(there, [SYSTEM, one], [SYSTEM, two])
    assert found.packages == (Difference(name="debian curl", a="7.88", b="8.0"),)
    assert "system" not in read(there)


def test_images_with_nothing_in_common_are_read_whole(there: Distribution) -> None:
    distroless = layer(
        {
            "var/lib/dpkg/status.d/libc6": "Package: libc6\nVersion: 2.41\n",
            "var/lib/dpkg/status.d/libc6.md5sums": "Package: no\nVersion: 1\n",
        }
    )
    gone = layer({f"{SITE}/.wh.pip-24.0.dist-info": None})
    found = differ(there, [SYSTEM, gone], [distroless])
    assert found.packages == (
        Difference(name="debian libc6", a="2.36", b="2.41"),
        Difference(name="debian tar", a="1.34", b=None),
    )


def test_what_lies_inside_of_a_package_is_no_package(there: Distribution) -> None:
    vendored = layer(
        {f"{SITE}/setuptools/_vendor/wheel-1.0.dist-info/METADATA": "Name: wheel\nVersion: 1.0\n"}
    )
    assert differ(there, [SYSTEM, vendored], [SYSTEM]).packages == ()


def test_configurations_differ_by_their_settings(there: Distribution) -> None:
    one = {
        "Env": ["PATH=/bin", "A=1=2"],
        "Labels": {"a": "1"},
        "Entrypoint": ["python", "x"],
        "User": "",
    }
    two = {"Env": ["PATH=/bin", "B="], "Labels": {"a": "2"}, "Entrypoint": ["python", "y"]}
    found = differ(
        there, [SYSTEM], [SYSTEM], {"config": one}, {"config": two, "architecture": "arm64"}
    )
    assert found.configuration == (
        Difference(name="entrypoint", a="python x", b="python y"),
        Difference(name="env A", a="1=2", b=None),
        Difference(name="env B", a=None, b=""),
        Difference(name="label a", a="1", b="2"),
        Difference(name="platform", a="linux/amd64", b="linux/arm64"),
    )


def test_a_connection_that_breaks_is_taken_up_again(there: Distribution) -> None:
    new = layer(dist("numpy", "2.0"))
    there.faults += [
        Fault("GET", sha256(new), does)
        for does in (resets, cut_off, answers(503), answers(200, "another content"))
    ]
    found = differ(there, [SYSTEM], [SYSTEM, new])
    assert found.packages == (Difference(name="python numpy", a=None, b="2.0"),)
    assert not any(each.times for each in there.faults)


def test_a_layer_that_is_not_what_its_digest_says_does_not_count(there: Distribution) -> None:
    new = layer(dist("numpy", "2.0"))
    one, two = there.image("one", layers=[SYSTEM]), there.image("two", layers=[SYSTEM, new])
    there.blobs["two"][sha256(new)] = new[:-1] + bytes([new[-1] ^ 1])
    with pytest.raises(ToolError, match=f"sent sha256:.* instead of {sha256(new)}"):
        compare(
            Subject(registry=there.registry, repository="one", digest=one.digest),
            Subject(registry=there.registry, repository="two", digest=two.digest),
        )


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\x28\xb5\x2f\xfd zstd", id="another compression"),
        pytest.param(SYSTEM[: len(SYSTEM) // 2], id="cut off before it was stored"),
    ],
)
def test_a_layer_that_cannot_be_read_is_told(there: Distribution, content: bytes) -> None:
    with pytest.raises(ToolError, match=f"layer {sha256(content)} of .* cannot be read"):
        differ(there, [SYSTEM], [SYSTEM, content])


def test_an_image_that_is_not_there_is_told(there: Distribution) -> None:
    one = there.image("one", layers=[SYSTEM])
    subject = Subject(registry=there.registry, repository="one", digest=one.digest)
    other = Subject(registry=there.registry, repository="two", digest=one.digest)
    with pytest.raises(ToolError, match="/two@sha256:.*` not found"):
        compare(subject, other)


def test_what_is_no_image_is_told(there: Distribution) -> None:
    index = b'{"schemaVersion": 2, "manifests": []}'
    there.manifests[f"one:{sha256(index)}"] = ("application/vnd.oci.image.index.v1+json", index)
    subject = Subject(registry=there.registry, repository="one", digest=sha256(index))
    with pytest.raises(ToolError, match="not a single image with layers"):
        compare(subject, subject)
