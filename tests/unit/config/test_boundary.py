"""Nothing outside of a project is read, unless the user allows it."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
from typing import TYPE_CHECKING

import pytest

from buildkit import cli, project
from buildkit.config import images_toml
from buildkit.config.boundary import Boundary, around
from buildkit.matrix import matrix
from buildkit.render import render
from buildkit.support.errors import ConfigError, Exit, TemplateError
from buildkit.system import reading

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = """
[image.demo]
versions = ["1.0"]
base = "python:3.11-slim"
template = "mine"
"""
BODY = '[[image.demo.samples.payload]]\ncontent-type = "text/csv"\n'
PLACES = [
    pytest.param("context = {}", "context", True, id="context"),
    pytest.param("lock = {}", "lock", False, id="lock"),
    pytest.param("requirements = {}", "requirements", False, id="requirements"),
    pytest.param("samples.code = {}", "samples.code", True, id="code"),
    pytest.param("samples.model = {}", "samples.model", True, id="model"),
    pytest.param("samples.adapter = {}", "samples.adapter", True, id="adapter"),
    pytest.param("samples.channels.a = {}", "samples.channels.a", True, id="a channel"),
    pytest.param("samples.channels.a = {}", "samples.channels.a", False, id="a file as a channel"),
    pytest.param(BODY + "body = {}", "samples.payload.0.body", False, id="body"),
    pytest.param(BODY + 'body = "in.csv"\nanswer = {}', "samples.payload.0.answer", False, id="answer"),
    pytest.param(
        "[[image.demo.override]]\nwhen = {{ device = 'cpu' }}\ncontext = {}",
        "override.0.context",
        True,
        id="an override",
    ),
]  # fmt: skip
KINDS = ["a named pipe", "a socket", "a device"]
WITH_LINKS = [place for place in PLACES if place.values[2]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a project in a repository of git, and secrets beside it."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text("six==1.17.0 --hash=sha256:aa\n")
    inside = tmp_path / "repository" / "project"
    (inside / "templates").mkdir(parents=True)
    (inside.parent / ".git").mkdir()
    (inside / "templates" / "mine.Dockerfile.j2").write_text(
        '{% extends "_base.Dockerfile.j2" %}{% block framework %}'
        "{{ pip.install(target.packages) }}{% endblock %}"
    )
    (inside / "in.csv").write_text("1\n")
    return tmp_path


def expand(home: Path, text: str, *, allow_outside: bool = False) -> tuple[object, ...]:
    file = home / "repository" / "project" / "images.toml"
    file.write_text(IMAGE + text)
    return project.read(file, None, renders=True, allow_outside=allow_outside).targets


def problem(home: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        expand(home, text)
    return caught.value.details


@pytest.mark.parametrize(("text", "key", "folder"), PLACES)
@pytest.mark.parametrize("way", ["absolute", "above", "a link"])
def test_a_path_that_leads_out_is_refused(
    home: Path, text: str, key: str, folder: bool, way: str
) -> None:
    secret = home / "secrets" / ("" if folder else "key")
    (home / "repository" / "project" / "link.txt").symlink_to(secret)
    paths = {"absolute": str(secret), "above": os.path.relpath(secret, home / "repository" / "project"), "a link": "link.txt"}  # fmt: skip
    line = text.format(f'"{paths[way]}"')
    found = problem(home, line)
    number = (IMAGE + line).count("\n") + 1
    assert found.startswith(f"images.toml:{number}: image.demo.{key}: `{paths[way]}` ")
    assert f"outside of the project `{home / 'repository'}`" in found
    assert "`--allow-outside`" in found
    assert way == "absolute" or f"leads to `{secret}`" in found
    if not text.startswith("requirements"):
        assert expand(home, line, allow_outside=True)


@pytest.mark.parametrize(("text", "key", "folder"), WITH_LINKS)
@pytest.mark.parametrize("to", ["../../../secrets/key", "../../../secrets", "absent"])
def test_a_link_below_a_folder_that_leads_out_is_refused(
    home: Path, text: str, key: str, folder: bool, to: str
) -> None:
    below = home / "repository" / "project" / "data" / "deep"
    below.mkdir(parents=True)
    end = to.replace("../../..", str(home)) if to != "absent" else str(home / "absent")
    (below / "link").symlink_to(end)
    line = text.format('"data"')
    found = problem(home, line)
    assert f"image.demo.{key}: the link `data/deep/link` leads to `{end}`" in found
    assert "`--allow-outside`" in found
    assert expand(home, line, allow_outside=True)


@pytest.mark.parametrize(("text", "key", "folder"), PLACES)
def test_what_lies_in_the_repository_is_read_also_above_the_file(
    home: Path, text: str, key: str, folder: bool
) -> None:
    (home / "repository" / "shared").mkdir()
    (home / "repository" / "shared" / "key").write_text(
        "six==1.17.0\n" if key == "requirements" else "six==1.17.0 --hash=sha256:aa\n"
    )
    (home / "repository" / "shared" / "link").symlink_to("key")
    path = "../shared" if folder else "../shared/link"
    assert expand(home, text.format(f'"{path}"'))


def test_without_git_a_project_ends_at_its_folder(home: Path) -> None:
    (home / "repository" / ".git").rmdir()
    (home / "repository" / "data").mkdir()
    assert "outside of the project" in problem(home, 'samples.code = "../data"')


def test_a_root_of_git_is_known_by_a_file_too(home: Path) -> None:
    """As of a worktree or a submodule."""
    (home / "repository" / ".git").rmdir()
    (home / "repository" / ".git").write_text("gitdir: elsewhere")
    assert around(home / "repository" / "project") == Boundary(root=home / "repository")


@pytest.mark.parametrize("above", [False, True])
def test_versioned_dotfiles_make_no_project_of_a_home(
    home: Path, monkeypatch: pytest.MonkeyPatch, above: bool
) -> None:
    inside = home / "repository" / "project"
    monkeypatch.setenv("HOME", str(home / "repository" / ("project" if above else "")))
    assert around(inside) == Boundary(root=inside)


def test_a_link_of_a_context_that_no_build_is_given_does_not_matter(home: Path) -> None:
    inside = home / "repository" / "project"
    (inside / "link").symlink_to(home / "secrets")
    (inside / ".dockerignore").write_text("link\n")
    assert expand(home, 'context = "."')
    assert "the link `link`" in problem(home, 'samples.code = "."')


def test_an_ignore_file_that_leads_out_is_not_read(home: Path) -> None:
    inside = home / "repository" / "project"
    (home / "secrets" / "ignore").write_text("*\n")
    (inside / ".dockerignore").symlink_to(home / "secrets" / "ignore")
    (inside / "link").symlink_to(home / "secrets")
    found = problem(home, 'context = "."')
    assert "the link `.dockerignore`" in found
    assert "the link `link`" in found


def test_images_toml_itself_may_not_lead_out(home: Path) -> None:
    inside = home / "repository" / "project"
    (home / "secrets" / "images.toml").write_text(IMAGE)
    (inside / "images.toml").symlink_to(home / "secrets" / "images.toml")
    with pytest.raises(ConfigError, match="leads to .*secrets/images.toml`, outside of"):
        images_toml.read(inside / "images.toml")
    assert images_toml.read(inside / "images.toml", allow_outside=True).images


@pytest.mark.parametrize("include", ["etc/key", "key", "inside/far"])
def test_a_template_reads_no_file_that_a_link_leads_out_to(home: Path, include: str) -> None:
    inside = home / "repository" / "project"
    (inside / "templates" / "etc").symlink_to(home / "secrets")
    (inside / "templates" / "key").symlink_to(home / "secrets" / "key")
    (inside / "other").mkdir()
    (inside / "templates" / "inside").symlink_to("../other")
    (inside / "other" / "far").symlink_to(home / "secrets" / "key")
    (inside / "templates" / "mine.Dockerfile.j2").write_text(
        f'FROM {{{{ target.base }}}}\n# {{% include "{include}" %}}'
    )
    (target,) = expand(home, "")
    with pytest.raises(TemplateError) as caught:
        render.render(target, render.templates(inside))  # type: ignore[arg-type]
    assert f"demo-1.0-cpu-py311: mine.Dockerfile.j2: `{include}` leads to " in caught.value.message
    assert "--allow-outside" in caught.value.message
    allowed = render.templates(inside, around(inside, open_=True))
    assert "--hash=sha256:aa" in render.render(target, allowed).dockerfile  # type: ignore[arg-type]


def test_a_folder_of_templates_may_not_lead_out(home: Path) -> None:
    inside = home / "repository" / "project"
    shutil.move(inside / "templates", home / "secrets" / "templates")
    (inside / "templates").symlink_to(home / "secrets" / "templates")
    with pytest.raises(TemplateError, match="outside of the project"):
        expand(home, "")
    assert expand(home, "", allow_outside=True)


@pytest.mark.parametrize("what", ["the folder", "a link in it"])
def test_programs_of_the_project_s_own_may_not_lead_out(home: Path, what: str) -> None:
    inside = home / "repository" / "project"
    runtime = inside / "templates" / "runtime"
    if what == "the folder":
        runtime.symlink_to(home / "secrets")
    else:
        runtime.mkdir()
        (runtime / "key").symlink_to(home / "secrets" / "key")
    with pytest.raises(TemplateError, match=f"leads to `{home}/secrets"):
        _ = render.templates(inside).runtime
    assert render.templates(inside, around(inside, open_=True)).runtime == runtime


def test_the_templates_that_come_with_the_tool_are_none_of_this(home: Path) -> None:
    inside = home / "repository" / "project"
    (inside / "templates" / "linked").symlink_to(render.shipped())
    source = render.templates(inside)
    assert source.has("sklearn")
    assert source.has("linked/sklearn")
    assert source.runtime == render.shipped() / "runtime"


@pytest.mark.parametrize(("text", "key", "folder"), PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_has_no_end_is_never_read(
    home: Path, text: str, key: str, folder: bool, kind: str
) -> None:
    inside = home / "repository" / "project"
    if kind == "a named pipe":
        os.mkfifo(inside / "odd")
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as opened:
            os.chdir(inside)  # the name of a socket is short
            opened.bind("odd")
    else:
        (inside / "odd").symlink_to("/dev/zero")
    with pytest.raises(ConfigError) as caught:
        expand(home, text.format('"odd"'), allow_outside=True)
    assert f"image.demo.{key}: " in caught.value.details
    assert f"is {kind}, " in caught.value.details


@pytest.mark.parametrize("name", ["dist", "dockerfiles"])
def test_results_are_not_written_where_a_link_of_the_project_leads_out_to(
    home: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = home / "repository" / "project"
    (inside / "images.toml").write_text(IMAGE)
    (inside / name).symlink_to(home / "secrets")
    file = str(inside / "images.toml")
    assert cli.run(["render", "-f", file]) == Exit.USAGE
    assert f"`{name}` leads to `{home}/secrets`, outside of" in capsys.readouterr().err
    assert [path.name for path in (home / "secrets").iterdir()] == ["key"]
    option = "--dist" if name == "dist" else "--output"
    assert cli.run(["render", "-f", file, option, str(home / "elsewhere")]) == Exit.DONE
    assert cli.run(["render", "-f", file, "--allow-outside"]) == Exit.DONE
    assert (home / "secrets" / "demo-1.0-cpu-py311").is_dir()


WRITTEN = [
    pytest.param("dockerfiles/{}", "", id="a folder of Dockerfiles"),
    pytest.param("dockerfiles/{}/Dockerfile", "key", id="a Dockerfile"),
    pytest.param("dist/{}", "", id="a folder of records"),
    pytest.param("dist/{}/rendered.json", "key", id="a record"),
    pytest.param("dist/{}/built.json", "new", id="a record that another command writes"),
    pytest.param("dist/{}/test", "", id="what a test leaves"),
]


@pytest.mark.parametrize(("path", "to"), WRITTEN)
@pytest.mark.parametrize("named", [False, True])
def test_results_are_not_written_where_a_link_among_them_leads_out_to(
    home: Path, capsys: pytest.CaptureFixture[str], path: str, to: str, named: bool
) -> None:
    """Also where the user named the folder: that may be anywhere, what a project brings may not."""
    inside = home / "repository" / "project"
    (inside / "images.toml").write_text(IMAGE)
    folder = home / "elsewhere" if named else inside
    link = folder / path.format("demo-1.0-cpu-py311")
    link.parent.mkdir(parents=True)
    link.symlink_to(home / "secrets" / to)
    words = ["render", "-f", str(inside / "images.toml")]
    if named:
        words += ["--dist", str(folder / "dist"), "--output", str(folder / "dockerfiles")]
    assert cli.run(words) == Exit.USAGE
    said = capsys.readouterr().err
    assert f"`{link}" in said
    assert f"leads to `{home}/secrets" in said
    assert "`--allow-outside`" in said
    assert [each.name for each in (home / "secrets").iterdir()] == ["key"]
    assert not [each for each in folder.rglob("*.json") if each != link]
    assert cli.run([*words, "--allow-outside"]) == Exit.DONE


def test_results_may_be_where_a_link_inside_of_the_project_leads_to(home: Path) -> None:
    inside = home / "repository" / "project"
    (inside / "images.toml").write_text(IMAGE)
    (inside / "dockerfiles").mkdir()
    (home / "repository" / "kept").mkdir()
    (inside / "dockerfiles" / "demo-1.0-cpu-py311").symlink_to(home / "repository" / "kept")
    words = ["render", "-f", str(inside / "images.toml")]
    assert cli.run(words) == Exit.DONE
    assert cli.run([*words, "--output", str(inside / "dockerfiles"), "--check"]) == Exit.DONE
    assert (home / "repository" / "kept" / "Dockerfile").is_file()


@pytest.mark.parametrize("kind", ["a link out", "a named pipe", "a device"])
def test_no_dockerfile_to_compare_with_is_anything_but_a_file_of_the_project(
    home: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    inside = home / "repository" / "project"
    (inside / "images.toml").write_text(IMAGE)
    there = inside / "dockerfiles" / "demo-1.0-cpu-py311" / "Dockerfile"
    there.parent.mkdir(parents=True)
    if kind == "a named pipe":
        os.mkfifo(there)
    else:
        there.symlink_to("/dev/zero" if kind == "a device" else home / "secrets" / "key")
    words = ["render", "--check", "-f", str(inside / "images.toml")]
    code = cli.run([*words, "--allow-outside"] if kind == "a device" else words)
    said = capsys.readouterr()
    assert code == (Exit.USAGE if kind == "a link out" else Exit.TOOL)
    assert str(there) in said.err
    assert ("leads to" if kind == "a link out" else f"is {kind}, not a file") in said.err
    assert "hash" not in said.err + said.out


@pytest.mark.parametrize(("text", "key", "folder"), WITH_LINKS)
@pytest.mark.parametrize("what", [*itertools.product(KINDS, [False, True])], ids=str)
def test_what_has_no_end_is_found_below_a_folder(
    home: Path, text: str, key: str, folder: bool, what: tuple[str, bool]
) -> None:
    kind, linked = what
    below = home / "repository" / "project" / "data" / "deep"
    below.mkdir(parents=True)
    there = home / "repository" / "far" if linked else below / "odd"
    if kind == "a named pipe":
        os.mkfifo(there)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as opened:
            os.chdir(there.parent)  # the name of a socket is short
            opened.bind(there.name)
    else:
        there.symlink_to("/dev/zero")
    if linked:
        (below / "odd").symlink_to(there)
    with pytest.raises(ConfigError) as caught:
        expand(home, text.format('"data"'), allow_outside=True)
    assert f"image.demo.{key}: `data/deep/odd` is {kind}, which" in caught.value.details
    assert (".dockerignore" in caught.value.details) is key.endswith("context")


def test_a_pipe_of_a_context_that_no_build_is_given_does_not_matter(home: Path) -> None:
    inside = home / "repository" / "project"
    os.mkfifo(inside / "odd")
    (inside / ".git").mkdir()
    os.mkfifo(inside / ".git" / "of-git")
    assert "`odd` is a named pipe" in problem(home, 'context = "."')
    (inside / ".dockerignore").write_text("odd\n")
    assert expand(home, 'context = "."')
    (inside / ".dockerignore").unlink()
    os.mkfifo(inside / ".dockerignore")
    assert "`.dockerignore` is a named pipe" in problem(home, 'context = "."')


@pytest.mark.parametrize("kind", ["a named pipe", "a device", "a folder"])
@pytest.mark.parametrize("name", ["sklearn.Dockerfile.j2", "_base.Dockerfile.j2"])
def test_no_template_of_ours_stands_in_for_one_of_the_project_that_is_no_file(
    home: Path, capsys: pytest.CaptureFixture[str], name: str, kind: str
) -> None:
    inside = home / "repository" / "project"
    (inside / "images.toml").write_text(IMAGE.replace('"mine"', '"sklearn"'))
    there = inside / "templates" / name
    if kind == "a named pipe":
        os.mkfifo(there)
    elif kind == "a device":
        there.symlink_to("/dev/zero")
    else:
        there.mkdir()
    words = ["render", "-f", str(inside / "images.toml")]
    assert cli.run([*words, "--allow-outside"]) == Exit.TEMPLATE
    assert f"`{name}` is {kind}, not a file" in capsys.readouterr().err
    assert cli.run(words) == Exit.TEMPLATE
    assert name in capsys.readouterr().err
    assert not (inside / "dockerfiles").exists()


@pytest.mark.parametrize("name", ["templates", "templates/runtime"])
@pytest.mark.parametrize("kind", ["a named pipe", "a file", "nothing"])
def test_no_folder_of_ours_stands_in_for_one_of_the_project_that_is_no_folder(
    home: Path, name: str, kind: str
) -> None:
    inside = home / "repository" / "project"
    shutil.rmtree(inside / "templates")
    there = inside / name
    there.parent.mkdir(exist_ok=True)
    if kind == "a named pipe":
        os.mkfifo(there)
    elif kind == "a file":
        there.write_text("")
    else:
        there.symlink_to("absent")
    with pytest.raises(TemplateError) as caught:
        _ = render.templates(inside).runtime
    assert str(there) in caught.value.message
    assert ("No such file" if kind == "nothing" else f"is {kind}, not a folder") in str(
        caught.value
    )


def test_programs_of_the_project_s_own_are_files(home: Path) -> None:
    runtime = home / "repository" / "project" / "templates" / "runtime"
    runtime.mkdir()
    os.mkfifo(runtime / "odd")
    with pytest.raises(TemplateError, match="runtime/odd` is a named pipe"):
        _ = render.templates(runtime.parents[1]).runtime


def test_a_file_is_read_up_to_its_limit_also_if_it_tells_no_size(tmp_path: Path) -> None:
    (tmp_path / "four").write_bytes(b"1234")
    assert reading.content(tmp_path / "four", 4) == b"1234"
    with pytest.raises(ValueError, match="`four` has 4 bytes, more than the limit of 3"):
        reading.content(tmp_path / "four", 3)
    with pytest.raises(ValueError, match="`status` has more bytes than the limit of 3"):
        reading.content("/proc/self/status", 3)


def test_what_becomes_a_pipe_after_it_was_looked_at_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(reading, "check", lambda *_: None)
    with pytest.raises(ValueError, match="`pipe` is a named pipe, not a file"):
        reading.content(tmp_path / "pipe", 3)


def test_a_body_has_a_largest_size(home: Path) -> None:
    inside = home / "repository" / "project"
    with (inside / "large").open("wb") as file:
        file.truncate(100 * 1024**2)
        assert expand(home, BODY + 'body = "large"')
        file.truncate(100 * 1024**2 + 1)
        found = problem(home, BODY + 'body = "large"')
    assert "`large` has 104,857,601 bytes, more than the limit of 104,857,600" in found


@pytest.mark.parametrize("key", ["lock", "requirements"])
def test_a_file_that_is_read_whole_has_a_largest_size(home: Path, key: str) -> None:
    with (home / "repository" / "project" / "large").open("wb") as file:
        file.truncate(16 * 1024**2 + 1)
    assert "more than the limit" in problem(home, f'{key} = "large"')


def test_a_file_that_cannot_be_images_toml_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "images.toml")
    with pytest.raises(ConfigError, match="is a named pipe, not a file"):
        images_toml.read(tmp_path / "images.toml")


def test_every_command_that_reads_a_project_has_the_flag(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reads = {*cli.COMMANDS} - {"init", "explain", "completion"}
    parts = {"config": ("show",), "repo": ("plan", "apply"), "cache": ("save", "load")}
    for name in reads:
        for words in [[name, part] for part in parts.get(name, ())] or [[name]]:
            assert cli.run([*words, "--help"]) == Exit.DONE
            assert "--allow-outside" in capsys.readouterr().out, name


def test_the_flag_opens_what_a_command_reads(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = home / "repository" / "project" / "images.toml"
    file.write_text(IMAGE + f'context = "{home}/secrets"')
    assert cli.run(["list", "-f", str(file)]) == Exit.USAGE
    assert "--allow-outside" in capsys.readouterr().err
    assert cli.run(["list", "-f", str(file), "--allow-outside"]) == Exit.DONE
    assert (
        cli.run(["build", "--all", "--bake-plan", "-f", str(file), "--allow-outside"]) == Exit.DONE
    )
    assert f'"context": "{home}/secrets"' in capsys.readouterr().out


def test_completion_looks_at_no_template(home: Path) -> None:
    file = home / "repository" / "project" / "images.toml"
    (file.parent / "templates" / "mine.Dockerfile.j2").write_text("{{ 1 / 0 }}")
    file.write_text(IMAGE)
    assert matrix.expand(images_toml.read(file))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a = 1\n# caf\xe9\n", "line 2 is not UTF-8: byte 0xe9 (in Latin-1 `é`)"),
        ("a = 1\n".encode("utf-16"), "the file is UTF-16; save it as UTF-8"),
    ],
)
def test_a_text_that_is_not_utf_8_is_told_with_its_line(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "text").write_bytes(content)
    with pytest.raises(ValueError, match=said.replace("(", r"\(").replace(")", r"\)")):
        reading.text(tmp_path / "text")


def test_a_dockerignore_that_is_a_link_cannot_leave_itself_out(home: Path) -> None:
    context = home / "repository" / "project" / "data"
    context.mkdir()
    (context / ".dockerignore").symlink_to("../../../secrets/key")
    found = problem(home, 'context = "data"')
    assert "replace it with a copy of the file or folder, or pass `--allow-outside`" in found
