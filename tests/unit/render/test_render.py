from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from buildkit.render import render
from buildkit.support.errors import TemplateError
from buildkit.system import reading
from tests.support.projects import MINIMAL, programs, target, targets

ROOT = Path(__file__).parents[3]


def rendered(folder: Path, text: str, **templates: str) -> str:
    (folder / "templates").mkdir(exist_ok=True)
    for name, content in templates.items():
        (folder / "templates" / f"{name}.Dockerfile.j2").write_text(content)
    return render.render(target(text, folder), render.templates(folder)).dockerfile


def test_a_project_s_own_template_extends_the_shipped_base(tmp_path: Path) -> None:
    text = rendered(
        tmp_path,
        MINIMAL,
        demo='{% extends "_base.Dockerfile.j2" %}\n{% block framework %}\nRUN true\n{% endblock %}\n',
    )
    assert "FROM python:3.11-slim AS image\n" in text
    assert "RUN true\n" in text
    assert 'buildkit.target="demo-1.0-cpu-py311"' in text


def test_a_project_s_template_comes_before_a_shipped_one_of_the_same_name(tmp_path: Path) -> None:
    mine = "FROM {{ target.base }}\nRUN mine\n"
    found = rendered(tmp_path, MINIMAL + "template = 'basic'", basic=mine)
    assert found == "FROM python:3.11-slim\nRUN mine\n"


def test_an_image_s_indexes_are_in_the_step_that_installs(tmp_path: Path) -> None:
    text = rendered(
        tmp_path,
        MINIMAL + 'template = "basic"\npackages = ["torch"]\nindexes = ["https://a.example/{py}/"]',
    )
    assert "echo --extra-index-url https://a.example/py311/ )" in text
    assert "id=indexes" in text
    plain = rendered(tmp_path, MINIMAL + 'template = "basic"\npackages = ["torch"]')
    assert "indexes" not in plain
    assert "index-url" not in plain


