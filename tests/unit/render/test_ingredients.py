"""What a template needs and does not get is a problem of the file, found without a build."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildkit import cli
from buildkit.matrix import matrix
from buildkit.render import dockerfile, program_file, programs, render, stages
from buildkit.support.errors import ConfigError, Exit
from tests.support.projects import parse

if TYPE_CHECKING:
    from buildkit.config.boundary import Boundary
    from buildkit.model.target import Rendered, Target

IMAGE = """
[image.demo]
versions = ["1.0"]
base = "python:3.11-slim"
"""
SHIPPED = ("basic", "r", "script-mode", "framework", "lightgbm")
"""Those that copy from the context, by what their first lines say."""


def expand(folder: Path, text: str, **templates: str) -> tuple[Target, ...]:
    (folder / "templates").mkdir(exist_ok=True)
    for name, content in templates.items():
        (folder / "templates" / f"{name}.Dockerfile.j2").write_text(content)
    return matrix.expand(parse(IMAGE + text, folder), render.templates(folder))


def problem(folder: Path, text: str, **templates: str) -> str:
    with pytest.raises(ConfigError) as caught:
        expand(folder, text, **templates)
    return caught.value.details


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            "template = 'sklaern'",
            "images.toml:5: image.demo.template: template `sklaern` not found; did you mean "
            "`sklearn`? Or create ",
            id="misspelt",
        ),
        pytest.param(
            "template = 'x'", "x.Dockerfile.j2; templates: `basic`, ", id="nothing near"
        ),
        pytest.param(
            "template = 'x'\ncontext = '" + "y" * 5000 + "'", "template `x` not found", id="beside a long path"
        ),
        pytest.param("template = 'templates/sklaern'", "did you mean `sklearn`?", id="with its folder"),
        pytest.param(
            "", "images.toml:2: image.demo.template: template `demo` not found (the default is the image's name)", id="by the name"
        ),
        pytest.param(
            "[[image.demo.override]]\nwhen = { device = 'cpu' }\ntemplate = 'x'",
            "images.toml:7: image.demo.override.0.template: template `x` not found",
            id="of an override",
        ),
        pytest.param(
            "[defaults]\ntemplate = 'x'",
            "images.toml:6: defaults.template: template `x` not found",
            id="of the defaults",
        ),
        pytest.param("template = '" + "x" * 5000 + "'", "template `xxx", id="too long for a file"),
    ],
)  # fmt: skip
def test_a_template_that_there_is_none_of(tmp_path: Path, text: str, said: str) -> None:
    found = problem(tmp_path, text)
    assert said in found
    assert f"{tmp_path}/templates/" in found


@pytest.mark.parametrize("name", ["_base", "_", "_mine", "_nosuch"])
@pytest.mark.parametrize("table", ["", "[defaults]\n"])
def test_a_template_for_others_to_extend_is_no_template_of_an_image(
    tmp_path: Path, name: str, table: str
) -> None:
    found = problem(tmp_path, f"{table}template = '{name}'", _mine=BASE)
    assert found.startswith(
        f"images.toml:{6 if table else 5}: {'defaults' if table else 'image.demo'}.template: "
        f"`{name}` cannot be the template of an image: templates that begin with `_` are for "
        "others to extend; templates: `basic`"
    )
    assert "create" not in found


@pytest.mark.parametrize("name", ["..", "../x", "a/../../x", "/x", "a//x", "./x", "a/"])
def test_no_file_is_advised_that_would_not_be_found(tmp_path: Path, name: str) -> None:
    found = problem(tmp_path, f"template = '{name}'")
    assert f"`{name}` is not the name of a template: templates are files in {tmp_path}" in found
    assert "create" not in found
    for written in ("../templates/mine", "/mine", "./mine", "//mine"):
        found = problem(tmp_path, f"template = '{written}'", mine=BASE)
        assert "did you mean `mine`?" in found


@pytest.mark.parametrize("written", ["basic.Dockerfile.j2", "templates/basic"])
def test_a_template_with_its_folder_or_ending_is_meant(tmp_path: Path, written: str) -> None:
    found = problem(tmp_path, f"template = '{written}'")
    assert found.endswith(f"template `{written}` not found; did you mean `basic`?")


def test_the_file_that_is_advised_is_found(tmp_path: Path) -> None:
    for name in ("x", "a/x"):
        found = problem(tmp_path, f"template = '{name}'")
        path = Path(found.partition("create ")[2].partition(";")[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(BASE)
        assert expand(tmp_path, f"template = '{name}'")
        path.unlink()


def test_the_list_of_templates_is_told_once(tmp_path: Path) -> None:
    other = IMAGE.replace("demo", "other")
    found = problem(tmp_path, f"template = 'x'\n{other}template = 'y'").splitlines()
    assert "template `x` not found; create " in found[0]
    assert "templates: `basic`, " in found[0]
    assert found[1].endswith("y.Dockerfile.j2")


@pytest.mark.parametrize("template", SHIPPED)
def test_a_shipped_template_that_copies_needs_a_context(tmp_path: Path, template: str) -> None:
    found = problem(tmp_path, f"template = '{template}'")
    assert "images.toml:2: image.demo.context: the template" in found
    assert "uses the build context" in found
    assert 'write `context = "…"`' in found


def test_all_other_shipped_templates_need_none(tmp_path: Path) -> None:
    names = {*render.templates(tmp_path).names} - {*SHIPPED}
    assert len(names) > 8
    for name in names:
        assert expand(tmp_path, f"template = '{name}'")


BASE = "FROM {{ target.base }} AS image\n"


@pytest.mark.parametrize(
    ("template", "needs"),
    [
        ("COPY . /x/", True),
        ("copy --chown=1:1 a b /x/", True),
        ('COPY ["a", "/x"]', True),
        ("ADD a.tar.gz /x/", True),
        ("COPY \\\n  # why\n  a \\\n  /x/", True),
        ("RUN --mount=type=bind,source=a,target=/a cat /a", True),
        ("RUN --mount=target=/a ls /a", True),
        ("COPY --from=runtime . /x/", False),
        ("COPY --from=python:3.11 /usr/bin/env /x/", False),
        ("ADD https://example.com/x /x", False),
        ("ADD git@example.com:a/b.git /x", False),
        ("COPY <<EOF /x\nCOPY a b\nEOF", False),
        ("RUN <<EOF\nCOPY a b\nEOF\nRUN true", False),
        ("# COPY a b", False),
        ("RUN --mount=type=cache,target=/a true", False),
        ("RUN --mount=type=bind,from=wheels,target=/a true", False),
        ("RUN echo COPY . /x", False),
    ],
)
def test_what_a_template_of_one_s_own_copies_is_read_as_docker_reads_it(
    tmp_path: Path, template: str, needs: bool
) -> None:
    if needs:
        found = problem(tmp_path, "template = 'mine'", mine=BASE + template)
        assert "but the image has no context" in found
    else:
        assert expand(tmp_path, "template = 'mine'", mine=BASE + template)


def program(folder: Path, name: str = "program/train", mode: int = 0o644) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(mode)


def programs_with_a_bad_one(folder: Path) -> None:
    """`train` is not executable, `serve` and another `train` are."""
    program(folder)
    for name in ("program/serve", "program/good/train"):
        program(folder, name, 0o755)


@pytest.mark.parametrize("template", ["basic", "r"])
@pytest.mark.parametrize("name", ["train", "serve"])
def test_a_program_without_its_run_bit_is_found(tmp_path: Path, template: str, name: str) -> None:
    for each in ("train", "serve"):
        program(tmp_path, f"program/{each}", 0o644 if each == name else 0o755)
    text = f"template = '{template}'\ncontext = 'program'"
    assert problem(tmp_path, text) == (
        f"images.toml:6: image.demo.context: the image could not start `{name}`: its file is "
        f"not executable; run `chmod +x {tmp_path}/program/{name}`, and commit that"
    )
    (tmp_path / "program" / name).chmod(0o755)
    assert expand(tmp_path, text)


def test_a_link_to_a_program_counts_by_what_it_leads_to(tmp_path: Path) -> None:
    program(tmp_path, "program/run")
    (tmp_path / "program" / "train").symlink_to("run")
    program(tmp_path, "program/serve", 0o755)
    text = "template = 'basic'\ncontext = 'program'"
    assert "could not start `train`" in problem(tmp_path, text)
    (tmp_path / "program" / "run").chmod(0o755)
    assert expand(tmp_path, text)


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("COPY train /usr/local/bin/", True),
        ("{% import 'macros/step.j2' as step %}{{ step.copy('.', '/usr/bin/') }}", True),
        ("{% import 'macros/step.j2' as step %}{{ step.copy('train', '/usr/bin/') }}", True),
        ("{% import 'macros/step.j2' as step %}{{ step.copy('train', '/opt/data/') }}", False),
        (
            "WORKDIR /usr\n{% import 'macros/step.j2' as step %}{{ step.copy('train', 'bin') }}",
            True,
        ),
        ("COPY train /usr/local/bin/train", True),
        ("COPY train serve /usr/bin/", True),
        ("WORKDIR /opt/a\nENV PATH=$PATH:/opt/a\nCOPY . ./", True),
        ('ENV A=b PATH="/opt/a/:$PATH"\nCOPY . /opt/a', True),
        ("COPY --chmod=755 train /usr/local/bin/", False),
        ("COPY train /usr/local/bin/\nRUN chmod +x /usr/local/bin/train", False),
        ("COPY train /usr/local/bin/other", False),
        ("COPY . /opt/data/", False),
        ('COPY . /usr/bin/\nENTRYPOINT ["python", "/usr/bin/run.py"]', False),
        ("COPY . /usr/bin/\nFROM {{ target.base }}\nRUN true", False),
        ("COPY . /usr/local\nENV PATH=/usr/local/", True),
        ("COPY . /usr/local/\nENV PATH=$PATH:/usr/local", True),
        ("COPY . /opt/a/\nENV PATH /opt/a:$PATH", True),
        ("ARG DIR=/opt/a\nCOPY . $DIR/\nENV PATH=${DIR}:$PATH", True),
        ("ARG DIR=/opt/a\nENV DIR=/opt/b\nARG DIR=/opt/a\nCOPY . $DIR/\nENV PATH=/opt/b", True),
        ("COPY . $DIR/\nENV PATH=$DIR:$PATH", False),
        ("COPY . bin/\nENV PATH=/bin:$PATH", False),
        ("COPY --chmod=644 . /usr/bin/", True),
        ("COPY --chmod=a+x . /usr/bin/", False),
        ("COPY --chmod=$MODE . /usr/bin/", False),
        ("COPY . /usr/bin/\nFROM image\nLABEL a=b", True),
        ("COPY . /usr/bin/\nFROM image\nRUN true", False),
        ("COPY . /usr/bin/\nWORKDIR /x\nEXPOSE 1\nUSER root\nCMD train", True),
    ],
)
def test_a_program_is_one_where_the_image_looks_for_it(
    tmp_path: Path, template: str, found: bool
) -> None:
    program(tmp_path)
    program(tmp_path, "program/serve", 0o755)
    text = "template = 'mine'\ncontext = 'program'"
    if found:
        assert "could not start `train`" in problem(tmp_path, text, mine=BASE + template)
    else:
        assert expand(tmp_path, text, mine=BASE + template)


@pytest.mark.parametrize(
    "later",
    [
        "RUN chmod +x /opt/a/train",
        "RUN <<EOF\nchmod +x /opt/a/train\nEOF",
        'RUN ["chmod", "+x", "/opt/a/train"]',
        "WORKDIR /opt/a\nRUN chmod +x *",
        "RUN sed -i 's/x/y/' /opt/a/*",
        "RUN rm /opt/a/train && ln -s /opt/other /opt/a/train",
        "RUN mv /opt/other /opt/a/train",
        "RUN make install",
        "COPY good/train /opt/a/",
        "COPY good/train /opt/a/train",
        "COPY good/train /opt/a",
        "COPY good /opt/a/",
        "COPY good /usr/local/bin/",
        "COPY goo* /opt/a/",
        "COPY --from=other /x /opt/a/train",
        "COPY --from=other /x /opt/",
        "COPY --from=other /x $WHERE",
        "COPY . /opt/\nENV PATH=/opt/good:$PATH",
        "ADD https://example.com/train /opt/a/",
        "ADD good /opt/",
        "COPY <<EOF /usr/bin/train\n#!/bin/sh\nEOF",
        "{% import 'macros/step.j2' as step %}{{ step.copy('good/.', '/usr/bin/') }}",
        "{% import 'macros/step.j2' as step %}{{ step.copy('good/train', '/usr/bin/') }}",
        'ENTRYPOINT ["bash"]',
    ],
)
def test_what_another_step_may_change_is_not_judged(tmp_path: Path, later: str) -> None:
    """Only a test of the built image can. Each step is fatal for the judgement alone."""
    programs_with_a_bad_one(tmp_path)
    copy = f"{BASE}COPY train serve /opt/a/\nENV PATH=/opt/a:$PATH\n"
    text = "template = 'mine'\ncontext = 'program'"
    assert "could not start `train`" in problem(tmp_path, text, mine=copy)
    assert expand(tmp_path, text, mine=copy + later)


@pytest.mark.parametrize(
    "earlier",
    [
        "RUN pip install sagemaker-training",
        "RUN <<EOF\nln -s /opt/x /usr/bin/train\nEOF",
        "COPY good /usr/bin/",
        "COPY --from=other /bin/ /usr/bin/",
    ],
)
def test_an_earlier_step_may_have_made_a_program(tmp_path: Path, earlier: str) -> None:
    programs_with_a_bad_one(tmp_path)
    text = "template = 'mine'\ncontext = 'program'"
    copy = "COPY train serve /opt/a/\nENV PATH=$PATH:/opt/a"
    assert expand(tmp_path, text, mine=f"{BASE}{earlier}\n{copy}")
    others = f"{BASE}RUN pip install numpy\nCOPY --from=other /x /opt/b/\n{copy}"
    assert "could not start `train`" in problem(tmp_path, text, mine=others)


@pytest.mark.parametrize("flag", ["--exclude=train", "--parents", "--from=other"])
def test_flags_that_choose_what_is_copied_are_not_read(tmp_path: Path, flag: str) -> None:
    program(tmp_path)
    program(tmp_path, "program/serve", 0o755)
    text = "template = 'mine'\ncontext = 'program'"
    assert expand(tmp_path, text, mine=f"{BASE}COPY {flag} . /usr/bin/")
    assert "could not start" in problem(tmp_path, text, mine=f"{BASE}COPY --chown=1 . /usr/bin/")


def test_permissions_that_a_copy_takes_away(tmp_path: Path) -> None:
    program(tmp_path, mode=0o755)
    program(tmp_path, "program/serve", 0o755)
    found = problem(
        tmp_path,
        "template = 'mine'\ncontext = 'program'",
        mine=f"{BASE}COPY --chmod=0644 . /usr/bin/",
    )
    assert "`train`: `--chmod=0644` makes it not executable; write `--chmod=755`" in found


def test_a_step_that_copies_a_folder_copies_it_whole(tmp_path: Path) -> None:
    """`cp -r sub /usr/bin/` makes /usr/bin/sub, unlike COPY."""
    program(tmp_path, "program/sub/train")
    program(tmp_path, "program/sub/serve", 0o755)
    step = "{% import 'macros/step.j2' as step %}{{ step.copy('sub', '/usr/bin') }}"
    text = "template = 'mine'\ncontext = 'program'"
    assert expand(tmp_path, text, mine=BASE + step)
    path = "\nENV PATH=/usr/bin/sub"
    assert "could not start `train`" in problem(tmp_path, text, mine=BASE + step + path)


def test_only_stages_that_the_image_needs_are_judged(tmp_path: Path) -> None:
    """BuildKit builds no others."""
    (tmp_path / "program").mkdir()
    text = "template = 'mine'\ncontext = 'program'"
    stage = "FROM {{ target.base }} AS Other\nCOPY nothing /x/\n"
    image = f"{stage}FROM {{{{ target.base }}}}\n"
    assert expand(tmp_path, text, mine=image)
    assert expand(tmp_path, "template = 'mine'", mine=image)
    for use in (
        "COPY --from=other /x /x",
        "COPY --from=0 /x /x",
        "RUN --mount=from=other,target=/x ls /x",
    ):
        assert "copies `nothing`" in problem(tmp_path, text, mine=image + use)
    between = f"{stage}FROM {{{{ target.base }}}} AS b\nCOPY --from=other /x /x\nFROM b"
    assert "copies `nothing`" in problem(tmp_path, text, mine=between)


def test_a_word_that_an_image_does_not_know_is_any_file(tmp_path: Path) -> None:
    program(tmp_path)
    program(tmp_path, "program/serve", 0o755)
    keys = "template = 'basic'\ncontext = 'program'\npurposes = ['inference']"
    assert expand(tmp_path, keys)


OTHER_BASE = "[[image.demo.override]]\nwhen = {{ device = 'cpu' }}\nbase = '{}'"


def basic(folder: Path, keys: str = "", template: str = "basic") -> str:
    """What is wrong with a folder `program`, "" if nothing is."""
    (folder / "program").mkdir(exist_ok=True)
    try:
        expand(folder, f"template = '{template}'\ncontext = 'program'\n{keys}")
    except ConfigError as error:
        return error.details.replace(f"{folder}/", "")
    return ""


@pytest.mark.parametrize(
    ("names", "template", "keys", "said"),
    [
        ([], "basic", "", "takes its programs from program, which is empty"),
        ([".gitkeep"], "r", "", "takes its programs from program, which is empty"),
        (["serve"], "basic", "", "takes its programs from program, which lacks `train`"),
        (["x"], "basic", "", "program, which lacks `train` and `serve`"),
        (["serve"], "basic", "purposes = ['inference']", ""),
        (["train"], "basic", "purposes = ['training']", ""),
        (["train.py", "serve"], "basic", "", "rename `train.py` there to `train`"),
        (["Train", "serve"], "basic", "", "rename `Train` there to `train`"),
        (["train.r", "serve.R"], "r", "", "rename `train.r` there to `train.R`"),
        (["train.R"], "r", "", "program, which lacks `serve.R` or `serve`"),
        (["train.R", "serve"], "r", "", ""),
        (["train.R"], "r", "purposes = ['training']", ""),
        (["serve"], "basic", "packages = ['sagemaker-training']", ""),
        (["x"], "basic", "[[image.demo.override]]\nwhen = {}\nbase = 'team/own'", ""),
        (["x"], "r", "[[image.demo.override]]\nwhen = {}\nbase = 'team/own'", "which lacks `train.R`"),
    ],
)  # fmt: skip
def test_a_context_holds_the_programs_that_the_purpose_needs(
    tmp_path: Path, names: list[str], template: str, keys: str, said: str
) -> None:
    for name in names:
        program(tmp_path, f"program/{name}", 0o755)
    found = basic(tmp_path, keys, template)
    assert said in found
    assert bool(said) is bool(found)


def test_a_template_of_the_project_has_its_programs_where_it_likes(tmp_path: Path) -> None:
    (tmp_path / "program").mkdir()
    text = "template = 'basic'\ncontext = 'program'"
    assert expand(tmp_path, text, basic=BASE + "COPY . /opt/program\nENV PATH=/opt/program:$PATH")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "`train`: program/train is empty"),
        ("#!/bin/sh\r\necho\r\n", "the first line of program/train ends with CR LF"),
        ("#!/usr/bin/env pyton\n", "names the interpreter `pyton`; did you mean `python`?"),
        (
            "#!/usr/bin/env -S -i A=b pyhton3 -u\n",
            "the interpreter `pyhton3`; did you mean `python3`?",
        ),
        ("#!/usr/bin/pyton3.11\n", "interpreter `pyton3.11`; did you mean `python3.11`?"),
        ("#!/bin/bsah\n", "names the interpreter `bsah`; did you mean `bash`?"),
        ("#!/usr/bin/evn python3\n", "names the interpreter `evn`; did you mean `env`?"),
        ("#!/usr/bin/env Rscirpt\n", "names the interpreter `Rscirpt`; did you mean `Rscript`?"),
        ("#!/bin/sh\n", ""),
        ("#!/usr/bin/env perl\n", ""),
        ("#!/usr/bin/env python3\n", ""),
        ("#!/usr/bin/python3.11 -u\n", ""),
        ("#!/opt/conda/bin/own-tool\n", ""),
        ("#!/usr/bin/env nodejs\n", ""),
        ("#!/usr/bin/env -S ipython3\n", ""),
        ("#!/bin/dash\n", ""),
        ("#!/bin/ash\n", ""),
        ("#!/opt/program/pythn\n", ""),
        ("#!/usr/bin/env bash", ""),
        ("#!", "the first line of program/train names no interpreter"),
        ("#! \necho\n", "the first line of program/train names no interpreter"),
        ("#!/usr/bin/env\n", "the first line of program/train names no interpreter"),
        ("#!/usr/bin/env -S\n", "the first line of program/train names no interpreter"),
        ("#!/usr/bin/env -S -i A=b\n", "the first line of program/train names no interpreter"),
        ("#!/usr/bin/env python3 -u\n", "write `#!/usr/bin/env -S python3 -u`"),
        ("#!/usr/bin/env A=b python3\n", "write `#!/usr/bin/env -S A=b python3`"),
        ("#!/usr/bin/env -Spython3 -u\n", ""),
        ("#!/usr/bin/env --split-string=python3 -u\n", ""),
        ("#!/usr/bin/env -vS python3 -u\n", ""),
        (
            "#!python3\n",
            "the interpreter `python3` without its folder; write `#!/usr/bin/env python3`",
        ),
        ("#!pythn\n", ""),
        ("\x7fELF\x02\x01\x01\x00\r\n", ""),
        ("import os\n", "the first line of program/train names no interpreter"),
        ("\ufeff#!/bin/sh\n", "program/train begins with a byte order mark"),
    ],
)
def test_what_cannot_be_started_is_no_program(tmp_path: Path, content: str, said: str) -> None:
    program(tmp_path, "program/serve", 0o755)
    program(tmp_path, "program/pythn", 0o755)
    program(tmp_path, mode=0o755)
    (tmp_path / "program" / "train").write_bytes(content.encode())
    found = basic(tmp_path)
    assert said in found
    assert bool(said) is bool(found)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("base", ["python:3.11-slim", "acme/base:1"])
def test_nothing_starts_a_script_in_wide_characters(
    tmp_path: Path, encoding: str, base: str
) -> None:
    """As Windows' PowerShell writes them."""
    for name, text in (("train", "#!/bin/sh\necho\n"), ("serve", "#!/bin/sh\n")):
        program(tmp_path, f"program/{name}", 0o755)
        (tmp_path / "program" / name).write_bytes(text.encode(encoding))
    found = basic(tmp_path, OTHER_BASE.format(base))
    assert (
        "`train`: program/train is not UTF-8 text, but UTF-16 or UTF-32; save it as UTF-8" in found
    )
    (tmp_path / "program" / "train.R").write_bytes("1\n".encode("utf-16"))
    assert "could not start `train.R`: program/train.R is not UTF-8" in basic(
        tmp_path, template="r"
    )


