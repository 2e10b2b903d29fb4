"""What the tool is called where packages are installed, and the links of its hints."""

from __future__ import annotations

import ast
import json
import re
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from buildkit.support import manual
from tests.support import sources
from tests.support.sources import ROOT
from tests.unit.test_docs import anchors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOOLS = (  # documented tools of others: what a page tells a reader to install, and why it may
    "uv",  # docs: makes locks
    "sagemaker",  # docs/guide/sagemaker.md: the SDK that uses an image
    "pip",
    "hyperpod-elastic-agent",  # HYPER-01: of AWS, inside images
    "gunicorn", "werkzeug", "our", "pandas", "scikit-learn",  # inside images, as pages show builds
)  # fmt: skip
"""Any other name may be anybody's: `buildkit` on the public index is an old project of others, and no
release of ours is there yet."""
INSTALL = re.compile(
    r"(?:\b(?:pip|pip3|pipx|uv pip|uv tool|uvx?|poetry|conda)\"?,? +\"?(?:install|add)\b"
    r"|\bpipx run\b|\buvx\b|\buv tool run\b)(?P<rest>(?:\\\n|[^\n`;|&)\]}#])*)"
)
CODE = re.compile(r"^ *```[a-z]*\n(.*?)^ *```|`([^`\n]+)`", re.DOTALL | re.MULTILINE)
LEFT = ("--constraint", "-c", "--requirement", "-r", "--python", "--index-url", "--find-links")
"""Options whose word is no distribution."""
SCANNED = (
    "*.md", "docs/**/*.md", "examples/**/*.md", "Makefile", "action.yml", ".github/**/*.yml", "scripts/*/*", "pyproject.toml",
    "buildkit/**/*.py", "buildkit/**/*.toml", "buildkit/**/*.j2",
)  # fmt: skip


def installed(text: str) -> Iterator[str]:
    """The distributions that commands in a text install by name."""
    for match in INSTALL.finditer(text):
        words = re.findall(r'"[^"]*"|\'[^\']*\'|\S+', match["rest"].replace("\\\n", " "))
        before = ""
        for quoted in words:
            word = quoted.strip("\"',.")
            if before in LEFT or word.startswith("-"):
                pass
            elif re.fullmatch(r"[A-Za-z][\w.-]*(\[[\w,]+\])?([=<>!~].*)?", word) and before != "@":
                yield re.split("[=<>!~]", word)[0]
            before = word


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("before_script: [pip install buildkit]", ["buildkit"]),
        ("`pipx install buildkit`", ["buildkit"]),
        ("uv tool install --python 3.12 buildkit", ["buildkit"]),
        ('python -m pip install --quiet \\\n  "buildkit==1"', ["buildkit"]),
        ('subprocess.run(["pip", "install", "buildkit"])', ["buildkit"]),
        ("uvx buildkit list", ["buildkit", "list"]),
        ('uv tool install "sagemaker-buildkit @ git+https://github.com/OWNER/buildkit@COMMIT"', []),
        ('pip install "$GITHUB_ACTION_PATH" -r requirements.txt .[dev]', []),
    ],
)
def test_what_is_installed_is_seen(text: str, wanted: list[str]) -> None:
    assert list(installed(text)) == wanted


def commands(path: Path) -> str:
    """What is no prose: of texts with marks its code, of programs all but comments."""
    text = path.read_text(errors="replace")
    if path.suffix in (".md", ".toml") and path.name != "pyproject.toml":
        return "\n".join("".join(each) for each in CODE.findall(text))
    return re.sub(r"(^|\s)#.*", "", text)


def test_nothing_tells_anybody_to_install_a_distribution_of_strangers() -> None:
    files = sorted({path for glob in SCANNED for path in ROOT.glob(glob) if path.is_file()})
    assert files
    assert {
        (str(path.relative_to(ROOT)), name)
        for path in files
        for name in installed(commands(path))
        if name not in TOOLS
    } == set()


def test_the_distribution_is_ours_and_the_command_is_called_buildkit() -> None:
    found = metadata.distribution(manual.DISTRIBUTION)
    assert manual.version() == found.version
    (command,) = (each for each in found.entry_points if each.group == "console_scripts")
    assert command.name == "buildkit"
    text = (ROOT / "pyproject.toml").read_text()
    assert f'name = "{manual.DISTRIBUTION}"' in text
    for name in ("Repository", "Documentation", "Changelog", "Issues"):
        assert f'\n{name} = "https://' in text


def named_pages() -> Iterator[tuple[str, str]]:
    """The pages, with a title or without, that the tool's hints lead to."""
    for path in sources.MODULES:
        for node in sources.nodes(path):
            if isinstance(node, ast.Call) and is_page(node.func):
                words = [each.value for each in node.args if isinstance(each, ast.Constant)]
                name, title = (*map(str, words), "")[:2]
                yield name, title


def is_page(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and function.attr == "page"
        and isinstance(function.value, ast.Name)
        and function.value.id == "manual"
    )


def test_each_hint_leads_to_a_page() -> None:
    named = {*named_pages()}
    pages = {name: ROOT / "docs" / manual.FOLDERS[name] / f"{name}.md" for name, _title in named}
    assert [name for name, page in pages.items() if not page.exists()] == []
    titles = {name: anchors(page) for name, page in pages.items()}
    assert {(name, title) for name, title in named if title and title not in titles[name]} == set()


def test_no_message_names_a_file_that_only_a_checkout_has() -> None:
    for path in sources.MODULES:
        nodes = sources.nodes(path)
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named = re.search(r"docs/[a-z/-]+\.md|\bREADME\b", node.value)
                assert not named or id(node) in docstrings, f"{path.name}:{node.lineno}"


METADATA = metadata.distribution(manual.DISTRIBUTION).metadata


class Installed:
    """The metadata of an installed tool, with what pip writes beside it (PEP 610)."""

    def __init__(self, origin: object) -> None:
        self._origin = origin
        self.metadata = METADATA

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return None if self._origin is None else json.dumps(self._origin)


GIT = {"vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [
        pytest.param({"url": "https://git.example/acme/buildkit.git", **GIT}, "https://git.example/acme/buildkit/blob/c0ffee/docs/guide/publish.md#y", id="from Git"),
        pytest.param({"url": "ssh://git@git.example/acme/buildkit.git", **GIT}, "https://github.com/OWNER/buildkit/blob/HEAD/docs/guide/publish.md#y", id="from Git, by ssh"),
        pytest.param({"url": "file:///work/buildkit", "dir_info": {}}, "https://github.com/OWNER/buildkit/blob/HEAD/docs/guide/publish.md#y", id="from a folder"),
        pytest.param(None, "https://github.com/OWNER/buildkit/blob/HEAD/docs/guide/publish.md#y", id="from an index"),
    ],
)  # fmt: skip
def test_an_installed_tool_links_to_its_repository(
    origin: object, wanted: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(manual, "HERE", str(tmp_path))
    monkeypatch.setattr(metadata, "distribution", lambda _name: Installed(origin))
    assert manual.page("publish", "y") == wanted


def test_in_a_checkout_a_hint_names_the_file() -> None:
    assert manual.page("images-toml", "a-lock") == f"{ROOT}/docs/reference/images-toml.md#a-lock"
