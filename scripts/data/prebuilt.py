"""Regenerate buildkit/prebuilt/images.txt from the sagemaker-core of this Python.

    python=$(scripts/dev/sdk core)
    "$python" scripts/data/prebuilt.py

It copies facts, not texts. Changes are printed as a diff: review them before you commit.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections import defaultdict
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).parents[2] / "buildkit" / "prebuilt" / "images.txt"
FAMILIES = {  # the account in us-west-2 -> our name for it and its counterparts in other regions
    "763104351884": "dlc",
    "520713654638": "legacy",
    "246618743249": "sklearn",
    "433757028032": "blazingtext",
    "174872318107": "kmeans",
    "156387875391": "deepar",
    "266724342769": "lda",
    "301217895009": "neo",
    "462105765813": "rl",
    "658645717510": "smp",
    "895741380848": "debugger",
    "306415355426": "clarify",
    "159807026194": "monitor",
    "174368400705": "wrangler",
    "153931337802": "spark",
    "236514542706": "python",
    "542918446943": "studio",
    "081189585635": "geospatial",
}
ANY = "any"
LATEST = "latest"
ARM = "inference_graviton"
ARM_TAGS = {  # these two have one image for ARM, whose tag is not in the SDK's data
    ("sklearn", "1.0-1"): "1.0-1-arm64-cpu-py3",
    ("xgboost", "1.3-1"): "1.3-1-arm64",
    ("xgboost", "1.5-1"): "1.5-1-arm64",
}
ENDS = (  # suffixes that the SDK's code adds for its library of distributed training, and for p4d
    ("tensorflow:2.3-gpu-py37", "cu110-ubuntu18.04-v3"),
    ("tensorflow:2.3.1-gpu-py37", "cu110-ubuntu18.04"),
    ("tensorflow:2.3.2-gpu-py37", "cu110-ubuntu18.04"),
    ("tensorflow:1.15-gpu-py37", "cu110-ubuntu18.04-v8"),
    ("tensorflow:1.15.4-gpu-py37", "cu110-ubuntu18.04"),
    ("tensorflow:1.15.5-gpu-py37", "cu110-ubuntu18.04"),
    ("mxnet:1.8-gpu-py37", "cu110-ubuntu16.04-v1"),
    ("mxnet:1.8.0-gpu-py37", "cu110-ubuntu16.04"),
    ("pytorch:1.6-gpu-py36", "cu110-ubuntu18.04-v3"),
    ("pytorch:1.6.0-gpu-py36", "cu110-ubuntu18.04"),
    ("pytorch:1.6-gpu-py3", "cu110-ubuntu18.04-v3"),
    ("pytorch:1.6.0-gpu-py3", "cu110-ubuntu18.04"),
)
NO_PYTHON = ("spark",)
"""Frameworks whose tags exist with and without the Python."""
IN_REPOSITORY = ("py310", "py38")
"""Of sagemaker-base-python: the Python is in the repository's name, and no file lists it."""
NEURON = ("pytorch-neuron", "huggingface-neuron", "huggingface-neuronx")
"""Frameworks whose tags have `neuron` or `neuronx` in place of the device."""
SECOND_CHIPS = ["inf2", "trn"]
"""The devices of neuronx, for which the SDK has `inf` or nothing."""
BASED = (
    "huggingface",
    "huggingface-neuron",
    "huggingface-neuronx",
    "huggingface-training-compiler",
)
"""Their versions are of Transformers; below each are images by the framework it works on."""
HEAD = "# AWS's prebuilt images, by scripts/data/prebuilt.py. Columns: docs/reference/prebuilt.md."

Row = tuple[str, ...]


class Accounts:
    """The maps of regions to accounts, as families of accounts and sets of regions."""

    def __init__(self) -> None:
        self.table: dict[str, dict[str, str]] = defaultdict(dict)
        self.sets: dict[tuple[str, tuple[str, ...]], str] = {}

    def add(self, registries: dict[str, str]) -> tuple[str, tuple[str, ...]]:
        home = registries.get("us-west-2")
        if home not in FAMILIES:
            sys.exit(f"error: name the family of account {home} in FAMILIES of {__file__}")
        family = FAMILIES[home]
        for region, account in registries.items():
            if self.table[region].setdefault(family, account) != account:
                sys.exit(f"error: {family} has two accounts in {region}: split the family")
        key = (family, tuple(sorted(registries)))
        self.sets[key] = ""
        return key

    def name_sets(self) -> None:
        """`<family>-<number of regions>`, with a letter where two sets are of one size."""
        groups = defaultdict(list)
        for family, regions in sorted(self.sets):
            groups[family, len(regions)].append((family, regions))
        for (family, size), keys in groups.items():
            for number, key in enumerate(keys):
                letter = "abcdefghijklmnopqrstuvwxyz"[number] if len(keys) > 1 else ""
                self.sets[key] = f"{family}-{size}{letter}"