@pytest.mark.parametrize(
    "template",
    [
        "FROM {{ target.base }}",
        "FROM golang:1.25 AS made\nFROM --platform=linux/amd64 {{ target.base }} AS image",
        "ARG BASE={{ target.base }}\nfrom $BASE",
        "FROM docker.io/library/{{ target.base }}",
        "FROM index.docker.io/library/{{ target.base }}",
        "FROM \\\n{{ target.base }} AS x\nFROM x",
        "FROM \\  \n# why\n\n  python:\\\n3.11-slim AS X\nFROM x",
        "# syntax=docker/dockerfile:1\n# escape=`\nFROM `\n{{ target.base }} AS x\nFROM x",
        "# escape=`\nFROM {{ target.base }}\nCOPY . c:\\\nRUN true",
        "ARG TAG=3.11-slim\nFROM python:${TAG}",
        'ARG V=3.11\nARG TAG="${V}-slim" OTHER=x\nFROM python:$TAG',
        "FROM ${BASE:-python:${V:-3.11}-slim}",
        "ARG X=\nFROM ${X:-python}:3.11${X:+-alpine}-slim",
        "ARG X=\nFROM python${X-x}:3.11-slim",
        "ARG BASE={{ target.base }}\nFROM a\nARG BASE=b\nFROM $BASE",
        "FROM python:3.11-slim${TARGETVARIANT}",
        "FROM a AS python\nFROM {{ target.base }} AS a\nFROM a",
        'FROM {{ target.base }}\nLABEL a="<<EOF"\nRUN cat <<< EOF\nRUN true',
        "FROM {{ target.base }}\nRUN <<-'EOF' <<B\n\tFROM a\n\tEOF\nFROM b\nB\n",
    ],
)
def test_a_template_builds_on_the_base_of_its_target(tmp_path: Path, template: str) -> None:
    assert rendered(tmp_path, MINIMAL, demo=template)


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("FROM python:3.10-slim AS image", "builds on `python:3.10-slim`"),
        ("FROM a\nRUN true\nFROM b\n# FROM python:3.11-slim", "builds on `b`"),
        ("RUN true", "builds on nothing"),
        ("ARG BASE=python:3.10-slim\nFROM $BASE", "builds on `python:3.10-slim`"),
        ("ARG TAG=3.10-slim\nFROM python:${TAG}", "builds on `python:3.10-slim`"),
        ("ARG BASE\nFROM $BASE", "builds on nothing: .* has no value"),
        ("FROM debian:${TARGETARCH}", "builds on `debian:…`"),
        ("FROM {{ target.base }} AS b\nFROM debian:bookworm-slim", "on `debian:bookworm-slim`"),
        ("FROM debian:12 AS x\nFROM {{ target.base }} AS y\nFROM x", "builds on `debian:12`"),
        ("FROM debian:12\nRUN <<EOF\nFROM {{ target.base }}\nEOF", "builds on `debian:12`"),
        ("FROM debian:12\nCOPY <<EOF /a\n EOF\nFROM {{ target.base }}\nEOF", "on `debian:12`"),
        ("FROM debian:12\nRUN a \\\nFROM {{ target.base }}", "builds on `debian:12`"),
        ("FROM python\nRUN echo \\\n# no\nFROM {{ target.base }}", "builds on `python`"),
        ("FROM {{ target.base }}\nFROM example.com/{{ target.base }}", "on `example.com/python"),
    ],
)
def test_a_template_that_builds_on_another_image_is_refused(
    tmp_path: Path, template: str, found: str
) -> None:
    """Lists, ledger, rebuilds and substitutes would speak of an image that is not used."""
    with pytest.raises(TemplateError, match=found) as caught:  # no build gets `args` from outside
        rendered(tmp_path, MINIMAL + "args = { BASE = 'debian:12' }", demo=template)
    assert "`base` is `python:3.11-slim`" in caught.value.message
    assert "FROM {{ target.base }}" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        pytest.param("{{ target.verison }}", "demo.Dockerfile.j2:1: `target` has no attribute 'verison'; did you mean `version`", id="a field"),
        pytest.param("{{ target.xyz }}", "no attribute 'xyz'; it has id, name, version, ", id="a field that is like none"),
        pytest.param("{{ target.imag }}", "did you mean `image`", id="a field that is made of others"),
        pytest.param("\n{{ tarket.id }}", "demo.Dockerfile.j2:2: 'tarket' is undefined; did you mean `target`", id="a variable"),
        pytest.param("{{ target.purpose.train }}", "`target.purpose` has no attribute 'train'; did you mean `trains`", id="a field of the purpose"),
        pytest.param("{{ target.device.name_ }}", "`target.device` has no attribute 'name_'; it has value", id="a field of the device"),
        pytest.param('{% import "macros/pip.j2" as pip with context %}\n{{ pip.instal([]) }}', "demo.Dockerfile.j2:2: the imported template has no macro `instal`", id="a macro"),
        pytest.param("\n{{ other }}", "demo.Dockerfile.j2:2: 'other' is undefined$", id="another variable"),
        pytest.param(
            '{% extends "_base.Dockerfile.j2" %}\n{% block framework %}\n\n{{ pip.install(target.package) }}{% endblock %}',
            "demo.Dockerfile.j2:4: `target` has no attribute 'package'; did you mean `packages`",
            id="a field that a macro of ours is given",
        ),
        pytest.param(
            '{% extends "_base.Dockerfile.j2" %}\n{% import "macros/apt.j2" as apt with context %}{% block framework %}\n\n{{ apt.install(3) }}{% endblock %}',
            "demo.Dockerfile.j2:4: 'int' object is not iterable",
            id="a value that a macro of ours cannot use",
        ),
        pytest.param(
            '{% import "macros/apt.j2" as apt %}FROM {{ target.base }}\n{{ apt.install(["x"]) }}',
            "demo.Dockerfile.j2:2: the macro needs `target`: write `{% import … with context %}`",
            id="a macro of ours without the target",
        ),
        pytest.param("{% if %}", "demo.Dockerfile.j2:1: Expected an expression", id="syntax"),
        pytest.param("FROM x\nRUN echo {#name}", "demo.Dockerfile.j2:2: Missing end of comment tag", id="shell that looks like a comment"),
        pytest.param('{% include "three.Dockerfile.j2" %}', "three.Dockerfile.j2:1: Missing end of comment tag", id="syntax of another file"),
        pytest.param('{% include "absent.j2" %}', "template `absent.j2` not found", id="include"),
        pytest.param('{% extends "_base.Dockerfile.j2" %}', "(?i)required block", id="required block"),
        pytest.param('{% include "demo.Dockerfile.j2" %}', "in a loop: demo.* -> demo", id="itself"),
        pytest.param('{% extends "two.Dockerfile.j2" %}', "in a loop: two.* -> demo.* -> two|demo.* -> two.* -> demo", id="two"),
        pytest.param("{% for i in range(10**9) %}x{% endfor %}", "Range too big", id="an endless loop"),
        pytest.param("{{ target.__class__.__mro__ }}", "unsafe|undefined|no attribute", id="the sandbox"),
        pytest.param('{% include target.name ~ ".Dockerfile.j2" %}', "includes or calls itself endlessly", id="itself, by another way"),
        pytest.param('{{ "a" * 99999999999999 }}', "produces too much text", id="too much text"),
        pytest.param('{{ 10**9 * "a" }}', "produces too much text", id="too much text, turned round"),
        pytest.param('{% set a = ["a"] * 10**9 %}', "produces too much text", id="too long a list"),
        pytest.param("{{ 9**(9**9) }}", "produces too much text", id="too large a number"),
        pytest.param("{% for i in range(99999) %}{% for j in range(99999) %}xxxxxxxxxx{% endfor %}{% endfor %}", "produces too much text", id="too many pieces"),
        pytest.param("{{ 1 / 0 }}", "demo.Dockerfile.j2:1: division by zero", id="arithmetic"),
        pytest.param("{{ 'a' + 1 }}", "demo.Dockerfile.j2:1", id="types"),
        pytest.param("{{ target.packages | nosuch }}", "No filter named 'nosuch'", id="no filter"),
    ],
)  # fmt: skip
def test_a_broken_template_names_target_template_and_line(
    tmp_path: Path, template: str, wanted: str
) -> None:
    with pytest.raises(TemplateError, match=wanted) as caught:
        rendered(
            tmp_path,
            MINIMAL,
            demo=template,
            two='{% include "demo.Dockerfile.j2" %}',
            three="{# open",
        )
    assert "demo-1.0-cpu-py311" in caught.value.message


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ('{% include ["absent", "yes.txt", "later.txt"] %}', "yes"),
        ('{% include ["absent", "yes.txt"] ignore missing %}', "yes"),
        ('{% include "absent" ignore missing %}', ""),
        ('{% include ["absent", "/absent"] ignore missing %}', ""),
        ('{% if false %}{% include "absent" %}{% endif %}', ""),
    ],
)
def test_of_a_list_of_files_the_first_that_exists_is_included(
    tmp_path: Path, template: str, text: str
) -> None:
    (tmp_path / "templates").mkdir()
    for name in ("yes", "later"):
        (tmp_path / "templates" / f"{name}.txt").write_text(name)
    found = rendered(tmp_path, MINIMAL, demo=f"FROM {{{{ target.base }}}}\n# {template}.\n")
    assert found.endswith(f"# {text}.\n")


