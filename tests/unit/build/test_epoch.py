"""The time of images: that of their base, from the engine or the registry, else a fixed one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from buildkit.build import epoch
from buildkit.build.epoch import UNKNOWN, VARIABLE, Base
from buildkit.support.errors import ToolError
from tests.support.distribution import Distribution, layer
from tests.support.registry_server import digest, running

if TYPE_CHECKING:
    from collections.abc import Iterator

INDEX = "application/vnd.oci.image.index.v1+json"
NOVEMBER, CREATED = 1_763_000_000, "2025-11-13T02:13:20.123456789Z"


@pytest.fixture(autouse=True)
def no_time_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def there() -> Iterator[Distribution]:
    with running(Distribution()) as found:
        yield found


def of(reference: str, platform: str = "linux/amd64", in_engine: str | None = None) -> int | None:
    base = Base(reference=reference, platform=platform)
    return epoch.find([base], lambda _image: in_engine, {}).get(base)


@pytest.mark.parametrize(
    ("created", "seconds"),
    [
        (CREATED, NOVEMBER),
        ("2025-11-13T02:13:20Z", NOVEMBER),
        ("2025-11-13T04:13:20+02:00", NOVEMBER),
        ("1970-01-01T00:00:00Z", UNKNOWN),
        ("0001-01-01T00:00:00Z", UNKNOWN),
        ("2025-13-13T02:13:20Z", UNKNOWN),
        ("yesterday", UNKNOWN),
    ],
)
def test_a_base_of_the_engine_has_its_time_there(created: str, seconds: int) -> None:
    assert of("python:3.11", in_engine=created) == seconds


def test_the_registry_is_asked_once_for_each_base(there: Distribution) -> None:
    there.image("python", "3.11", layers=[layer({"x": "1"})], config={"created": CREATED})
    base = Base(reference=f"{there.host}/python:3.11", platform="linux/amd64")
    assert epoch.find([base, base], lambda _image: None, {}) == {base: NOVEMBER}
    assert len([line for line in there.requests if "/v2/python/" in line]) == 2


def test_of_an_index_the_image_of_the_platform_counts(there: Distribution) -> None:
    documents = []
    for day, architecture in ((1, "amd64"), (2, "arm64")):
        config = {"created": f"2025-11-0{day}T00:00:00Z", "architecture": architecture}
        made = there.image("python", layers=[layer({"x": architecture})], config=config)
        platform = {"os": "linux", "architecture": architecture}
        documents.append({"digest": made.digest, "size": 1, "platform": platform})
    content = json.dumps({"mediaType": INDEX, "manifests": documents}).encode()
    there.manifests["python:3.11"] = (INDEX, content)
    there.manifests[f"python:{digest(content)}"] = (INDEX, content)
    day = 24 * 60 * 60
    for name in (":3.11", f"@{digest(content)}", f":3.11@{digest(content)}"):
        one, two = (of(f"{there.host}/python{name}", f"linux/{a}") for a in ("amd64", "arm64"))
        assert one is not None
        assert two == one + day


def test_a_base_without_a_time_gets_a_fixed_one_and_a_line(
    there: Distribution, capsys: pytest.CaptureFixture[str]
) -> None:
    there.image("python", "old", layers=[layer({"x": "1"})])
    assert of(f"{there.host}/python:old") == UNKNOWN
    assert of(f"{there.host}/python:none") is None
    one, two = capsys.readouterr().err.splitlines()
    dated = "creation time unknown, images on it are dated 2000-01-01"
    assert one.startswith(f"{there.host}/python:old: {dated}: ")
    assert two == f"{there.host}/python:none: {dated}: {there.host} has no image for linux/amd64"


def test_a_registry_out_of_reach_is_asked_only_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def paused(_seconds: float) -> None:
        raise AssertionError("a second attempt")

    monkeypatch.setattr("buildkit.system.stopping.pause", paused)
    assert of("127.0.0.1:1/python:3.11") is None
    assert "127.0.0.1:1" in capsys.readouterr().err


def test_a_base_that_is_not_found_has_no_time() -> None:
    def fails(_image: str) -> str | None:
        raise ToolError("the engine is gone")

    base = Base(reference="python:3.11", platform="linux/amd64")
    assert epoch.find([base], fails, {}) == {}


def test_a_time_of_the_user_counts_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "5")
    base = Base(reference="python:3.11", platform="linux/amd64")
    assert epoch.find([base], lambda _image: CREATED, {}) == {}
