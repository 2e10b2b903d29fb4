"""What a person may type: names that are near, names of images, and short answers."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildkit import cli
from buildkit.config import images_toml
from buildkit.ledger import ledger
from buildkit.ledger.record import Action
from buildkit.matrix import matrix
from buildkit.support.errors import ConfigError, Exit, NothingSelectedError
from buildkit.system import git, shell
from tests.support import projects
from tests.support.releases import image, move, release
from tests.support.waiting import HANG, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.model.target import Target

ROOT = Path(__file__).parents[2]
Captured = pytest.CaptureFixture[str]
TWO = """
[image.my-algorithm]
versions = ["1.0", "2.0"]
pythons = ["3.11", "3.13"]
base = "python:{python}-slim"
template = "extend"

[image.other]
versions = ["1.0"]
base = "python:{python}-slim"
template = "extend"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "images.toml").write_text(TWO)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("biuld", "did you mean `buildkit build`?"),
        ("lsit", "did you mean `buildkit list`?"),
        ("uris", "did you mean `buildkit uri`?"),
        ("ci", "did you mean `buildkit ci-matrix`?"),
        ("List", "did you mean `buildkit list`?"),
        ("serve", "did you mean `buildkit run TARGET serve`?"),
        ("local", "did you mean `buildkit run`?"),
        ("publish", "did you mean `buildkit push`?"),
        ("new", "did you mean `buildkit init`?"),
        ("inti", "did you mean `buildkit init`?"),
        ("xyzzy", "`buildkit --help` lists the commands"),
    ],
)
def test_an_unknown_command_suggests_similar_ones(word: str, wanted: str, capsys: Captured) -> None:
    assert cli.run([word, "--all"]) == Exit.USAGE
    err = capsys.readouterr().err
    assert f"unknown command `{word}`" in err
    assert wanted in err.partition("hint: ")[2]


def test_a_command_of_two_words_is_the_one_with_a_dash(capsys: Captured) -> None:
    assert cli.run(["ci", "matrix", "--all"]) == Exit.USAGE
    assert "did you mean `buildkit ci-matrix`?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--json", "list"], "write the option after the command: `buildkit list --json`"),
        (["--push", "build", "--all"], "write the option after the command: `buildkit build --push`"),
        (["--push", "list"], "`buildkit --help` lists the commands"),
        (["--json"], "`buildkit --help` lists the commands"),
    ],
)  # fmt: skip
def test_an_option_before_the_command_is_sent_behind_it(
    words: list[str], hint: str, capsys: Captured
) -> None:
    assert cli.run(words) == Exit.USAGE
    err = capsys.readouterr().err
    assert f"unknown option `{words[0]}` before the command" in err
    assert err.partition("hint: ")[2].startswith(hint)
    assert "--version" not in err


def test_an_image_in_other_letters_is_suggested(project: Path, capsys: Captured) -> None:
    assert cli.run(["list", "OTHER"]) == Exit.NOTHING_SELECTED
    assert "did you mean: `other`" in capsys.readouterr().err


def test_what_other_tools_call_so_is_a_command_here() -> None:
    words = {each.partition(" ")[0] for found in cli.OF_OTHERS.values() for each in found}
    assert words <= {*cli.COMMANDS, "--help", "--version"}
    assert not {*cli.OF_OTHERS} & {*cli.COMMANDS}


def found(targets: Sequence[Target], *patterns: str) -> list[str]:
    return [each.id for each in matrix.select(targets, patterns)]


def test_the_name_of_an_image_selects_its_targets() -> None:
    targets = projects.targets(TWO)
    assert found(targets, "my-algorithm") == [each.id for each in targets[:4]]
    assert found(targets, "other", "my-algorithm-1*") == [*found(targets, "my-algorithm-1*"), "other-1.0-cpu-py311"]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "near"),
    [
        ("my-algoritm*", "did you mean: `my-algorithm`"),
        ("my-algorithm-1.0", "did you mean: `my-algorithm-1.0-cpu-py311`, `my-algorithm-1.0-cpu-py313`"),
        ("othr", "did you mean: `other`"),
        ("other-1.0-cpu-py312", "`other-1.0-cpu-py311`"),
        ("*", None),
        ("zzz", "`buildkit list`"),
    ],
)  # fmt: skip
def test_a_pattern_without_a_target_is_told_what_is_near(pattern: str, near: str | None) -> None:
    targets = projects.targets(TWO)
    if near is None:
        assert len(matrix.select(targets, (pattern,))) == len(targets)
        return
    with pytest.raises(NothingSelectedError) as caught:
        matrix.select(targets, (pattern,))
    assert near in (caught.value.hint or "")