@pytest.mark.parametrize("text", ["import os\n", "#!\necho\n"])
def test_a_script_without_a_first_line_may_be_read_by_a_shell(tmp_path: Path, text: str) -> None:
    """The entrypoint of another base, or a template of the project, may start one."""
    program(tmp_path, "program/serve", 0o755)
    (tmp_path / "program" / "train").write_text(text)
    (tmp_path / "program" / "train").chmod(0o755)
    assert "names no interpreter" in basic(tmp_path)
    assert basic(tmp_path, "packages = ['sagemaker-training']") == ""


def test_a_program_that_the_build_does_not_see(tmp_path: Path) -> None:
    program(tmp_path, "program/serve", 0o755)
    program(tmp_path, mode=0o755)
    (tmp_path / "program" / ".dockerignore").write_text("tr*\n")
    assert ".dockerignore there leaves out `train`" in basic(tmp_path)


@pytest.mark.parametrize("base", ["node:20", "my-base:1", "acme/base:1"])
def test_the_entrypoint_of_another_base_may_be_a_shell(tmp_path: Path, base: str) -> None:
    for name in ("train", "serve"):
        program(tmp_path, f"program/{name}", 0o755)
        (tmp_path / "program" / name).write_text("echo 1\n")
    assert basic(tmp_path, OTHER_BASE.format(base)) == ""
    assert "names no interpreter" in basic(tmp_path)


