"""`make docs`: write the JSON Schema of images.toml, from the types of its tables and its page.

Editors complete and check the file with it. The types decide what is allowed; the tables of
docs/reference/images-toml.md say what each key means.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, create_model
from pydantic.json_schema import GenerateJsonSchema

from buildkit.config import schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "buildkit" / "config" / "images.schema.json"
PAGE = ROOT / "docs" / "reference" / "images-toml.md"
REQUIRED = "image"
ADDRESS = "https://github.com/OWNER/buildkit/blob/HEAD/buildkit/config/images.schema.json"
TABLES = {  # a table of the schema -> the sections of the page that explain its keys
    "ImagesToml": ("Top level",),
    "Axes": ("Axes", "Facts"),
    "Image": ("Axes", "Facts", "Rules"),
    "Override": ("Facts", "Rules"),
    "Cell": ("Parts of a cell",),
    "NewCell": ("Parts of a cell",),
    "SamplesTable": ("samples",),
    "CellSamples": ("samples", "Named samples"),
    "PayloadTable": ("samples",),
    "PlaceTable": ("registry",),
    "RegistryTable": ("registry",),
    "RepositoriesTable": ("registry.repositories",),
    "PrebuiltTable": ("A prebuilt image as base",),
    "Prebuilt": ("A prebuilt image as base",),
}
OWN = {
    "version": "the version, or a pattern with `*`",
    "device": "the device, or a pattern with `*`",
    "python": "the Python version, or a pattern with `*`",
    "purpose": "the purpose, or a pattern with `*`",
    "when": "the rule that says to which cells the override applies",
    "use": "the name of a table `[samples.<name>]` for the keys that are not given here",
    "prebuilt": "one of AWS's images",
}
"""What the page says in sentences."""


class Untitled(GenerateJsonSchema):
    """A title that only repeats the key would hide the description in an editor."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def main() -> None:
    FILE.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{FILE}\n")


def text() -> str:
    """The schema, as the file has it."""
    fields: dict[str, Any] = {
        key: (kind, ... if key == REQUIRED else None) for key, kind in schema.FILE.items()
    }
    whole = create_model("ImagesToml", __config__=ConfigDict(extra="forbid"), **fields)
    found = _for_toml(whole.model_json_schema(schema_generator=Untitled))
    said = dict(_descriptions(PAGE.read_text(encoding="utf-8")))
    for name, table in {**found["$defs"], "ImagesToml": found}.items():
        table.pop("title", None)
        table.pop("description", None)  # a docstring, for who reads the code
        for key, property_ in table.get("properties", {}).items():
            property_["description"] = _description(said, name, key)
    head = {"$schema": GenerateJsonSchema.schema_dialect, "$id": ADDRESS, "title": "images.toml"}
    return json.dumps({**head, **found}, indent=1, ensure_ascii=False) + "\n"


def _for_toml(value: Any) -> Any:
    """Without null, which TOML does not have, and without defaults of it."""
    if isinstance(value, list):
        return [_for_toml(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {
        key: _for_toml(each)
        for key, each in value.items()
        if not (key == "default" and each in (None, {}, []))
    }
    if "anyOf" in kept:
        kept["anyOf"] = [each for each in kept["anyOf"] if each != {"type": "null"}]
        if len(kept["anyOf"]) == 1:
            kept = {**kept.pop("anyOf")[0], **kept}
    if "patternProperties" in kept:
        kept["additionalProperties"] = False
    return kept


def _descriptions(page: str) -> Iterator[tuple[tuple[str, str], str]]:
    """What the page says of each key, by the title of its section and the key."""
    title, head = "", list[str]()
    for line in page.splitlines():
        cells = [cell.strip() for cell in line[1:-1].split(" | ")]
        if not line:
            head = []
        elif line.startswith("#"):
            title = line.lstrip("# ")
        elif line.startswith("| Key"):
            head = cells
        elif line.startswith("| `") and head and "Meaning" in head:
            for key in re.findall(r"`\[*([^`\]]+)\]*`", cells[0]):
                name = re.sub(r"\.<name>$", "", key).rpartition(".")[2]
                yield (title, name), _plain(cells[head.index("Meaning")])


def _plain(markdown: str) -> str:
    """A sentence without links: those at its end lead to more, the others are words of it."""
    markdown = re.sub(r"[:,] (?:see )?\[[^\]]*\]\([^)]*\)$", "", markdown)
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown)


def _description(said: Mapping[tuple[str, str], str], table: str, key: str) -> str:
    sections = TABLES[table]
    found = (said[title, key] for title in sections if (title, key) in said)
    return next(found, None) or OWN[key]


if __name__ == "__main__":
    main()