def main() -> None:
    version = metadata.version("sagemaker-core")
    folder = Path(str(metadata.distribution("sagemaker-core").locate_file(
        "sagemaker/core/image_uri_config"
    )))  # fmt: skip
    accounts = Accounts()
    sections: dict[tuple[str, tuple[str, ...]], list[Any]] = {}
    for path in sorted(folder.glob("*.json")):
        by_rows: dict[str, list[str]] = defaultdict(list)
        rows_of = {}
        for scope, node in scopes(json.loads(path.read_text())):
            rows = list(image_rows(path.stem, scope, node, accounts))
            by_rows[repr(rows)].append(scope)
            rows_of[repr(rows)] = rows
        for key, names in by_rows.items():
            if rows_of[key]:
                sections[path.stem, tuple(names)] = rows_of[key]
    accounts.name_sets()
    text = "\n".join([
        f"{HEAD}\n# Source: sagemaker-core {version}\n",
        *partitions(accounts),
        *account_table(accounts),
        table("[smdistributed]", ("# framework:tag", "end"), list(ENDS)),
        *(table(f"[{framework}: {' '.join(names)}]", ("# versions", "base", "accounts",
              "repository", "pythons", "tags"), [finish(row, accounts) for row in rows])
          for (framework, names), rows in sections.items()),
    ])  # fmt: skip
    before = DATA.read_text() if DATA.exists() else ""
    sys.stdout.writelines(
        difflib.unified_diff(before.splitlines(keepends=True), text.splitlines(keepends=True),
                             "before", "after", n=1)
    )  # fmt: skip
    DATA.write_text(text)