def test_a_base_may_have_what_the_build_does_not_see(tmp_path: Path) -> None:
    program(tmp_path, mode=0o755)
    program(tmp_path, "program/serve", 0o755)
    (tmp_path / "program" / ".dockerignore").write_text("train\n")
    assert basic(tmp_path, OTHER_BASE.format("acme/base:1")) == ""


def test_the_wrapper_of_r_takes_the_program_that_the_build_sees(tmp_path: Path) -> None:
    for name in ("train", "serve", "train.R"):
        program(tmp_path, f"program/{name}", 0o755)
    (tmp_path / "program" / ".dockerignore").write_text("*.R\n")
    assert basic(tmp_path, template="r") == ""
    (tmp_path / "program" / ".dockerignore").write_text("*.R\ntrain\n")
    assert ".dockerignore there leaves out `train.R`" in basic(tmp_path, template="r")


def test_data_in_a_folder_with_the_name_of_a_program(tmp_path: Path) -> None:
    """The wrapper of R comes first on PATH; elsewhere PATH has no folders."""
    (tmp_path / "program" / "train").mkdir(parents=True)
    for name in ("train.R", "serve.R"):
        (tmp_path / "program" / name).write_text("1\n")
    assert basic(tmp_path, template="r") == ""
    program(tmp_path, "program/serve", 0o755)
    assert basic(tmp_path, OTHER_BASE.format("acme/base:1")) == ""
    assert "train is a folder" in basic(tmp_path)


