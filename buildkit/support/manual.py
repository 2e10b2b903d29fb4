"""What this tool is called where packages are installed, and where its manual can be read."""

from __future__ import annotations

import json
import os

DISTRIBUTION = "sagemaker-buildkit"
"""`buildkit` on the public package index is an old project of other people."""
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
HERE = os.path.dirname(_PACKAGE)  # noqa: PTH120 - see page
FOLDERS = {
    "contract": "design",
    "images-toml": "reference",
    "publish": "guide",
    "templates": "reference",
}
"""The pages that messages link to, and the folders of docs/ that hold them."""


def version() -> str:
    from importlib import metadata  # noqa: PLC0415 - it takes long to load

    return metadata.version(DISTRIBUTION)


def page(name: str, title: str = "") -> str:
    """Where a page of docs/ can be read, at a title if one is given.

    In a checkout it is the file; else the page of the commit that was installed from a Git
    repository (PEP 610); else that of the repository which the metadata names. Paths are texts:
    pathlib takes long to load.
    """
    end = f"docs/{FOLDERS[name]}/{name}.md"
    file = os.path.join(HERE, end)  # noqa: PTH118
    anchor = f"#{title}" if title else ""
    if os.path.exists(file):  # noqa: PTH110
        return f"{file}{anchor}"
    return f"{_pages()}/{end}{anchor}"


def _pages() -> str:
    """The address of the repository's files at the commit that is installed, or the newest."""
    from importlib import metadata  # noqa: PLC0415 - only errors need it

    found = metadata.distribution(DISTRIBUTION)
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    address, commit = origin.get("url", ""), origin.get("vcs_info", {}).get("commit_id")
    if commit and address.startswith("https://"):
        return f"{address.removesuffix('/').removesuffix('.git')}/blob/{commit}"
    urls = dict(url.split(", ", 1) for url in found.metadata.get_all("Project-URL") or ())
    return f"{urls['Repository']}/blob/HEAD"
