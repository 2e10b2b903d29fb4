"""The distribution name of this tool, and the addresses of its manual."""

from __future__ import annotations

import json
import os

DISTRIBUTION = "sagemaker-buildkit"
"""On the public package index, the name `buildkit` belongs to another project."""
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
HERE = os.path.dirname(_PACKAGE)  # noqa: PTH120 - see page
FOLDERS = {
    "ci": "guide",
    "contract": "design",
    "images-toml": "reference",
    "networks": "guide",
    "publish": "guide",
    "templates": "reference",
}
"""The pages that messages link to, and the folders of docs/ that hold them."""


def version() -> str:
    from importlib import metadata  # noqa: PLC0415 - loads slowly

    return metadata.version(DISTRIBUTION)


def page(name: str, title: str = "") -> str:
    """The address of a page of docs/, and of a title on that page.

    In a checkout, this is the file. Otherwise it is the page at the installed commit, if the tool
    was installed from a Git repository (PEP 610), or else the page in the repository of the
    metadata. Paths are strings, because pathlib loads slowly.
    """
    end = f"docs/{FOLDERS[name]}/{name}.md"
    file = os.path.join(HERE, end)  # noqa: PTH118
    anchor = f"#{title}" if title else ""
    if os.path.exists(file):  # noqa: PTH110
        return f"{file}{anchor}"
    return f"{_pages()}/{end}{anchor}"


def on_github() -> tuple[str, str] | None:
    """The repository on GitHub, `owner/name`, and the commit that the tool was installed from."""
    address, commit = _origin()
    name = address.removeprefix("https://github.com/")
    return (name, commit) if commit and name != address else None


def _pages() -> str:
    """The address of the repository's files at the installed commit, else at the newest one."""
    address, commit = _origin()
    if commit:
        return f"{address}/blob/{commit}"
    from importlib import metadata  # noqa: PLC0415 - only errors need it

    found = metadata.distribution(DISTRIBUTION)
    urls = dict(url.split(", ", 1) for url in found.metadata.get_all("Project-URL") or ())
    return f"{urls['Repository']}/blob/HEAD"


def _origin() -> tuple[str, str]:
    """The Git repository and the commit that the tool was installed from; empty if unknown."""
    from importlib import metadata  # noqa: PLC0415 - only errors need it

    found = metadata.distribution(DISTRIBUTION)
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    address, commit = origin.get("url", ""), origin.get("vcs_info", {}).get("commit_id")
    if not commit or not address.startswith("https://"):
        return "", ""
    return address.removesuffix("/").removesuffix(".git"), commit