@pytest.mark.parametrize("kind", ["outside", "latin-1", "a link to nothing"])
def test_a_dockerignore_that_cannot_be_read_hides_no_program(tmp_path: Path, kind: str) -> None:
    program(tmp_path, mode=0o755)
    program(tmp_path, "program/serve", 0o755)
    ignored = tmp_path / "program" / ".dockerignore"
    if kind == "latin-1":
        ignored.write_bytes("train\ncafé".encode("latin-1"))
    else:
        outside = tmp_path.parent / f"{tmp_path.name}-outside"
        if kind == "outside":
            outside.write_text("train\n")
        ignored.symlink_to(outside)
    assert "leaves out" not in basic(tmp_path)


def test_a_folder_and_a_link_to_nothing_are_no_programs(tmp_path: Path) -> None:
    program(tmp_path, "program/serve", 0o755)
    (tmp_path / "program" / "train").mkdir()
    assert "program/train is a folder, not a file" in basic(tmp_path)
    (tmp_path / "program" / "train").rmdir()
    (tmp_path / "program" / "train").symlink_to("nothing")
    assert "program/train is a link to `nothing`, which does not exist" in basic(tmp_path)
    (tmp_path / "program" / "train").unlink()
    (tmp_path / "program" / "train.R").touch()
    (tmp_path / "program" / "serve.R").write_text("1")
    assert "the image could not start `train.R`: program/train.R is empty" in (
        basic(tmp_path, template="r")
    )
    (tmp_path / "program" / "train.R").unlink()
    (tmp_path / "program" / "train.R").mkdir()
    assert "the image could not start `train.R`: program/train.R is a folder, not a file" in (
        basic(tmp_path, template="r")
    )