def test_commands_take_the_name_of_an_image(project: Path, capsys: Captured) -> None:
    assert cli.run(["list", "my-algorithm", "--json"]) == Exit.DONE
    assert len(json.loads(capsys.readouterr().out)) == 4
    assert cli.run(["render", "other"]) == Exit.DONE
    assert capsys.readouterr().out.splitlines() == [
        str(project / "dockerfiles/other-1.0-cpu-py311/Dockerfile")
    ]
    ledger.Ledger(path=project / ledger.NAME).append(release(image("1.0", "1"), image("2.0", "2")))
    assert cli.run(["releases", "demo", "--json"]) == Exit.DONE
    (record,) = json.loads(capsys.readouterr().out)
    assert len(record["images"]) == 2


def test_a_summary_of_what_differs_shows_each_change_once(project: Path, capsys: Captured) -> None:
    assert cli.run(["render"]) == Exit.DONE
    for path in project.glob("dockerfiles/*/Dockerfile"):
        path.write_text(path.read_text().replace("EXPOSE 8080", "EXPOSE 9090"))
    capsys.readouterr()
    assert cli.run(["render", "--check", "--stat"]) == Exit.TEMPLATE
    err = capsys.readouterr().err
    assert "out of date: 5 of 5 Dockerfiles, with 1 change" in err
    assert "change in my-algorithm-1.0-cpu-py311 and 4 more:" in err
    assert err.count("-EXPOSE 9090") == err.count("+EXPOSE 8080") == 1
    other = project / "dockerfiles/other-1.0-cpu-py311/Dockerfile"
    other.write_text("FROM x\n" * 30)
    assert cli.run(["render", "--check", "--stat"]) == Exit.TEMPLATE
    err = capsys.readouterr().err
    assert "out of date: 5 of 5 Dockerfiles, with 2 changes" in err
    assert "change in other-1.0-cpu-py311:\n" in err
    assert "more lines" in err
    assert cli.run(["render"]) == Exit.DONE
    assert cli.run(["render", "--check", "--stat"]) == Exit.DONE
    assert cli.run(["render", "--stat"]) == Exit.USAGE
    assert "add `--check`" in capsys.readouterr().err


def test_notes_are_of_the_newest_release_with_images(project: Path, capsys: Captured) -> None:
    book = ledger.Ledger(path=project / ledger.NAME)
    published = release(image("1.0", "1"))
    book.append(published)
    book.append(release(action=Action.PROMOTE, moves=[move("1", "1", "1.0")]))
    book.append(release(image("1.0", "1", repository="prod/demo"), action=Action.PROMOTE))
    assert cli.run(["notes", "--no-packages"]) == Exit.DONE
    out = capsys.readouterr().out
    assert published.id in out
    assert "1 image" in out


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        ("prefix = 'acme/'", ["acme/demo-training", "acme/demo-inference"]),
        ("prefix = 'acme-'", ["acme-demo-training", "acme-demo-inference"]),
        ("", ["demo-training", "demo-inference"]),
    ],
)
def test_a_prefix_begins_the_names_that_nobody_writes(table: str, wanted: list[str]) -> None:
    text = f"{projects.MINIMAL}purposes = ['training', 'inference']\n[registry]\n{table}\n"
    assert [each.repository for each in projects.targets(text)] == wanted