def scopes(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The parts of a file by purpose; a part without a purpose is for all of them."""
    if "versions" in document:
        for scope in document.get("scope", [ANY]):
            yield scope, document
    else:
        yield from ((scope, node) for scope, node in document.items() if "versions" in node)


def image_rows(
    framework: str, scope: str, node: dict[str, Any], accounts: Accounts
) -> Iterator[tuple[Any, ...]]:
    aliases = node.get("version_aliases", {})
    for version, below in node["versions"].items():
        names = spelt(version, aliases)
        if not names:  # all of its names lead to other versions
            continue
        for base, image in images(below):
            pythons = IN_REPOSITORY if scope == ANY else image.get("py_versions", [])
            devices = node.get("processors") or image.get("processors") or [ANY]
            if framework.endswith("-neuronx") and devices in (["inf"], [ANY]):
                devices = SECOND_CHIPS
            bases = spelt(base, below.get("version_aliases", {})) if base else []
            made = tuple(tags(framework, scope, version, image, devices))
            for one in named_apart(framework, names, made):
                yield (
                    ",".join(one) or "-",
                    ",".join(bases) or "-",
                    accounts.add(image["registries"]),
                    image["repository"] + ("-{digits}" if scope == ANY else ""),
                    ",".join(pythons) or "-",
                    *made,
                )


def named_apart(framework: str, names: list[str], made: tuple[str, ...]) -> Iterator[list[str]]:
    """The names of each version: an alias that is no other way to say it is another version.

    It has an image of its own where the tag has what is asked. Elsewhere it would lead to another
    version than asked, and is left out.
    """
    first, *others = names
    same = [name for name in others if name == LATEST or is_part(name, first)]
    yield [first, *same]
    left = [name for name in others if name not in same]
    if left and any("{version}" in tag for tag in made):
        yield from named_apart(framework, left, made)
    elif left:
        print(f"left out: {framework} {', '.join(left)}, which leads to {first}", file=sys.stderr)


def is_part(one: str, other: str) -> bool:
    """Whether one version is the beginning of the other: `2.5` and `2.5.1`."""
    short, long = sorted((one, other), key=len)
    return f"{long}.".startswith(f"{short}.") or long.startswith(f"{short}-")


def spelt(version: str, aliases: dict[str, str]) -> list[str]:
    """All names that lead to a version, its own first. An alias comes before a version."""
    own = [] if version in aliases else [version]
    return own + [name for name, to in aliases.items() if to == version]


def images(node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(base framework, facts) of each image of a version; some are of one Python version."""
    if "repository" in node:
        yield "", node
        return
    for name, below in node.items():
        if name != "version_aliases":
            if name in ("py2", "py3"):
                yield "", {**below, "py_versions": [name]}
            else:
                yield name, below


def tags(
    framework: str, scope: str, version: str, image: dict[str, Any], devices: list[str]
) -> Iterator[str]:  # fmt: skip
    """`devices=tag` for each tag."""
    groups: dict[str, list[str]] = defaultdict(list)
    for device in devices:
        if scope == ARM and framework in ("sklearn", "xgboost"):
            tag = ARM_TAGS.get((framework, version))
        else:
            tag = tag_of(framework, version, image, device)
        if tag is not None:
            groups[tag].append(device)
    yield from (f"{','.join(names)}={tag}" for tag, names in groups.items())


def tag_of(framework: str, version: str, image: dict[str, Any], device: str) -> str:
    """The tag, with `{words}` for what is asked."""
    python = "{python}" if "py_versions" in image else ""
    parts = (
        prefix_of(framework, version, image),
        word_of(framework, image, device),
        "" if framework in NO_PYTHON else python,
        suffix_of(framework, image, device),
    )
    return "-".join(filter(None, parts)) + ("{-python}" if framework in NO_PYTHON else "")


def prefix_of(framework: str, version: str, image: dict[str, Any]) -> str:
    if framework not in BASED:
        return str(image.get("tag_prefix", "{version}"))
    repository = image["repository"]
    base = "{full_base}" if repository.endswith(("-neuron", "-neuronx")) else "{base}"
    return f"{base}-transformers{'{version}' if 'trcomp' in repository else version}"


def word_of(framework: str, image: dict[str, Any], device: str) -> str:
    """How the tag says what the image runs on."""
    if framework in NEURON:
        return framework.rpartition("-")[2]
    if framework == "sagemaker-tritonserver" and device == "gpu":
        return ""
    if framework == "djl-neuronx" or device == ANY or not image.get("processor_in_tag", True):
        return ""
    return "{device}"


def suffix_of(framework: str, image: dict[str, Any], device: str) -> str:
    by_device = image.get("container_version", {})
    suffix = by_device.get(device) or next(iter(by_device.values()), "")
    if "sdk_versions" in image:
        (sdk,) = image["sdk_versions"]
        return f"{sdk}-{suffix}"
    if image["repository"] in (f"{framework}-inference-graviton", f"{framework}-inference-arm64"):
        return f"{suffix}-sagemaker"
    return str(suffix)


def finish(row: tuple[Any, ...], accounts: Accounts) -> Row:
    versions, bases, key, repository, pythons, *rest = row
    return (versions, bases, accounts.sets[key], repository, pythons, *rest)


def partitions(accounts: Accounts) -> Iterator[str]:
    rows = [
        (each["id"], each["outputs"]["dnsSuffix"])
        for each in botocore_partitions()
        if any(partition_of(region) == each["id"] for region in accounts.table)
    ]
    yield table("[partitions]", ("# name", "domain"), rows)


def botocore_partitions() -> list[dict[str, Any]]:
    text = resources.files("botocore").joinpath("data/partitions.json").read_text()
    found: list[dict[str, Any]] = json.loads(text)["partitions"]
    return found


def partition_of(region: str) -> str:
    return next(
        each["id"] for each in botocore_partitions() if re.match(each["regionRegex"], region)
    )


def account_table(accounts: Accounts) -> Iterator[str]:
    families = list(FAMILIES.values())
    rows = [
        (region, partition_of(region), *(of.get(family, "-") for family in families))
        for region, of in sorted(accounts.table.items())
    ]
    yield table("[accounts]", ("# region", "partition", *families), rows)
    yield table(
        "[regions]",
        ("# accounts", "regions"),
        [
            (name, *regions)
            for (_, regions), name in sorted(accounts.sets.items(), key=lambda i: i[1])
        ],
        aligned=1,
    )


def table(title: str, head: Row, rows: list[Row], aligned: int | None = None) -> str:
    """Columns of one width, except the last ones."""
    columns = aligned or len(head) - 1
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(columns)]
    lines = [
        "  ".join([*map(str.ljust, row[:columns], widths), *row[columns:]]) for row in (head, *rows)
    ]
    return "\n".join([title, *lines, ""])


if __name__ == "__main__":
    main()