def test_a_link_may_lead_to_what_the_image_has(tmp_path: Path) -> None:
    program(tmp_path, "program/serve", 0o755)
    (tmp_path / "program" / "train").symlink_to("/opt/nowhere/train")
    assert "could not start" not in basic(tmp_path)


def test_a_file_that_is_copied_and_not_there_is_found(tmp_path: Path) -> None:
    (tmp_path / "program").mkdir()
    found = problem(tmp_path, "template = 'lightgbm'\ncontext = 'program'")
    assert "copies `handlers_lightgbm.py`, which is not in" in found
    assert "images.toml:6: image.demo.context: " in found
    (tmp_path / "program" / "handlers_lightgbm.py").touch()
    assert expand(tmp_path, "template = 'lightgbm'\ncontext = 'program'")
    assert expand(tmp_path, "template = 'mine'\ncontext = 'program'", mine=BASE + "COPY *.txt /x/")


def test_a_file_that_is_copied_and_left_out_is_found(tmp_path: Path) -> None:
    for name in ("data.csv", "folder/x.csv", "folder/kept"):
        program(tmp_path, f"program/{name}")
    (tmp_path / "program/link").symlink_to("folder")
    (tmp_path / "program/.dockerignore").write_text("*.csv\nfolder\n!folder/kept\nlink/kept\n")
    text = "template = 'mine'\ncontext = 'program'"
    for source in ("data.csv", "/data.csv", "folder/x.csv"):
        found = problem(tmp_path, text, mine=f"{BASE}COPY {source} /x/")
        assert found.endswith(
            f"the template `mine` copies `{source}`, which the .dockerignore of "
            f"{tmp_path}/program leaves out"
        )
    for source in ("folder", "folder/kept", "link/kept", "*.csv"):
        assert expand(tmp_path, text, mine=f"{BASE}COPY {source} /x/")


