"""Dockerfiles of earlier runs: always what rendering would make now."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest

from buildkit.model.families import Family
from buildkit.model.features import Feature
from buildkit.model.target import CudaCompat, Device, Payload, Pins, Purpose, Samples, Target
from buildkit.render import remembered, render
from buildkit.support.errors import TemplateError
from buildkit.system import cache
from tests.support.projects import targets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from buildkit.model.target import Rendered

PROJECT = """
[image.demo]
versions = ["1.0", "1.1", "1.2"]
base = "python:{python}-slim"
packages = ["six=={version}"]
"""
SHOWS_ALL = """{% import "macros/own.j2" as own %}
FROM {{ target.base }}
# {{ target }} {{ target.samples }}
{{ own.step() }}
{% if target.lock_file %}
RUN --mount=type=bind,from=lock,source={{ target.lock_file }} true
{% endif %}
{% if target.cuda_compat %}
ENTRYPOINT ["/usr/local/bin/cuda-compat"]
{% endif %}
"""
OTHER: dict[str, Any] = {
    "device": Device.GPU,
    "purpose": Purpose.TRAINING,
    "packages": ("six==2",),
    "cuda_compat": CudaCompat(image="nvidia/cuda:13.0.1-base", driver=535),
    "args": (("a", "b"),),
    "labels": (("a", "b"),),
    "features": (Feature.GPU,),
    "indexes": ("https://a.example/",),
    "source_builds": ("six",),
    "pins": Pins(packages="a" * 64),
    "family": Family(tag="{version}", aliases=("latest",)),
    "network": True,
    "samples": Samples(startup_seconds=60),
    "template": "other",
}
"""Another value of each field that is no text."""
SAMPLES: dict[str, Any] = {
    "hyperparameters": (("a", "b"),),
    "channels": (("a", "b"),),
    "payloads": (Payload(content_type="text/csv", body="b"),),
    "metrics": (("a", "b"),),
    "startup_seconds": 60,
    "environment": (("a", "b"),),
    "default": True,
}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "FEW", 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "templates" / "macros").mkdir(parents=True)
    write(tmp_path, "demo.Dockerfile.j2", SHOWS_ALL)
    write(tmp_path, "other.Dockerfile.j2", SHOWS_ALL + "RUN other\n")
    write(tmp_path, "macros/own.j2", "{% macro step() %}RUN one{% endmacro %}")
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / "templates" / name).write_text(text)


def both(every: Sequence[Target], folder: Path) -> tuple[tuple[Rendered, ...], ...]:
    """What a new run has from the cache, and what it would render."""
    return (
        remembered.render_all(every, render.templates(folder)),
        render.render_all(every, render.templates(folder)),
    )


def again(every: Sequence[Target], folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The targets that a further run renders."""
    rendered: list[str] = []

    def spied(target: Target, source: render.Templates) -> Rendered:
        rendered.append(target.id)
        return original(target, source)

    original = render.render
    with monkeypatch.context() as patch:
        patch.setattr(render, "render", spied)
        remembered.render_all(every, render.templates(folder))
    return rendered


def test_what_has_not_changed_is_rendered_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = targets(PROJECT, folder)
    assert again(every, folder, monkeypatch) == [each.id for each in every]
    assert again(every, folder, monkeypatch) == []
    found, fresh = both(every, folder)
    assert found == fresh


def test_few_targets_are_rendered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = targets(PROJECT, folder)
    monkeypatch.setattr(remembered, "FEW", len(every) + 1)
    for _ in range(2):
        assert again(every, folder, monkeypatch) == [each.id for each in every]


def test_a_run_keeps_the_texts_of_other_targets(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, *others = targets(PROJECT, folder)
    assert again([one], folder, monkeypatch) == [one.id]
    assert again(others, folder, monkeypatch) == [each.id for each in others]
    assert again([one, *others], folder, monkeypatch) == []
    monkeypatch.setattr(remembered, "MOST", 1)
    assert again([replace(one, id="new")], folder, monkeypatch) == ["new"]
    assert again([one, *others], folder, monkeypatch) == [one.id, others[0].id]


@pytest.mark.parametrize(
    "name", [each.name for each in fields(Target) if each.name != "dockerfile"]
)
def test_each_fact_of_a_target_counts(folder: Path, name: str) -> None:
    every = targets(PROJECT, folder)
    before, _ = both(every, folder)
    new = OTHER.get(name, f"/{name}")
    found, fresh = both([replace(each, **{name: new}) for each in every], folder)
    assert found == fresh != before


@pytest.mark.parametrize("name", [each.name for each in fields(Samples)])
def test_each_sample_counts(folder: Path, name: str) -> None:
    (one, *_) = targets(PROJECT, folder)
    both([one], folder)
    new = replace(one.samples, **{name: SAMPLES.get(name, f"/{name}")})
    found, fresh = both([replace(one, samples=new)], folder)
    assert found == fresh


@pytest.mark.parametrize("pins", [Pins(base="sha256:1"), Pins(packages="1" * 64), Pins()])
def test_each_pin_counts(folder: Path, pins: Pins) -> None:
    (one, *_) = targets(PROJECT, folder)
    both([replace(one, pins=Pins(base="sha256:2", packages="2" * 64))], folder)
    found, fresh = both([replace(one, pins=pins)], folder)
    assert found == fresh


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("demo.Dockerfile.j2", "FROM {{ target.base }}\n"),
        ("macros/own.j2", "{% macro step() %}RUN two{% endmacro %}"),
    ],
)
def test_each_file_of_a_template_counts(folder: Path, name: str, text: str) -> None:
    every = targets(PROJECT, folder)
    before, _ = both(every, folder)
    write(folder, name, text)
    found, fresh = both(every, folder)
    assert found == fresh != before


