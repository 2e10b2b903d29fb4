from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildkit.config import requirements
from buildkit.support.errors import ConfigError
from tests.support.projects import MINIMAL, target

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2"


@pytest.mark.parametrize(
    "text",
    [
        "six",
        "ruamel.yaml>=0.18",
        "backports.zoneinfo; python_version < '3.9'",
        "x[a,b]~=1.0",
        "x @ https://example.com/x-1.0-py3-none-any.whl",
        "x @ https://example.com/x.whl#sha256=" + "aA" * 32,
        "x @ http://example.com:8080/x.whl",
        "x @ git+https://github.com/a/b@v1.0",
        "x @ https://example.com/x-1%2Bcpu.whl",
        "a.b[c] @ https://example.com/x#egg=A_b[c]",
        "x @ git+ssh://git@example.com/x.git",
        "x @ git+https://github.com/a/b@main#egg=x&subdirectory=c",
    ],
)
def test_a_requirement_without_secrets_is_taken_as_it_is(text: str) -> None:
    assert requirements.requirement(text) == text


@pytest.mark.parametrize(
    "address",
    [
        f"https://me:{SECRET}@example.com/x.whl",
        f"https://{SECRET}@example.com/x.whl",
        f"HTTPS://me:{SECRET}@example.com/x.whl",
        f"//me:{SECRET}@example.com/x.whl",
        f"///me:{SECRET}@example.com/x.whl",
        f"https:///me:{SECRET}@example.com/x.whl",
        f"https:/me:{SECRET}@example.com/x.whl",
        f"https://example.com/me:{SECRET}@y/x.whl",
        f"git+https://me:{SECRET}@example.com/x@v1",
        f"git+ssh://me:{SECRET}@example.com/x",
        f"https://example.com/x.whl?token={SECRET}",
        f"https://example.com/x.whl?X-Amz-Signature={SECRET}&b=1",
        f"https://example.com/x.whl?{SECRET}",
        f"git+https://example.com/x?private_token={SECRET}#egg=x",
        f"https://example.com/x.whl#token={SECRET}",
        f"https://example.com/x.whl#{SECRET}",
        f"https://example.com/x.whl#sha256=aa&access_token={SECRET}",
        f"ftp://me:{SECRET}@example.com/x.whl",
        f"https://example.com/x#egg=a?token={SECRET}",
        f"https://example.com/x#egg={SECRET}",
        f"https://example.com/x#sha256={SECRET}",
        f"https://example.com/x#sha256=ab{SECRET}",
        f"https://example.com/x#md5={'a' * 64}{SECRET}",
        f"https://example.com/x#egg=x&subdirectory={SECRET}@u:p@h",
        f"https://example.com/x%23{SECRET}",
        f"https://example.com/x%3Ftoken={SECRET}",
        f"https://u:{SECRET}%40example.com/x",
        f"https://u%3A{SECRET}%40example.com/x",
        f"https://u%253A{SECRET}%2540example.com/x",
        f"https://example.com/x;{SECRET}=1",
        f"https://example.com/x%3B{SECRET}=1",
        f"https://me:{SECRET}/x@example.com/x",
        f"https://me:'{SECRET}'@example.com/x",
        f"https://example.com/x# token={SECRET}",
    ],
)
@pytest.mark.parametrize("name", ["x @ ", ""])
def test_an_address_with_a_secret_is_refused_and_the_secret_is_not_said(
    name: str, address: str
) -> None:
    with pytest.raises(ValueError, match=r"'x'|is not a Python requirement") as caught:
        requirements.requirement(f"{name}{address}")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "file:x.whl",
        "ftp://example.com/x",
        "https:///x.whl",
        "//h/x",
        "git@example.com:a/x.git",
    ],
)
def test_an_address_that_no_build_reaches_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="the URL of 'x' cannot be reached by a build"):
        requirements.requirement(f"x @ {address}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-r requirements.txt", 'write `requirements = "requirements.txt"`'),
        ("-rrequirements.txt", 'write `requirements = "requirements.txt"`'),
        ("--requirement=dev/requirements.txt", 'write `requirements = "dev/requirements.txt"`'),
        ("requirements.txt", 'write `requirements = "requirements.txt"`'),
        ("-e .", "--wheels"),
        ("--extra-index-url https://me:hunter2@h/simple", "--pip-config"),
        ("--index-url https://h/simple", "write the index into the key `indexes`"),
        ("numpy=1.0", "write `==` instead of `=`"),
        ("numpy[a] = 1.0", "write `==` instead of `=`"),
        ("numpy 1.0", "a name is followed by a version such as `==1.0`"),
        ("x-1.0-py3-none-any.whl", "--wheels"),
        ("https://example.com/x.whl", "name @ https://…"),
        ("--pre", "remove it"),
    ],
)
def test_what_is_for_pip_s_command_line_says_what_to_write(text: str, said: str) -> None:
    with pytest.raises(ValueError, match="is ") as caught:
        requirements.requirement(text)
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