def test_nothing_leads_above_a_context_as_docker_has_it(tmp_path: Path) -> None:
    (tmp_path / "program").mkdir()
    (tmp_path / "train").touch()
    text = "template = 'mine'\ncontext = 'program'"
    for source in ("../train", "/../train", "a/../../train"):
        found = problem(tmp_path, text, mine=f"{BASE}COPY {source} /usr/bin/train")
        assert f"copies `{source}`, which is not in {tmp_path}/program" in found
    program(tmp_path, mode=0o755)
    assert expand(tmp_path, text, mine=f"{BASE}COPY ../train /usr/bin/train")


def test_a_long_context_is_told_once(tmp_path: Path) -> None:
    found = problem(tmp_path, f"template = 'basic'\ncontext = '{'y' * 300}'")
    assert found.count("\n") == 0
    assert "File name too long" in found


@pytest.mark.parametrize("mine", ["{{ target.nosuch }}", None])
def test_a_template_that_cannot_be_rendered_ends_list_as_it_ends_render(
    tmp_path: Path, mine: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if mine is None:
        (tmp_path / "templates/mine.Dockerfile.j2").mkdir(parents=True)
    assert expand(tmp_path, "template = 'mine'", **({"mine": mine} if mine else {}))
    (tmp_path / "images.toml").write_text(IMAGE + "template = 'mine'")
    said = set()
    for command in ("list", "render"):
        assert cli.run([command, "-f", f"{tmp_path}/images.toml"]) == Exit.TEMPLATE
        said.add(capsys.readouterr().err)
    assert "mine.Dockerfile.j2" in said.pop()
    assert not said


@pytest.mark.parametrize(
    "text",
    ["template = ['sklearn']", "tempalte = 'sklearn'", "template = 'sklearn'\nbase = ''"],
)
def test_what_follows_for_a_template_is_not_reported_as_well(tmp_path: Path, text: str) -> None:
    image = IMAGE.replace('base = "python:3.11-slim"\n', "") if "base" in text else IMAGE
    with pytest.raises(ConfigError, match="1 problem in"):
        matrix.expand(parse(image + text, tmp_path), render.templates(tmp_path))


def test_a_from_without_a_name_builds_on_nothing() -> None:
    for text, base in (("FROM  AS x\n", ""), ("FROM as AS x\n", "as")):
        assert stages.stages(dockerfile.instructions(text))[-1].base == base


def test_a_template_that_builds_on_another_image_is_told_at_the_base(tmp_path: Path) -> None:
    text = "template = 'mine'\npythons = ['3.11', '3.12']\n"
    mine = "FROM python:3.11-slim\n"
    assert expand(tmp_path, text, mine=mine)
    by_python = IMAGE.replace("3.11", "{python}") + text
    with pytest.raises(ConfigError) as caught:
        matrix.expand(parse(by_python, tmp_path), render.templates(tmp_path))
    assert caught.value.details.startswith(
        "images.toml:4: image.demo.base: demo-1.0-cpu-py312: `base` is `python:3.12-slim`, but "
        "mine.Dockerfile.j2 builds on `python:3.11-slim`; write `FROM {{ target.base }}`"
    )


@pytest.mark.parametrize(
    "words",
    [["list"], ["render"], ["render", "--check"], ["build", "--all"], ["ci-matrix", "--all"]],
)
def test_commands_that_render_tell_it(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images.toml").write_text(IMAGE + "template = 'sklaern'")
    assert cli.run([*words, "-f", f"{tmp_path}/images.toml"]) == Exit.USAGE
    assert (
        "images.toml:5: image.demo.template: template `sklaern` not found"
        in capsys.readouterr().err
    )


def test_a_template_of_many_targets_is_judged_once_for_each_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = []
    one = render.render

    def counted(target: Target, source: render.Templates) -> Rendered:
        rendered.append(target)
        return one(target, source)

    monkeypatch.setattr("buildkit.render.ingredients.render.render", counted)
    versions = ", ".join(f'"{number}.0"' for number in range(50))
    text = IMAGE.replace('"1.0"', versions) + "template = 'sklearn'\npythons = ['3.11', '3.12']"
    assert len(matrix.expand(parse(text, tmp_path), render.templates(tmp_path))) == 100
    assert len(rendered) == 1


def test_list_renders_a_template_once_for_each_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = ", ".join(f'"{number}.0"' for number in range(50))
    (tmp_path / "images.toml").write_text(IMAGE.replace('"1.0"', versions) + "template = 'sklearn'")
    filled, one = [], render._filled

    def counted(name: str, target: Target, source: render.Templates) -> str:
        filled.append(target)
        return one(name, target, source)

    monkeypatch.setattr(render, "_filled", counted)
    assert cli.run(["list", "-f", f"{tmp_path}/images.toml"]) == Exit.DONE
    assert len(filled) == 1


def test_a_file_of_several_images_is_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("train", "serve"):
        program(tmp_path, f"program/{name}", 0o755)
    sent, looked = [], []
    one, other = programs.reaches_build, program_file.fault

    def is_sent(context: Path, limits: Boundary, ignore: Path | None, file: Path) -> bool:
        sent.append(file.name)
        return one(context, limits, ignore, file)

    def of_file(file: Path, context: Path, *, runs: bool, started: bool) -> str | None:
        looked.append(file.name)
        return other(file, context, runs=runs, started=started)

    monkeypatch.setattr(programs, "reaches_build", is_sent)
    monkeypatch.setattr(program_file, "fault", of_file)
    same = f"{IMAGE}template = 'basic'\ncontext = 'program'\n"
    text = same + same.replace("demo", "other")
    assert len(matrix.expand(parse(text, tmp_path), render.templates(tmp_path))) == 2
    assert (sorted(sent), sorted(looked)) == (["serve", "train"], ["serve", "train"])


def test_instructions_are_those_of_docker() -> None:
    found = dockerfile.instructions(
        "# syntax=x\nfrom a AS b\nRUN --mount=type=cache,target=/c --network=none \\\n\n  echo \\\n# no\n  1\n"
    )
    assert [(each.word, each.flags, each.rest.split()) for each in found] == [
        ("FROM", (), ["a", "AS", "b"]),
        ("RUN", (("mount", "type=cache,target=/c"), ("network", "none")), ["echo", "1"]),
    ]


@pytest.mark.parametrize(
    ("package", "said"),
    [
        ("r-cran-plumber", ""),
        ("r-cran-plumber=1.2.0-1", ""),
        ("libx=1:2.3~rc1+dfsg-1", ""),
        ("r-base-dev/bookworm-backports", ""),
        ("libc6:amd64", ""),
        ("plumber", "`r-cran-plumber`"),
        ("MASS", "'MASS' is not a Debian package, and apt installs packages here; R's packages have names such as `r-cran-mass`"),
        ("data.table>=1", "`r-cran-data.table`"),
        ("r-cran-mass>=7", "is not a package that apt accepts"),
        ("r-cran-Rcpp", "have names such as `r-cran-rcpp`"),
    ],
)  # fmt: skip
def test_packages_of_r_are_debian_s(tmp_path: Path, package: str, said: str) -> None:
    program(tmp_path, "program/train.R")
    program(tmp_path, "program/serve.R")
    found = basic(tmp_path, f"packages = ['{package}']", "r")
    assert said in found
    assert bool(said) is bool(found)
    # R itself may install them in a template of the project.
    (tmp_path / "templates" / "mine.Dockerfile.j2").write_text('{% extends "r.Dockerfile.j2" %}')
    assert basic(tmp_path, f"packages = ['{package}']", "mine") == ""


def test_pip_takes_no_form_of_apt(tmp_path: Path) -> None:
    found = problem(tmp_path, "template = 'sklearn'\npackages = ['numpy=1.2']")
    assert "image.demo.packages: 'numpy=1.2' is not a Python requirement" in found