@pytest.mark.parametrize("ending", ["", " ignore missing"])
def test_a_file_that_now_comes_first_in_a_list_counts(folder: Path, ending: str) -> None:
    text = f'FROM {{{{ target.base }}}}\n# {{% include ["first", "second"]{ending} %}}\n'
    write(folder, "demo.Dockerfile.j2", text)
    write(folder, "second", "two")
    every = targets(PROJECT, folder)
    before, _ = both(every, folder)
    write(folder, "first", "one")
    found, fresh = both(every, folder)
    assert "# two" in before[0].dockerfile
    assert "# one" in found[0].dockerfile
    assert found == fresh


def test_a_file_of_the_project_replaces_a_shipped_one(folder: Path) -> None:
    write(folder, "demo.Dockerfile.j2", '{% extends "basic.Dockerfile.j2" %}')
    every = targets(PROJECT, folder)
    both(every, folder)
    write(folder, "basic.Dockerfile.j2", "FROM {{ target.base }}\nRUN mine\n")
    found, fresh = both(every, folder)
    assert found == fresh
    assert "RUN mine" in found[0].dockerfile


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{% include target.name ~ '.j2' %}", id="a file named by the target"),
        pytest.param("{% include 'demo.j2' %}# {{ [1, 2] | random }}", id="a random number"),
        pytest.param(
            "{% include 'demo.j2' %}# {{ lipsum(n=1, html=false) | length }}", id="lipsum"
        ),
        pytest.param("{% include 'demo.j2' %}# {{ [1] | map('string') }}", id="an address"),
    ],
)
def test_a_text_that_follows_from_more_is_not_remembered(
    folder: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, "demo.Dockerfile.j2", text)
    write(folder, "demo.j2", "FROM {{ target.base }}\n")
    every = targets(PROJECT, folder)
    for _ in range(2):
        assert again(every, folder, monkeypatch) == [each.id for each in every]


def test_the_code_that_renders_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = targets(PROJECT, folder)
    both(every, folder)
    monkeypatch.setattr(remembered, "_code", lambda: "newer")
    assert again(every, folder, monkeypatch) == [each.id for each in every]


@pytest.mark.parametrize(
    "bad",
    [
        "{% macro step() %}RUN {{ target.nothing }}{% endmacro %}",
        "{% macro step() %}RUN{% endmakro %}",
        None,
    ],
)
def test_errors_are_the_same(folder: Path, bad: str | None) -> None:
    every = targets(PROJECT, folder)
    both(every[:2], folder)
    if bad is None:
        (folder / "templates" / "macros" / "own.j2").unlink()
    else:
        write(folder, "macros/own.j2", bad)
    errors = []
    for attempt in (remembered.render_all, render.render_all):
        with pytest.raises(TemplateError) as caught:
            attempt(every, render.templates(folder))
        errors.append((caught.value.message, caught.value.details, caught.value.hint))
    assert errors[0] == errors[1]
    assert "3 of 3" in errors[0][0]


def test_an_error_of_some_targets_counts_all(folder: Path) -> None:
    every = targets(PROJECT, folder)
    both(every[:1], folder)
    broken = [every[0], *(replace(each, base="scratch", template="fixed") for each in every[1:])]
    write(folder, "fixed.Dockerfile.j2", "FROM python\n")
    with pytest.raises(TemplateError, match="^2 of 3 targets could not be rendered"):
        remembered.render_all(broken, render.templates(folder))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda text: text[: len(text) // 2], id="cut off"),
        pytest.param(lambda text: text.replace("RUN one", "RUN two"), id="edited"),
        pytest.param(lambda _: "", id="empty"),
        pytest.param(lambda _: "\0", id="other bytes"),
    ],
)
def test_a_damaged_file_is_not_believed(folder: Path, damage: Any) -> None:
    every = targets(PROJECT, folder)
    both(every, folder)
    (file,) = cache.kept(cache.Kind.DOCKERFILES)
    text = file.read_text()
    assert "RUN one" in text
    file.write_text(damage(text))
    found, fresh = both(every, folder)
    assert found == fresh
    assert file.read_text() == text


def test_a_cache_that_cannot_be_written_is_no_error(folder: Path) -> None:
    cache.folder().parent.mkdir(parents=True, exist_ok=True)
    cache.folder().write_text("a file")
    found, fresh = both(targets(PROJECT, folder), folder)
    assert found == fresh


def test_dockerfiles_of_one_s_own_are_read_in_each_run(folder: Path) -> None:
    one, two, _ = targets(PROJECT, folder)
    files = [folder / "one", folder / "two"]
    every = [
        replace(each, template="", dockerfile=str(file))
        for each, file in zip((one, two), files, strict=True)
    ]
    for text in ("FROM a\n", "FROM b\n"):
        files[0].write_text(text)
        files[1].write_text("FROM always the same\n")
        found, fresh = both(every, folder)
        assert found == fresh
        assert found[0].dockerfile == text