def test_a_prefix_is_no_part_of_a_name_that_is_written() -> None:
    text = f"{projects.MINIMAL}repository = 'mine'\n[registry]\nprefix = 'acme/'\n"
    assert projects.target(text).repository == "mine"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("prefix = 'acme/'\nrepository = 'x/{name}'", "remove one of the two"),
        ("prefix = 'ACME/'", "'ACME/' cannot begin a repository name"),
        ("prefix = 'acme//'", "'acme//' has an empty part"),
        ("prefix = 'acme/-'", "the part `-x` of 'acme/-' must begin"),
        ("prefix = '123456789012.dkr.ecr.eu-west-1.amazonaws.com/'", "begins with a registry's host"),
    ],
)  # fmt: skip
def test_a_prefix_that_cannot_be_is_a_problem(table: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        projects.targets(f"{projects.MINIMAL}[registry]\n{table}\n")
    assert message in caught.value.details


MANY = """
[defaults]
base = "python:{python}-slim"
pythons = ["3.11", "3.13"]
devices = ["cpu", "gpu"]

[registry]
aliases = ["{major}.{minor}-{device}-{py}"]

[image.alpha]
versions = ["3.10", "3.11", "3.12"]

[image.beta]
versions = ["1.7-1"]
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        projects.targets(text)
    return caught.value.details.splitlines()


def test_a_cause_is_one_problem_however_many_targets_have_it() -> None:
    (line,) = problems(MANY)
    assert "the alias `3.10-cpu-py311` of alpha-3.10-cpu-py311 is its own tag" in line
    assert line.endswith("(and 11 more targets)")


PURPOSES = 'purposes = ["training", "inference"]'
BY_PURPOSE = (
    "repository: alpha-3.10-cpu-py311-training and alpha-3.10-cpu-py311-inference have the same "
    "tag `acme/alpha:3.10-cpu-py311`; add `{purpose}` to `repository` or `tag` (and 15 more targets)"
)


@pytest.mark.parametrize(
    ("defaults", "registry", "said"),
    [
        (PURPOSES, "repository = 'acme/{name}'", f"registry.{BY_PURPOSE}"),
        (f"{PURPOSES}\nrepository = 'acme/{{name}}'", "", f"defaults.{BY_PURPOSE}"),
        ("", "tag = '{version}'", "registry.tag: alpha-3.10-cpu-py311 and alpha-3.10-cpu-py313 and alpha-3.10-gpu-py311 and alpha-3.10-gpu-py313 have the same tag `alpha:3.10`; add `{device}` and `{py}` to `repository` or `tag` (and 3 more targets)"),
        ("", "repository = 'acme/all'\ntag = '{device}-{py}'", "add `{name}` and `{version}` to `repository` or `tag` (and 3 more targets)"),
    ],
    ids=["purposes", "in the defaults", "devices", "all images"],
)  # fmt: skip
def test_targets_that_one_line_gives_one_tag_are_one_problem_of_that_line(
    defaults: str, registry: str, said: str
) -> None:
    head, tables = MANY.split("[registry]\naliases", 1)
    lines = problems(f"{head}{defaults}\n[registry]\n{registry}\naliases{tables}")
    (line,) = [each for each in lines if "have the same tag" in each]
    assert line.endswith(said)


def test_an_image_that_takes_the_tags_of_another_is_named_and_not_the_line_for_all() -> None:
    text = MANY.replace("[registry]", "[registry]\ntag = '{version}-{device}-{py}'")
    lines = problems(text.replace('["1.7-1"]', '["3.10"]\nrepository = "alpha"'))
    (line,) = [each for each in lines if "have the same tag" in each]
    assert ": image.beta: alpha-3.10-cpu-py311 and beta-3.10-cpu-py311 have the same tag" in line
    assert line.endswith("add `{name}` to `repository` or `tag` (and 3 more targets)")


def test_a_package_that_does_not_fit_is_one_problem_for_all_versions() -> None:
    text = """
    [image.demo]
    versions = ["2.5.1", "2.6.0"]
    pythons = ["3.11", "3.12"]
    base = "python:{python}-slim"
    packages = ["torch=={framework_version}+cu124"]
    """
    (line,) = problems(text)
    assert "installs CUDA in an image for cpu" in line
    assert line.endswith("(and 3 more targets)")


@pytest.mark.parametrize(
    ("key", "others"),
    [
        ("tag = '{version}/{device}-{py}'", 11),
        ("repository = '{name}/{version}/A'", 11),
        ("packages = ['six={framework_version}']", 11),
        ("packages = ['six=1', 'seven=1']", None),
    ],
)
def test_a_pattern_that_makes_no_name_is_one_problem(key: str, others: int | None) -> None:
    lines = problems(MANY.replace('aliases = ["{major}.{minor}-{device}-{py}"]', "").replace(
        'versions = ["3.10"', f'{key}\nversions = ["3.10"'
    ))  # fmt: skip
    if others is None:
        assert len(lines) == 2
    else:
        assert len(lines) == 1
        assert lines[0].endswith(f"(and {others} more targets)")


def test_other_causes_stand_apart() -> None:
    lines = problems(MANY + "aliases = ['sha256-{device}-{py}']\n")
    assert len(lines) == 2


def test_problems_without_a_cause_are_each_shown() -> None:
    text = projects.MINIMAL.replace('"1.0"', '"1.0", "2.0"') + "context = 'none'\n"
    with pytest.raises(ConfigError) as caught:
        matrix.expand(images_toml.parse(text, Path("/nowhere/images.toml")))
    assert "more target" not in caught.value.details


@pytest.mark.parametrize("shell_name", ["zsh", "fish"])
def test_a_completion_script_is_printed(shell_name: str, capsys: Captured) -> None:
    assert cli.run(["completion", shell_name]) == Exit.DONE
    assert f"_BUILDKIT_COMPLETE={shell_name}_complete" in capsys.readouterr().out


@pytest.mark.process
def test_the_completion_script_of_bash_is_one(capsys: Captured) -> None:
    assert cli.run(["completion", "bash"]) == Exit.DONE
    script = capsys.readouterr().out
    assert "_BUILDKIT_COMPLETE=bash_complete" in script
    done = subprocess.run(["bash", "-n"], input=script, text=True, timeout=HANG)
    assert done.returncode == 0


def test_a_shell_that_is_not_known_is_an_error(capsys: Captured) -> None:
    assert cli.run(["completion", "tcsh"]) == Exit.USAGE
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "case",
    [
        pytest.param((1, False, "git does not ignore `dist/`"), id="not ignored"),
        pytest.param((0, False, ""), id="ignored"),
        pytest.param((128, False, ""), id="no work tree"),
        pytest.param((1, True, ""), id="not the first build"),
    ],
)
def test_the_first_build_says_what_belongs_into_gitignore(
    case: tuple[int, bool, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    code, there, wanted = case
    records = tmp_path / "dist"
    if there:
        records.mkdir()
    asked = []

    def run(*argv: object) -> shell.Done:
        asked.append(argv)
        return shell.Done(code=code, output="")

    monkeypatch.setattr(git, "run", run)
    git.advise_to_ignore(records)
    err = capsys.readouterr().err
    assert wanted in err
    assert bool(err) == bool(wanted)
    assert bool(asked) != there
    if wanted:
        assert f"echo '/dist/' >> {tmp_path}/.gitignore" in err


@pytest.mark.process
def test_git_tells_whether_records_are_ignored(tmp_path: Path, capsys: Captured) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True, timeout=HANG)
    git.advise_to_ignore(tmp_path / "dist")
    assert "git does not ignore `dist/`" in capsys.readouterr().err
    (tmp_path / ".gitignore").write_text("/dist/\n")
    git.advise_to_ignore(tmp_path / "dist")
    assert capsys.readouterr().err == ""


def wrapper(folder: Path) -> Path:
    """The program that stands in front of R, as the image has it, in a folder of its own."""
    text = (ROOT / "dockerfiles/r-4.2-cpu-py311/Dockerfile").read_text()
    match = re.search(r'cat >/usr/local/bin/train <<"EOF"\n(.*?)^EOF$', text, re.DOTALL | re.MULTILINE)  # fmt: skip
    assert match is not None
    (folder / "program").mkdir()
    (folder / "bin").mkdir()
    path = folder / "bin" / "train"
    path.write_text(match[1].replace("/opt/program", str(folder / "program")))
    path.chmod(0o755)
    return path


@pytest.mark.process
@pytest.mark.parametrize("name", ["train.R", "train"])
def test_sigterm_ends_what_stands_behind_the_wrapper_of_r(name: str, tmp_path: Path) -> None:
    """R as the first process of a container ignores SIGTERM; a shell in front does not."""
    path = wrapper(tmp_path)
    rscript = path.with_name("Rscript")
    rscript.write_text('#!/bin/sh\nshift\nexec sh "$@"\n')
    rscript.chmod(0o755)
    program = tmp_path / "program" / name
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/begun\nexec sleep {HANG:.0f}\n")
    program.chmod(0o644 if name.endswith(".R") else 0o755)
    environment = {"PATH": f"{path.parent}:/usr/bin:/bin"}
    with subprocess.Popen([path], env=environment) as process:
        wait_until((tmp_path / "begun").exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANG) == 128 + signal.SIGTERM


@pytest.mark.process
def test_the_wrapper_of_r_hands_on_the_exit_code_and_says_what_is_missing(tmp_path: Path) -> None:
    path = wrapper(tmp_path)
    done = subprocess.run([path], capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 127
    assert "holds neither train.R nor an executable program train" in done.stderr
    program = tmp_path / "program" / "train"
    program.write_text("#!/bin/sh\nexit 7\n")
    program.chmod(0o755)
    assert subprocess.run([path], timeout=HANG).returncode == 7


def test_the_table_of_commands_has_every_command_in_the_order_of_help() -> None:
    text = (ROOT / "README.md").read_text().partition("## Commands")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE) == [*cli.COMMANDS]