def test_a_missing_template_names_the_ones_there_are(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="template `demo.Dockerfile.j2` not found") as caught:
        rendered(tmp_path, MINIMAL)
    assert "`sklearn`" in str(caught.value.hint)


def test_a_file_above_the_templates_has_to_move_to_them(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("1")
    template = '{% include "../data/a.csv" %}'
    with pytest.raises(TemplateError, match="template `../data/a.csv` not found") as caught:
        rendered(tmp_path, MINIMAL, demo=template)
    assert str(caught.value.hint).startswith(f"move the file into {tmp_path / 'templates'}, and")


def test_every_template_failure_is_told_not_only_the_first(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    bad = [target(MINIMAL.replace("demo", name), tmp_path) for name in ("one", "two")]
    with pytest.raises(TemplateError, match="2 of 2 targets") as caught:
        render.render_all(bad, render.templates(tmp_path))
    assert "one.Dockerfile.j2" in caught.value.details
    assert "two.Dockerfile.j2" in caught.value.details


@pytest.mark.parametrize(
    "value",
    ['x" RUN rm -rf / "', "$(id)", "${HOME}", "a\\", "a' && id", "{{ 7 * 7 }}", "RUN id", "#"],
)
def test_a_value_never_becomes_an_instruction_or_a_variable(tmp_path: Path, value: str) -> None:
    """Read back as Docker reads it: one instruction, one word, `\\` and `$` escaped."""
    literal = json.dumps(value.replace("{", "{{").replace("}", "}}"))
    text = rendered(
        tmp_path,
        MINIMAL + f"args = {{ ONE = {literal} }}\nlabels = {{ two = {literal} }}\n",
        demo='{% extends "_base.Dockerfile.j2" %}{% block framework %}{% endblock %}',
    )
    quoted = '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"'
    lines = text.splitlines()
    assert f"ARG ONE={quoted}" in lines
    assert f'LABEL "two"={quoted}' in lines
    assert not [line for line in lines if line.startswith("RUN rm")]


def test_packages_are_quoted_for_the_shell(tmp_path: Path) -> None:
    text = rendered(
        tmp_path,
        MINIMAL + "packages = [\"six>1; python_version > '3'\"]",
        demo='{% extends "basic.Dockerfile.j2" %}',
    )
    assert """'six>1; python_version > '"'"'3'"'"'' \\""" in text


def test_each_file_is_read_once_for_all_targets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, read = reading.text, []

    def counted(path: Path) -> str:
        read.append(path.name)
        return text(path)

    monkeypatch.setattr(reading, "text", counted)
    programs(tmp_path / "program")
    source = render.templates(tmp_path)
    several = targets(MINIMAL.replace('"1.0"', '"1", "2"') + BASIC, tmp_path)
    render.render_all(several, source)
    source.texts(several[0])
    macros = ["bytecode.j2", "cuda-compat.sh", "cuda.j2", "pip.j2", "step.j2"]
    assert sorted(read) == ["_base.Dockerfile.j2", "basic.Dockerfile.j2", *macros]


def test_the_committed_dockerfiles_are_what_is_rendered() -> None:
    """The golden files: every change of a template shows in review what it does."""
    from buildkit.config import images_toml
    from buildkit.matrix import matrix

    targets = matrix.expand(images_toml.read(ROOT / "images.toml"))
    found = {path.parent.name: path.read_text() for path in ROOT.glob("dockerfiles/*/Dockerfile")}
    source = render.templates(ROOT)
    assert {t.id: render.render(t, source).dockerfile for t in targets} == found


BASIC = 'template = "basic"\ncontext = "program"'
BEGIN = 'began="$(date +%s.%N)" && sleep 0.1'
LOCKED = (
    MINIMAL
    + """
packages = ["six<2; python_version > '3'", "other[x] @ https://example.com/other.whl"]
lock = "locks/{name}-{py}.txt"
"""
)


def write_lock(folder: Path) -> None:
    (folder / "locks").mkdir()
    (folder / "locks" / "demo-py311.txt").write_text("six==1.17.0 --hash=sha256:aa\n")


def test_with_a_lock_pip_installs_that_alone_and_then_looks_for_the_packages(
    tmp_path: Path,
) -> None:
    write_lock(tmp_path)
    text = rendered(tmp_path, LOCKED, demo='{% extends "sklearn.Dockerfile.j2" %}')
    run = text[text.index("RUN") : text.index("    site=")].splitlines()
    assert [line.strip() for line in run][2:] == [
        "--mount=type=bind,from=runtime,source=requirements.txt,target=/run/requirements.txt \\",
        "--mount=type=bind,from=lock,source=demo-py311.txt,target=/run/lock.txt \\",
        BEGIN + " && PIP_CONFIG_FILE=/run/secrets/pip.conf PIP_RESUME_RETRIES=5 pip install \\",
        "--require-hashes --requirement /run/lock.txt \\",
        "--no-compile --root-user-action=ignore && \\",
        "{ PIP_CONFIG_FILE=/run/secrets/pip.conf pip install --quiet --no-index --require-hashes \\",
        """'six<2; python_version > "3"' \\""",
        "'other[x]' \\",
        "--requirement /run/requirements.txt \\",
        "--root-user-action=ignore || \\",
        """{ echo "the lock does not cover the image's packages, regenerate it: demo-py311.txt" >&2; exit 1; }; } && \\""",
    ]


def test_a_lock_without_packages_is_installed_and_nothing_is_looked_for(tmp_path: Path) -> None:
    write_lock(tmp_path)
    text = rendered(
        tmp_path,
        MINIMAL + 'lock = "locks/{name}-{py}.txt"',
        demo='{% extends "basic.Dockerfile.j2" %}',
    )
    assert "--require-hashes --requirement /run/lock.txt \\\n" in text
    assert text.count("pip install") == 1


@pytest.mark.parametrize("packages", ['target.packages + ("more",)', '["more"]'])
def test_a_template_that_installs_something_else_than_the_lock_is_refused(
    tmp_path: Path, packages: str
) -> None:
    write_lock(tmp_path)
    block = f"{{% block framework %}}{{{{ pip.install({packages}) }}}}{{% endblock %}}"
    with pytest.raises(TemplateError, match="demo.Dockerfile.j2 installs no packages from `lock`"):
        rendered(tmp_path, LOCKED, demo='{% extends "_base.Dockerfile.j2" %}' + block)


def test_a_template_that_is_no_text_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "demo.Dockerfile.j2").write_bytes(b"FROM a\n# caf\xe9\n")
    with pytest.raises(TemplateError, match="demo.Dockerfile.j2: line 2 is not UTF-8: byte 0xe9"):
        render.render(target(MINIMAL, tmp_path), render.templates(tmp_path))


def test_a_template_of_windows_renders_as_any(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "demo.Dockerfile.j2").write_bytes(
        b"\xef\xbb\xbfFROM {{ target.base }}\r\nRUN true\r\n"
    )
    text = render.render(target(MINIMAL, tmp_path), render.templates(tmp_path)).dockerfile
    assert text == "FROM python:3.11-slim\nRUN true\n"


@pytest.mark.parametrize(
    ("line", "delimiter"),
    [
        ('RUN docker inspect --format "{{.Id}}" x', "{{"),
        ('RUN date "+{%Y}"', "{%"),
        ("RUN echo ${#name}", "{#"),
        ("RUN echo ${#name} && y=${x%#}", "{#"),
        ("RUN echo {{ 1 }} ${#name} \\\n  #}", "{#"),
    ],
)
def test_text_that_jinja_takes_for_its_own_has_a_way_out(
    tmp_path: Path, line: str, delimiter: str
) -> None:
    with pytest.raises(TemplateError, match=r"demo.Dockerfile.j2:2: ") as caught:
        rendered(tmp_path, MINIMAL, demo=f"FROM x\n{line}\n")
    assert f"`{delimiter}` begins " in str(caught.value.hint)
    assert f"{{% raw %}}{delimiter}…{{% endraw %}}" in str(caught.value.hint)


GO, WORKFLOW = "a template of Go", "workflow syntax of GitHub"


@pytest.mark.parametrize(
    ("line", "text", "what"),
    [
        ("RUN echo {{ target.name }} {{range .X}}x{{end}}", "{{range .X}}", GO),
        ("RUN docker inspect -f '{{json .Config}}'", "{{json .Config}}", GO),
        ("RUN x '{{- len $x -}}'", None, None),
        ("RUN x '{{ end }}'", "{{ end }}", GO),
        ("LABEL revision=${{ github.sha }}", "${{ github.sha }}", WORKFLOW),
        ("ENV TOKEN=${{secrets.TOKEN}}", "${{secrets.TOKEN}}", WORKFLOW),
        ("{{ target.version }} {{ github.sha }}", None, None),
        ("RUN x=${{ target.nosuch }}", None, None),
        ("RUN x={{ nosuch }}", None, None),
        ("RUN x={{ target .nosuch }}", None, None),
        ("RUN x={{ not (nosuch.x) }}", None, None),
    ],
)
def test_text_of_other_languages_is_recognized(
    tmp_path: Path, line: str, text: str | None, what: str | None
) -> None:
    with pytest.raises(TemplateError, match=r"demo.Dockerfile.j2:2: ") as caught:
        rendered(tmp_path, MINIMAL, demo=f"FROM {{{{ target.base }}}}\n{line}\n")
    if text is None:
        assert "looks like" not in str(caught.value)
        assert "remove it" not in str(caught.value.hint)
        return
    said = f"demo.Dockerfile.j2:2: `{text}` looks like {what}; Jinja reads it as its own"
    assert said in str(caught.value)
    hint = str(caught.value.hint)
    assert f"remove it, or write `{{% raw %}}{text}{{% endraw %}}` where" in hint


def test_a_comment_after_a_line_that_ends_with_a_dollar_sign(tmp_path: Path) -> None:
    text = "FROM {{ target.base }}\nRUN grep ^a$\n{#- note #}\n"
    assert "grep ^a$" in rendered(tmp_path, MINIMAL, demo=text)


def test_labels_are_a_list_of_pairs(tmp_path: Path) -> None:
    text = MINIMAL + "labels = { x = 'y' }"
    with pytest.raises(TemplateError, match=r"write `dict\(target.labels\)\['x'\]`"):
        rendered(tmp_path, text, demo='{{ target.labels["x"] }}')
    made = "FROM {{ target.base }}\nRUN {{ dict(target.labels)['x'] }}"
    assert "RUN y" in rendered(tmp_path, text, demo=made)


@pytest.mark.parametrize("file", ["demo.Dockerfile.j2", "below.Dockerfile.j2", "macros/own.j2"])
def test_a_template_or_one_that_it_uses_says_why_it_is_not_reproducible(
    tmp_path: Path, file: str
) -> None:
    texts = {
        "demo.Dockerfile.j2": '{% extends "below.Dockerfile.j2" %}\n',
        "below.Dockerfile.j2": '{% import "macros/own.j2" as own %}FROM {{ target.base }}\n',
        "macros/own.j2": "{# not quite reproducible: no #}\n",
    }
    (tmp_path / "templates" / "macros").mkdir(parents=True)
    for name, text in texts.items():
        (tmp_path / "templates" / name).write_text(text)
    one = replace(target(), template="demo")
    assert render.templates(tmp_path).why_not_reproducible(one) is None
    comment = "{#- not reproducible: it asks\n  for a licence -#}"
    (tmp_path / "templates" / file).write_text(texts[file] + comment)
    assert render.templates(tmp_path).why_not_reproducible(one) == "it asks for a licence"


def test_no_shipped_template_is_said_to_be_not_reproducible(tmp_path: Path) -> None:
    source = render.templates(tmp_path)
    every = (replace(target(), template=name) for name in source.names)
    assert [each.template for each in every if source.why_not_reproducible(each)] == []