WITH_FILE = MINIMAL + 'packages = ["six==1.17.0"]\nrequirements = "{name}-{py}.txt"\n'
FILE = """\
# what the script needs
six==1.17.0

pandas<3  # newer ones differ
scikit-learn[extra] \\
    >=1.5 ; \\
    python_version > "3.8"
\tflask
"""


def write(folder: Path, content: str | bytes) -> None:
    data = content.encode() if isinstance(content, str) else content
    (folder / "demo-py311.txt").write_bytes(data)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_lines_of_a_file_are_packages_behind_those_of_the_key(
    tmp_path: Path, mark: bytes
) -> None:
    write(tmp_path, mark + FILE.replace("\n", "\r\n").encode())
    assert target(WITH_FILE, tmp_path).packages == (
        "six==1.17.0",
        "pandas<3",
        'scikit-learn[extra] >=1.5 ; python_version > "3.8"',
        "flask",
    )


def test_an_override_has_requirements_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, FILE)
    (tmp_path / "gpu.txt").write_text("torch\n")
    override = '[[image.demo.override]]\nwhen = { device = "cpu" }\nrequirements = "gpu.txt"\n'
    assert target(WITH_FILE + override, tmp_path).packages == ("six==1.17.0", "torch")


def test_what_the_file_says_makes_another_image(tmp_path: Path) -> None:
    write(tmp_path, "six\n")
    before = target(WITH_FILE, tmp_path).recipe
    write(tmp_path, "six<2\n")
    assert target(WITH_FILE, tmp_path).recipe != before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-r other.txt", "copy the lines of that file into this one"),
        ("-c constraints.txt", "create a lock"),
        ("-e .", "pass its wheel to the build with `--wheels`"),
        ("-e git+https://me:hunter2@h/x", "'-e git+https://…@h/x' is a pip option"),
        ("--index-url https://h/simple", "`--pip-config`"),
        ("--extra-index-url=https://me:hunter2@h/simple", "`--pip-config`"),
        ("--find-links wheels", "`--wheels`"),
        ("-f wheels", "`--wheels`"),
        ("--no-binary :all:", "remove it"),
        ("./x.whl", "is not a Python requirement"),
        ("x @ https://h/x.whl?token=hunter2", "may hold a token"),
        ("six==1.17.0 --hash=sha256:aa", "name it with the key `lock`"),
        ("six; rm -rf /", "is not a Python requirement"),
        ("six\x0b; RUN id", "holds the control character"),
    ],
)
def test_a_line_that_is_no_requirement_is_told_with_its_number(
    tmp_path: Path, line: str, said: str
) -> None:
    write(tmp_path, f"# first\n{line}\nsix\n".replace("\x0b", "\x1b"))
    with pytest.raises(ConfigError) as caught:
        target(WITH_FILE, tmp_path)
    start = "images.toml:6: image.demo.requirements: demo-py311.txt:2: "
    assert caught.value.details.startswith(start)
    assert said in caught.value.details
    assert SECRET not in caught.value.details


def test_all_lines_that_are_wrong_are_told(tmp_path: Path) -> None:
    write(tmp_path, "-r a\nsix\n\n-e .\n")
    with pytest.raises(ConfigError, match="2 problems") as caught:
        target(WITH_FILE, tmp_path)
    assert "demo-py311.txt:1: " in caught.value.details
    assert "demo-py311.txt:4: " in caught.value.details


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "'demo-py311.txt' not found in "),
        ("six\n".encode("utf-16"), "demo-py311.txt cannot be read: the file is UTF-16"),
        (b"# caf\xe9", "demo-py311.txt cannot be read: line 1 is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_problem_of_its_key(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        write(tmp_path, content)
    with pytest.raises(ConfigError) as caught:
        target(WITH_FILE, tmp_path)
    assert f"images.toml:6: image.demo.requirements: {said}" in caught.value.details


def test_problems_of_one_file_are_in_the_order_of_its_lines_and_hashes_hide_none(
    tmp_path: Path,
) -> None:
    lines = ["-e ."] * 12
    lines[3] = f"six==1.17.0 --hash=sha256:{'a' * 64}"
    write(tmp_path, "\n".join(lines))
    with pytest.raises(ConfigError, match="12 problems") as caught:
        target(WITH_FILE, tmp_path)
    numbers = [int(line.split(":")[4]) for line in caught.value.details.splitlines()]
    assert numbers == [*range(1, 13)]
    assert caught.value.details.count("a file with hashes is a lock") == 1
