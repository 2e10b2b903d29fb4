from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import tomli

from buildkit.config import images_toml, substitution
from buildkit.support.errors import ConfigError, Exit, UsageError
from tests.support.projects import MINIMAL, parse, target, targets
from tests.support.waiting import QUADRATIC, growth

if TYPE_CHECKING:
    from pathlib import Path


def problems(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        targets(text)
    return f"{caught.value.message}\n{caught.value.details}"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('["im\\nhint: evil"]\nx = 1', id="a table"),
        pytest.param('[image."im\\nhint: evil"]\nx = 1', id="an image"),
        *(
            pytest.param(f'{MINIMAL}{table}]\n"x\\nhint: evil" = []', id=name)
            for name, table in (
                ("a label", "[image.demo.labels"),
                ("an argument", "[image.demo.args"),
                ("a hyperparameter", "[image.demo.samples.hyperparameters"),
            )
        ),
        pytest.param(MINIMAL + 'features = ["x\\nhint: evil"]', id="a value"),
        pytest.param('["x\\nhint: evil"]\n["x\\nhint: evil"]', id="a table twice"),
        pytest.param('"x\\nhint: evil" = 1\n"x\\nhint: evil" = 2', id="a key twice"),
    ],
)
def test_each_problem_is_one_line(text: str) -> None:
    found = problems(text)
    assert "evil" in found
    assert "\nhint" not in found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("[image.demo", "images.toml:1: not TOML", id="not TOML"),
        pytest.param("a = 1\nb == 2\n", "images.toml:2: not TOML", id="not TOML, second line"),
        pytest.param("a = " + "[" * 5000, "cannot be read as TOML", id="nested too deep"),
        *(
            pytest.param(
                MINIMAL + f"\n# {'9' * 5000}\nlabels = {{ a = '{'9' * 5000}' }}\n{text}\nb == 2",
                f"images.toml:{MINIMAL.count(chr(10)) + line}: a number has thousands of digits",
                id=f"a huge number, {called}",
            )
            for called, text, line in (
                ("a value", "features = " + "9" * 5000, 4),
                ("signed", "features = -" + "9" * 5000, 4),
                ("in a list", "features = [\n  1,\n  " + "9" * 5000 + ",\n]", 6),
            )
        ),
        pytest.param("", "no image: write `[image.<name>]`", id="empty"),
        pytest.param(MINIMAL + "[regsitry]\n", "did you mean `registry`?", id="unknown table"),
        pytest.param(
            MINIMAL + 'pyhtons = ["3.11"]',
            "images.toml:5: image.demo.pyhtons: unknown key; did you mean `pythons`?",
            id="unknown key",
        ),
        pytest.param(
            MINIMAL + '[[image.demo.samples.payload]]\ncontent_type = "a"\nbody = "b"',
            "did you mean `content-type`?",
            id="unknown key, deep",
        ),
        pytest.param(
            "[image.demo]\nbase = 'a'", "image.demo.versions: required key is missing", id="missing"
        ),
        pytest.param(
            MINIMAL.replace('["1.0"]', "[1.10]"),
            "expected a string, found 1.10; put it in quotes",
            id="a number for a version",
        ),
        pytest.param(
            MINIMAL.replace('["1.0"]', "[]"), "expected at least one value", id="no version"
        ),
        pytest.param(
            MINIMAL.replace('"1.0"', '"1.0", "1.0"'), "1.0 is listed twice", id="a version twice"
        ),
        pytest.param(
            MINIMAL + 'devices = ["tpu"]', "`tpu` is not one of `cpu` or `gpu`", id="no such device"
        ),
        pytest.param(MINIMAL + "format = 2", "unknown key", id="format in the wrong place"),
        pytest.param("format = 2\n" + MINIMAL, "format: 2 is not 1", id="a later format"),
        *(
            pytest.param(
                f"format = {value}\n" + MINIMAL, f"format: {value} is not 1", id=f"format {value}"
            )
            for value in ("true", "false", "1.0", "1e0")
        ),
        *(
            pytest.param(
                f"format = {value}\n" + MINIMAL, "format: a table is not 1", id=f"format {value}"
            )
            for value in ("{}", "{ a = 1 }", "{ a = { b = [] } }")
        ),
        *(
            pytest.param(
                f"{MINIMAL}[{table}]\n{key} = {value}",
                f"{table}.{key}: expected {wanted}, found {found}",
                id=f"{key} {value}",
            )
            for wanted, keys, values in (
                (
                    "`true` or `false`",
                    (
                        ("registry", "fips"),
                        ("registry", "dual-stack"),
                        ("registry", "build-cache"),
                        ("registry.repositories", "scan-on-push"),
                        ("registry.repositories", "pull-sagemaker"),
                        ("defaults", "network"),
                    ),
                    (("1", "1"), ("1.0", "1.0"), ('"yes"', "'yes'")),
                ),
                (
                    "a whole number",
                    (
                        ("registry.repositories", "untagged-days"),
                        ("registry.repositories", "cache-days"),
                        ("image.demo.samples", "startup-seconds"),
                    ),
                    (("true", "true"), ("90.0", "90.0")),
                ),
            )
            for table, key in keys
            for value, found in values
        ),
        pytest.param(
            'format = "1"\n' + MINIMAL, "format: '1' is not 1; remove the quotes", id="a text"
        ),
        pytest.param(MINIMAL.replace("demo", '"De mo"'), "is not a name", id="an illegal name"),
        pytest.param(
            MINIMAL + 'exclude = [{ version = "2*" }]',
            "images.toml:5: image.demo.exclude.0: this rule matches no cell",
            id="exclude without effect",
        ),
        pytest.param(
            MINIMAL + '[[image.demo.override]]\nwhen = { python = "3.9" }',
            "image.demo.override.0.when: this rule matches no cell",
            id="override without effect",
        ),
        pytest.param(
            MINIMAL + 'include = [{ version = "1.0", device = "cpu", python = "3.11" }]',
            "this cell already exists",
            id="include of a cell that is there",
        ),
        pytest.param(
            MINIMAL + 'exclude = [{ version = "1.0" }]', "no cell is left", id="everything excluded"
        ),
        pytest.param(
            MINIMAL + 'purposes = ["both", "training"]',
            "excludes other purposes",
            id="both and training",
        ),
        pytest.param(
            MINIMAL + "[image.other]\nversions = ['1.0']\nbase = 'b'\nrepository = 'demo'",
            "have the same tag `demo:1.0-cpu-py311`",
            id="duplicate tags",
        ),
        pytest.param(
            MINIMAL
            + "[image.demo-1]\nversions=['0']\nbase='b'\n[image.demo-1-0]\nversions=['0']\nbase='b'"
            "\n[image.demo-1.override]\n",
            "images.toml",
            id="an override that is no array",
        ),
        pytest.param(
            MINIMAL.replace('"1.0"', '"2", "1-2"') + "[image.demo-1]\nversions = ['2']\nbase = 'b'",
            "2 targets have the id `demo-1-2-cpu-py311`",
            id="duplicate ids",
        ),
        pytest.param(
            MINIMAL + "[registry]\ntag = '{version} {device}'", "is not a tag", id="illegal tag"
        ),
        pytest.param(
            MINIMAL + "repository = '123456789012.dkr.ecr.us-east-1.amazonaws.com/ml/foo:1'",
            "begins with a registry's host; write only the name: `ml/foo`",
            id="a URI for a repository",
        ),
        pytest.param(
            MINIMAL + "repository = 'public.ecr.aws/foo'",
            "begins with a registry's host; write only the name: `foo`",
            id="a gallery for a repository",
        ),
        pytest.param(
            MINIMAL + "[registry]\nrepository = 'Team/{name}'",
            "is not a repository name",
            id="illegal repository",
        ),
        *(
            pytest.param(f"{MINIMAL}repository = '{name}'", said, id=f"repository {name}")
            for name, said in {
                "ml/foo/": "'ml/foo/' has an empty part; write one `/`",
                "ml//foo": "'ml//foo' has an empty part; write one `/`",
                "ml/foo-": "the part `foo-` of 'ml/foo-' must begin and end with a letter",
                "ml/_foo": "the part `_foo` of 'ml/_foo' must begin and end with a letter",
                "ml/f..o": "the part `f..o` of 'ml/f..o' must begin and end with a letter",
            }.items()
        ),
        pytest.param(
            MINIMAL + "[registry]\ntag = '{verison}'", "unknown word {verison}", id="unknown word"
        ),
        pytest.param(
            MINIMAL + "[registry]\ntag = '{version.__class__}'", "unknown word", id="an attribute"
        ),
        pytest.param(
            MINIMAL + "tag = '{major}'", "unknown word {major}", id="a word of aliases in a tag"
        ),
        pytest.param(
            MINIMAL + "aliases = ['{mayor}']",
            "images.toml:5: image.demo.aliases.0: unknown word",
            id="unknown word of an alias",
        ),
        pytest.param(
            MINIMAL + "aliases = ['{{a}}']", "which no tag can have", id="a brace in an alias"
        ),
        pytest.param(
            MINIMAL + "[registry]\naliases = ['a', 'a']",
            "images.toml:6: registry.aliases: a is listed twice",
            id="an alias twice",
        ),
        pytest.param(
            MINIMAL + "aliases = ['the latest']",
            "images.toml:5: image.demo.aliases: 'the latest' is not a tag",
            id="an alias that is no tag",
        ),
        pytest.param(
            MINIMAL + "aliases = ['{major}.{minor}-cpu-py311']",
            "the alias `1.0-cpu-py311` of demo-1.0-cpu-py311 is its own tag",
            id="an alias that is the target's own tag",
        ),
        pytest.param(
            MINIMAL.replace('"1.0"', '"1.0", "1.0.1"')
            + "[[image.demo.override]]\nwhen = { version = '1.0.1' }\n"
            "aliases = ['{major}.{minor}-{device}-{py}']",
            "of demo-1.0.1-cpu-py311 is the tag of demo-1.0-cpu-py311",
            id="an alias that is another target's tag",
        ),
        pytest.param(
            MINIMAL + "aliases = ['cache-{device}-{py}']",
            "tag `cache-cpu-py311` is reserved: `cache-*` is for caches, which expire",
            id="an alias that would expire",
        ),
        pytest.param(
            MINIMAL + "aliases = ['sha256-{py}']",
            "tag `sha256-py311` is reserved: `sha256-*` is for signatures and reports",
            id="an alias of what lies beside images",
        ),
        pytest.param(
            MINIMAL + "devices = ['cpu', 'gpu']\naliases = ['latest']",
            "demo-1.0-cpu-py311 and demo-1.0-gpu-py311 have the same alias `latest`",
            id="an alias of two devices",
        ),
        pytest.param(
            MINIMAL + "aliases = ['latest']\n[image.other]\nversions = ['2']\nbase = 'b'\n"
            "repository = 'demo'\npythons = ['3.12']\naliases = ['latest']",
            "demo-1.0-cpu-py311 and other-2-cpu-py312 have the same alias `latest`",
            id="an alias of two images, of different versions",
        ),
        pytest.param(
            MINIMAL + "tag = '{py}'\naliases = ['latest']",
            "the tag `py311` of demo-1.0-cpu-py311 does not contain its version",
            id="a tag without its version",
        ),
        pytest.param(
            MINIMAL.replace("1.0", "1.0-1") + "tag = '{framework_version}'\naliases = ['latest']",
            "the tag `1.0` of demo-1.0-1-cpu-py311 does not contain its version",
            id="a tag without its revision",
        ),
        pytest.param(
            MINIMAL + "devices = ['cpu', 'gpu']\ntag = '{version}'\naliases = ['latest-{device}']\n"
            "[[image.demo.override]]\nwhen = { device = 'gpu' }\ntag = '{version}-gpu'",
            "`1.0-gpu` of demo-1.0-gpu-py311 looks like another version of demo-1.0-cpu-py311",
            id="a tag that looks like another device's",
        ),
        pytest.param(
            MINIMAL.replace('"1.0"', '"1.0", "2.0"') + "aliases = ['latest']\n"
            "[[image.demo.override]]\nwhen = { version = '2.0' }\naliases = []",
            "the tags of demo-2.0-cpu-py311 and demo-1.0-cpu-py311 differ only in the version",
            id="aliases for some versions",
        ),
        pytest.param(
            MINIMAL + "tag = '{version}'\naliases = ['{version}-{device}']",
            "the alias `1.0-cpu` of demo-1.0-cpu-py311 looks like the tag of demo 1.0-cpu",
            id="an alias that looks like a tag",
        ),
        pytest.param(MINIMAL + "[registry]\ntag = '{version'", "a single brace", id="a lone brace"),
        pytest.param(
            MINIMAL + 'packages = ["six\\nRUN rm -rf /"]',
            "holds the control character '\\n'",
            id="a newline in a package",
        ),
        pytest.param(
            MINIMAL + 'packages = ["six; rm -rf /"]', "is not a Python requirement", id="a shell"
        ),
        pytest.param(
            MINIMAL + 'packages = ["x @ https://me:secret@example.com/x.whl"]',
            "holds credentials",
            id="credentials in a requirement",
        ),
        pytest.param(
            MINIMAL + 'indexes = ["https://me:p4ss@i.example"]',
            "image.demo.indexes: the address of an index holds an `@`",
            id="credentials in an index",
        ),
        pytest.param(
            MINIMAL + 'indexes = ["https://i.example/simple?token=p4ss"]',
            "image.demo.indexes: the address of an index ends before `?`, `;` and `#`",
            id="a token in an index",
        ),
        pytest.param(
            MINIMAL + 'indexes = ["https://i.example/$(id)"]',
            "is not the address of a package index such as",
            id="a shell in an index",
        ),
        pytest.param(
            MINIMAL + 'indexes = ["i.example/simple"]',
            "is not the address of a package index such as",
            id="an index without its protocol",
        ),
        pytest.param(
            MINIMAL + 'packages = ["git+https://me:secret@example.com/x"]',
            "'git+https://…@example.com/x' is not a Python requirement",
            id="credentials in what is no requirement",
        ),
        pytest.param(
            MINIMAL + 'args = { "A B" = "1" }', "is not an argument name", id="an argument's name"
        ),
        pytest.param(
            MINIMAL + 'labels = { a = "x\\u2028RUN y" }', "control character", id="line separator"
        ),
        pytest.param(
            MINIMAL.replace("python:{python}-slim", "python 3"),
            "is not an image reference",
            id="illegal base",
        ),
        pytest.param(
            MINIMAL.replace('"python:{python}-slim"', '{ gpu = "a" }'),
            "no base for cpu",
            id="no base",
        ),
        pytest.param(
            "[image.demo]\nversions = ['1']",
            "image.demo.base: no base for cpu",
            id="no base at all",
        ),
        pytest.param(
            MINIMAL + "[image.demo.samples]\ncode = 'absent'",
            "'absent' not found in /nowhere",
            id="missing sample",
        ),
        pytest.param(
            MINIMAL + "[image.demo.samples]\nchannels = { '../../etc' = '.' }",
            "is not a channel",
            id="a channel that leads elsewhere",
        ),
        pytest.param(
            MINIMAL + "[image.demo.samples]\nchannels = { '..' = '.' }",
            "is not a channel",
            id="a channel above",
        ),
        pytest.param(MINIMAL + "labels = { 'a b=c' = 'd' }", "is not a label", id="a label's name"),
        pytest.param(
            MINIMAL + "[[image.demo.samples.payload]]\ncontent-type = 'text/ψ'\nbody = 'b'",
            "cannot be sent as a header",
            id="a header",
        ),
        pytest.param(
            MINIMAL + "[substitutes]\n'a:*' = 'b'",
            "either both sides end with `*`, or neither",
            id="half a wildcard",
        ),
        pytest.param(
            MINIMAL + "args = 'iris'",
            "image.demo.args: expected a table `{ … }`, found 'iris'",
            id="a text in the place of a table",
        ),
        pytest.param(
            MINIMAL + "features = ['gpu']",
            "image.demo.features: `gpu` follows from the device",
            id="a device as a feature",
        ),
        pytest.param(
            MINIMAL + "purposes = ['training']\nfeatures = ['batch']",
            "image.demo.features: an image for training cannot have the feature `batch`",
            id="a feature of another purpose",
        ),
        pytest.param(
            MINIMAL + "end-of-life = '2023'",
            "'2023' is not a month such as `2023-09`",
            id="an end of life that is no month",
        ),
        pytest.param(
            MINIMAL + "apt-snapshot = '2026-11-01'",
            "'2026-11-01' is not a time such as `20261101T000000Z`",
            id="a snapshot that is no time",
        ),
        pytest.param(
            MINIMAL + "apt-snapshot = '20260231T000000Z'",
            "'20260231T000000Z' is not a time such as `20261101T000000Z`",
            id="a snapshot on a day that no month has",
        ),
        pytest.param(
            MINIMAL + "[image.demo.samples]\nchannels = { training = '' }",
            "image.demo.samples.channels.training: the path is empty",
            id="an empty path",
        ),
        pytest.param("[image]\ndemo = 3", "image.demo", id="an image that is no table"),
        pytest.param("image = 3", "no image", id="images that are no table"),
        pytest.param(
            MINIMAL + "[registry]\naccount = '12'",
            "is not an AWS account of 12 digits",
            id="account",
        ),
        pytest.param(
            MINIMAL.replace('["1.0"]', '"1.0"'),
            'expected a list: `["1.0"]`',
            id="a text for a list",
        ),
        pytest.param(
            MINIMAL.replace('["1.0"]', "1.10"),
            'expected a list: `["1.10"]`',
            id="a number for a list",
        ),
        pytest.param(
            MINIMAL + "purposes = true", "expected a list, found true", id="a boolean for a list"
        ),
        pytest.param(
            MINIMAL + "[registry]\naliases = 'latest'",
            'expected a list: `["latest"]`',
            id="a text for a list of the registry",
        ),
        pytest.param(
            MINIMAL + "packages = 'six'", 'expected a list: `["six"]`', id="a text for packages"
        ),
        pytest.param(
            MINIMAL + "packages = { six = '1' }",
            "expected a list, found a table",
            id="a table for a list",
        ),
        pytest.param(
            MINIMAL + "packages = 'requirements.txt'",
            'image.demo.packages: write `requirements = "requirements.txt"`',
            id="a file for packages",
        ),
        pytest.param(
            MINIMAL + "samples.payload = 'x.csv'",
            "expected a list of tables `[[…payload]]`, found 'x.csv'",
            id="a text for a list of tables",
        ),
        pytest.param(
            MINIMAL + "exclude = 'gpu'", "expected a list of tables `[[…exclude]]`", id="rules"
        ),
        pytest.param(
            MINIMAL + "[registry]\nfips = 3", "expected `true` or `false`, found 3", id="no boolean"
        ),
        pytest.param(
            MINIMAL + "samples.startup-seconds = 'a'",
            "expected a whole number, found 'a'",
            id="no number",
        ),
        pytest.param(
            MINIMAL + "end-of-life = 2023-09-01",
            "expected a string, found 2023-09-01; put it in quotes",
            id="a date for a text",
        ),
        pytest.param(
            MINIMAL + "template = true", "expected a string, found true", id="a boolean for a text"
        ),
        pytest.param(
            MINIMAL + "packages = 'x @ https://me:hunter2@h/x?token=hunter2'",
            'expected a list: `["x @ https://…@h/x?…"]`',
            id="a secret in what is no list",
        ),
        pytest.param(
            MINIMAL + "compose = 'x'",
            "unknown key; known keys: `template`, `dockerfile`, `target`, `base`, ",
            id="an unknown key that is like none",
        ),
        pytest.param(
            MINIMAL + "channels = { training = 'data' }",
            "image.demo.channels: unknown key; `channels` is a key of `samples`",
            id="a key of samples",
        ),
        pytest.param(
            "account = '123456789012'\n" + MINIMAL,
            "account: unknown key; `account` is a key of `[registry]`",
            id="a key of the registry",
        ),
        pytest.param(
            MINIMAL + "[registry]\nscan-on-push = true",
            "registry.scan-on-push: unknown key; `scan-on-push` is a key of `[registry.repositories]`",
            id="a key of repositories",
        ),
        pytest.param(
            MINIMAL + "[image.demo.samples]\nbody = 'x'",
            "image.demo.samples.body: unknown key; `body` is a key of `[[….samples.payload]]`",
            id="a key of a payload",
        ),
        pytest.param(
            "[defaults]\nversions = ['1']\n" + MINIMAL,
            "defaults.versions: unknown key; `versions` is a key of `[image.<name>]`",
            id="a key of an image",
        ),
        pytest.param(MINIMAL + "extends = 'x'", "unknown key; known keys: ", id="like none, too"),
        pytest.param(
            MINIMAL + "purpose = []", "did you mean `purposes`?", id="an axis in singular"
        ),
        pytest.param(
            MINIMAL.replace("demo", "x"),
            "images.toml:2: image.x: the name `x` is too short for a repository (2 to 256",
            id="a name of one letter",
        ),
        pytest.param(
            MINIMAL + "repository = 'x'",
            "images.toml:5: image.demo.repository: 'x' is too short for a repository",
            id="a repository of one letter",
        ),
        pytest.param(
            MINIMAL + "[registry]\nrepository = 'x'",
            "images.toml:6: registry.repository: 'x' is too short for a repository",
            id="a repository of one letter for all",
        ),
        pytest.param(
            "[image.demo]\nversions = ['1']\ndevices = ['cpu', 'gpu']",
            'no base for gpu; write `base = "nvidia/cuda:',
            id="no base for a GPU",
        ),
        pytest.param(
            "[image.demo]\nversions = ['1']\ndevices = ['gpu']\nbase = { cpu = 'a' }",
            'no base for gpu; add `gpu = "nvidia/cuda:12.6.3-runtime-ubuntu24.04"` to `base`',
            id="no base for one device",
        ),
        pytest.param(
            MINIMAL + "args = { PIP_INDEX_URL = 'https://me:hunter2@h/simple' }",
            "images.toml:5: image.demo.args.PIP_INDEX_URL: this value holds credentials, which would stay",
            id="credentials in an argument",
        ),
        pytest.param(
            MINIMAL + "labels = { a = 'https://me:hunter2@h/simple' }",
            "image.demo.labels.a: this value holds credentials",
            id="credentials in a label",
        ),
        pytest.param(
            MINIMAL + "indexes = ['https://h:99999/']",
            "image.demo.indexes: 'h:99999' is not the address of a package index",
            id="no such port",
        ),
        pytest.param(
            MINIMAL + "indexes = ['https://h/u%3Ahunter2%40h/']",
            "image.demo.indexes: the address of an index holds an escaped `@`",
            id="credentials in an index, escaped",
        ),
        pytest.param(
            "format = 0x" + "f" * 5000 + MINIMAL,
            "format: the number is too large",
            id="hexadecimal",
        ),
        pytest.param(
            MINIMAL + "template = 0x" + "f" * 5000,
            "expected a string, found a number of thousands of digits",
            id="hexadecimal for a text",
        ),
        pytest.param(
            MINIMAL + "packages = [[0x" + "f" * 5000 + "]]",
            "expected a string, found a list",
            id="hexadecimal in a list",
        ),
        pytest.param(
            MINIMAL.replace('"1.0"', '"' + "9" * 400 + '"') + "tag = 'x'",
            "characters, more than 200",
            id="a target whose id is too long",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, wanted: str) -> None:
    assert wanted in problems(text)


def test_all_problems_come_in_one_report_in_the_order_of_the_file() -> None:
    found = problems(
        """
        [defaults]
        devices = ["tpu"]

        [image.one]
        verions = ["1"]

        [image.two]
        versions = ["1", "2"]
        base = "b b"
        exclude = [{ version = "3" }]
        """
    )
    assert [line.split(": ")[:2] for line in found.splitlines()] == [
        ["5 problems in images.toml"],
        ["images.toml:3", "defaults.devices.0"],
        ["images.toml:5", "image.one.base"],
        ["images.toml:6", "image.one.verions"],
        ["images.toml:10", "image.two.base"],
        ["images.toml:11", "image.two.exclude.0"],
    ]


def test_wrong_types_and_wrong_paths_come_in_one_report(tmp_path: Path) -> None:
    text = """
        [defaults]
        context = "gone"

        [image.demo]
        versions = "1.0"
        base = "b b"
        packages = ["no name"]
        samples.hyperparameters = { n = 20 }
        samples.code = "absent"
        samples.channels = { one = 3, two = "absent" }

        [[image.demo.samples.payload]]
        content-type = 3
        body = "absent"

        [[image.demo.samples.payload]]
        content-type = "text/csv"
        body = "absent"
        answer = 3

        [[image.demo.override]]
        when = { version = 1 }
        context = "absent"

        [image.other]
        versions = ["1.0"]
        base = "b"
        lock = "absent.txt"
        packages = 3
        """
    with pytest.raises(ConfigError) as caught:
        targets(text, tmp_path)
    found = [line.split(": ")[:2] for line in caught.value.details.splitlines()]
    assert found == [
        ["images.toml:3", "defaults.context"],
        ["images.toml:6", "image.demo.versions"],
        ["images.toml:7", "image.demo.base"],
        ["images.toml:8", "image.demo.packages"],
        ["images.toml:9", "image.demo.samples.hyperparameters.n"],
        ["images.toml:10", "image.demo.samples.code"],
        ["images.toml:11", "image.demo.samples.channels.two"],
        ["images.toml:11", "image.demo.samples.channels.one"],
        ["images.toml:14", "image.demo.samples.payload.0.content-type"],
        ["images.toml:15", "image.demo.samples.payload.0.body"],
        ["images.toml:19", "image.demo.samples.payload.1.body"],
        ["images.toml:20", "image.demo.samples.payload.1.answer"],
        ["images.toml:23", "image.demo.override.0.when.version"],
        ["images.toml:24", "image.demo.override.0.context"],
        ["images.toml:29", "image.other.lock"],
        ["images.toml:30", "image.other.packages"],
    ]


def test_a_secret_is_in_no_message(tmp_path: Path) -> None:
    address = "https://me:hunter2@h/x?token=hunter2#hunter2"
    keys = f"packages = ['{address}', 'x @ {address}']\nargs = {{ A = '{address}' }}\n"
    assert "hunter2" not in problems(MINIMAL + keys)
    assert "hunter2" not in problems(MINIMAL + f"packages = '{address}'")
    for key in ("context", "repository", "tag", "end-of-life", "platform", "samples.code", "base"):
        text = MINIMAL.replace("base =", "#") if key == "base" else MINIMAL
        found = problems(text + f"{key} = '{address}'")
        assert "hunter2" not in found, key
        assert "https://…@h/x?…" in found, key
    assert "python:3.11@sha256:0" in problems(MINIMAL.replace("{python}-slim", "3.11@sha256:0"))


@pytest.mark.parametrize(
    "address",
    [
        "https://hunter2@h/x",
        "//u:hunter2@h/",
        "u:hunter2@h/x",
        "--extra-index-url=https://hunter2@h/simple",
        "https://a/b https://u:hunter2@h/x",
        "https://a,https://u:hunter2@h/x",
        "https://u:hun/ter2@h/x",
        "http://h/?X-Amz-Signature=hunter2",
        "http://h/?hunter2",
        "http://h/x;hunter2=1",
        "https://u:hunter2%40h/x",
        "https://u%3Ahunter2%40h/x",
        "https://h/%3Ftoken=hunter2",
        "https://h/x#access_token=hunter2",
    ],
)
@pytest.mark.parametrize("key", ["args", "labels"])
def test_what_stays_in_the_image_holds_no_secret(key: str, address: str) -> None:
    found = problems(MINIMAL + f"{key} = {{ a = '{address}' }}")
    assert f"image.demo.{key}.a: this value " in found
    assert "hunter2" not in found


@pytest.mark.parametrize(
    "text",
    [
        "me@example.com",
        "Me <me@example.com>",
        "mailto:me@example.com",
        "https://example.com/@scope/package?",
        "https://example.com/docs/page.html#install",
        "https://github.com/a/b@v1",
        "ssh://git@github.com/a/b",
        "git@github.com:a/b",
        "python:3.11@sha256:" + "a" * 64,
        "http://localhost:$PORT/x",
        "https://h/x.whl#sha256=" + "a" * 64,
        "https://h/x-1%2Bcpu.whl",
        "100%25; what? #1",
        "https://[::1]:8080/",
    ],
)
def test_what_only_looks_like_a_secret_may_stay_in_the_image(text: str) -> None:
    assert dict(target(MINIMAL + f"labels = {{ a = '{text}' }}").labels)["a"] == text


SECRETS = [
    "https://u:hunter2@h/x",
    "https://u:hunter2%40h/x",
    "https://h/x?hunter2",
    "//u:hunter2@h/x",
    "u:hunter2@h/x",
    "u:hunter2@h/python",
    "hunter2@h/x",
    "https://u:hun'hunter2@h/x",
    "https://u:hunter 2hunter2@h/x",
]


@pytest.mark.parametrize("address", SECRETS)
def test_no_message_shows_the_secret_of_an_address(address: str) -> None:
    quoted = f'"{address}"'
    for keys in (
        f'[substitutes]\n{quoted} = "x y"',
        f'[substitutes]\n"python:*" = "{address}:*"',
        f'[substitutes]\n"{address}*" = "https://v:hunter2@h2/*"',
        f"[registry]\nhost = {quoted}",
        f"[registry]\nprefix = {quoted}",
        f"[registry]\nrepository = {quoted}",
        f"[registry]\naccount = {quoted}",
        f"[registry]\nregion = {quoted}",
        f"[{quoted}]\na = 1",
        f"[image.{quoted}]\nversions = ['1']\nbase = 'b'",
    ):
        assert "hunter2" not in problems(f"{MINIMAL}\n{keys}\n"), keys
    for key in ("base", "repository", "tag", "context", "lock", "requirements"):
        text = MINIMAL.replace("base =", "#") if key == "base" else MINIMAL
        assert "hunter2" not in problems(text + f"{key} = {quoted}"), key
    for rule in (f"{address}=x y", f"{address}*={address}*", f"python:*={address}:*", address):
        with pytest.raises(UsageError) as caught:
            substitution.parse([rule])
        assert "hunter2" not in caught.value.message, rule


def test_a_key_that_is_there_twice_is_named_without_its_secret() -> None:
    twice = '"https://u:hunter2@h/*" = "https://m.example/*"\n'
    assert "`substitutes.https://…@h/*` is written twice" in problems(
        f"[substitutes]\n{twice}{twice}"
    )


def test_a_long_text_is_cut_in_a_message() -> None:
    found = problems(MINIMAL + f'labels = {{ a = "{"x" * 100_000}\\n" }}\n{"k" * 5000} = 1')
    assert len(found) < 5000


@pytest.mark.parametrize("length", [300, 5000])
@pytest.mark.parametrize(
    "key", ["context", "lock", "requirements", "samples.code", "samples.channels.a"]
)
def test_a_path_that_is_too_long_is_a_problem_of_the_file(
    tmp_path: Path, key: str, length: int
) -> None:
    with pytest.raises(ConfigError, match="1 problem in") as caught:
        targets(MINIMAL + f"{key} = '{'x' * length}'", tmp_path)
    assert f"images.toml:5: image.demo.{key}: " in caught.value.details
    assert "cannot be read: File name too long" in caught.value.details or length > 1000


@pytest.mark.parametrize("name", ["x" * 5000, "x" * 300])
def test_a_file_whose_name_is_too_long_is_a_mistake_of_the_user(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read: File name too long"):
        images_toml.read(tmp_path / name)


def test_a_path_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    """Other programs are told paths in UTF-8, and would look for another."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / "images.toml").write_text(MINIMAL)
    with pytest.raises(ConfigError, match="its path is not UTF-8") as caught:
        images_toml.read(folder / "images.toml")
    assert "PYTHONUTF8=1" in caught.value.message


@pytest.mark.process
@pytest.mark.parametrize(
    ("folder", "context", "said"),
    [
        ("café", "program", "its path is not UTF-8, or this Python reads paths as ascii"),
        ("cafe", "café", "cannot be a path in Python's encoding ascii; set PYTHONUTF8=1"),
    ],
)
def test_without_utf_8_a_path_of_other_letters_is_told(
    tmp_path: Path, folder: str, context: str, said: str
) -> None:
    (tmp_path / folder / context).mkdir(parents=True)
    text = MINIMAL + f"template = 'sklearn'\ncontext = '{context}'\n"
    (tmp_path / folder / "images.toml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "buildkit", "list"],
        cwd=tmp_path / folder,
        env={**os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == Exit.USAGE
    assert said in done.stderr


def test_the_line_of_a_key_is_found_across_arrays_texts_and_comments() -> None:
    text = '''
    [image.demo]
    base = "b"
    versions = [
      "1",  # [image.fake]
      "2",
    ]
    # versions = "not this"

    packages = ["""
no name"""]
    '''
    assert "images.toml:10: image.demo.packages: " in problems(text)


def test_problems_are_located_by_one_more_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    loads = tomli.loads

    def counted(text: str, **options: Any) -> dict[str, Any]:
        read.append(len(text))
        return loads(text, **options)

    monkeypatch.setattr(tomli, "loads", counted)
    text = "".join(f"[image.n{n}]\nversions = 1\nbase = 'b'\n" for n in range(100))
    assert "... and 50 more" in problems(text)
    assert sum(read) <= 2 * len(text)


def test_of_many_problems_those_of_the_first_lines_are_shown() -> None:
    images = "".join(f"[image.n{n}]\nversions = ['1']\nbase = ''\n" for n in range(60))
    found = problems(f"substitutes = {{ 'a*' = 'b' }}\n{images}bsae = 1\n").splitlines()
    assert found[1].startswith("images.toml:1: substitutes.a*: ")
    assert "bsae" not in "".join(found)
    assert found[-1] == "... and 12 more"


def test_thousands_of_lines_are_read_and_located_at_the_cost_of_each() -> None:
    def read(count: int) -> None:
        parts = [f"[image.n{n}]\nversions = ['1']\nbase = 'b'\n# {n}\n" for n in range(count)]
        parts[-1] = parts[-1].replace("base", "bsae")
        wanted = f"images.toml:{4 * count - 1}: image.n{count - 1}.bsae"
        assert wanted in problems("".join(parts))

    assert growth(read, 100) < QUADRATIC / 2


def test_hundreds_of_problems_are_counted_and_the_first_are_shown() -> None:
    def read(count: int) -> None:
        text = "".join(f"[image.n{n}]\nversions = 1\nbase = 'b'\n" for n in range(count))
        found = problems(text)
        assert f"{count} problems in images.toml" in found
        assert found.endswith(f"... and {count - 50} more")
        assert len(found.splitlines()) == 52

    assert growth(read, 60) < QUADRATIC / 2


def test_a_sample_that_is_a_folder_is_no_body(tmp_path: Path) -> None:
    text = MINIMAL + "[[image.demo.samples.payload]]\ncontent-type = 'a'\nbody = '.'"
    with pytest.raises(ConfigError) as caught:
        targets(text, tmp_path)
    assert "'.' is a folder, not a file" in caught.value.details


def test_a_mark_at_the_beginning_of_the_file_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "images.toml").write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert images_toml.read(tmp_path / "images.toml").images


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not found") as caught:
        images_toml.read(tmp_path / "images.toml")
    assert caught.value.hint


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "images.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        images_toml.read(tmp_path / "images.toml")


def test_nothing_is_executed_while_reading() -> None:
    read = parse(MINIMAL + 'labels = { a = "$(touch /tmp/x) `id` {name}" }')
    assert dict(read.images)["demo"].labels == {"a": "$(touch /tmp/x) `id` {name}"}


def test_what_follows_from_a_wrong_key_is_not_told_as_well() -> None:
    found = problems(
        """
        [defaults]
        base = "a {nonsense}"

        [image.one]
        versions = ["1"]
        packages = 3
        exclude = [{ version = "2" }]
        """
    )
    assert [line.split(": ")[:2] for line in found.splitlines()] == [
        ["3 problems in images.toml"],
        ["images.toml:3", "defaults.base"],
        ["images.toml:7", "image.one.packages"],
        ["images.toml:8", "image.one.exclude.0"],
    ]


def test_an_alias_that_is_the_target_s_own_tag_is_one_problem() -> None:
    text = MINIMAL + "aliases = ['{major}.{minor}-{device}-{py}', 'latest']"
    assert problems(text).startswith("1 problem in ")


HOSTS = [
    "nvcr.io/n", "mcr.microsoft.com/n", "registry.gitlab.com/n", "harbor.corp.example.com/n",
    "10.0.0.5/n", "10.0.0.5:80/n", "[::1]:5000/n", "registry.hub.docker.com/n", "localhost:5000/n",
    "localhost/n", "my-registry:5000/n", "registry.acme.de/n", "registry.svc.local/n", "GHCR.io/n",
    "docker.io/n:1", "ghcr.io/n@sha256:0", "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/n",
]  # fmt: skip


@pytest.mark.parametrize("repository", HOSTS)
def test_a_host_is_no_part_of_a_repository_s_name(repository: str) -> None:
    found = problems(MINIMAL + f"repository = '{repository}'")
    assert f"{repository!r} begins with a registry's host" in found
    assert found.endswith("write only the name: `n`")


@pytest.mark.parametrize("text", ["ghcr.io/", "localhost:5000/", "nvcr.io/acme/", "Team/"])
def test_a_prefix_and_a_pattern_are_told_as_they_are_written(text: str) -> None:
    found = problems(MINIMAL + f"[registry]\nprefix = '{text}'")
    assert f"images.toml:6: registry.prefix: {text!r} " in found
    pattern = f"{text}{{name}}" if "." in text or ":" in text else "ghcr.io/{name}:{version}"
    found = problems(MINIMAL + f"[registry]\nrepository = '{pattern}'")
    assert f"images.toml:6: registry.repository: {pattern!r} begins with a registry's host" in found
    assert found.endswith("{name}`")


@pytest.mark.parametrize(
    "repository", ["my.team/app", "nlp.ml/app", "v1.2/app", "app.io", "a/b.com/c"]
)
def test_names_of_repositories_may_hold_dots(repository: str) -> None:
    assert targets(MINIMAL + f"repository = '{repository}'")


def test_known_keys_are_listed_once_for_each_kind_of_table() -> None:
    text = MINIMAL + "zzz = 1\nqqq = 1\n[image.demo.samples]\nzzz = 1\n[registry]\nzzz = 1\nqqq = 1"
    found = problems(text).splitlines()[1:]
    assert [line.partition("unknown key")[2][:15] for line in found] == [
        "; known keys: `", "", "; known keys: `", "; known keys: `", "",
    ]  # fmt: skip


PREBUILD = MINIMAL.replace('"python:{python}-slim"', '{ prebuild = { framework = "pytorch" } }')
PAYLOAD = MINIMAL + "[[image.demo.samples.payload]]\nbody = '/nowhere'\n"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param(
            PREBUILD,
            "image.demo.base.prebuild: unknown key; did you mean `prebuilt`?",
            id="a misspelt key of the base",
        ),
        pytest.param(
            PREBUILD.replace("prebuild", "foo"),
            "image.demo.base.foo: unknown key; known keys: `cpu`, `gpu`, `prebuilt`",
            id="an unknown key of the base",
        ),
        pytest.param(
            PREBUILD.replace("prebuild =", "prebuilt =").replace("framework", "framwork"),
            "image.demo.base.prebuilt.framwork: unknown key; did you mean `framework`?",
            id="a misspelt key of a prebuilt image",
        ),
        pytest.param(
            MINIMAL.replace("{python}", "{pyton}"),
            "image.demo.base: unknown word {pyton}",
            id="an unknown word of the base",
        ),
        pytest.param(
            PREBUILD.replace('{ prebuild = { framework = "pytorch" } }', "3"),
            "image.demo.base: expected an image or a table `{ … }`, found 3",
            id="a number for a base",
        ),
        pytest.param(
            MINIMAL.replace("base", "baes"),
            "image.demo.baes: unknown key; did you mean `base`?",
            id="a misspelt base",
        ),
        pytest.param(
            MINIMAL.replace("versions", "version"),
            "image.demo.version: unknown key; did you mean `versions`?",
            id="a misspelt axis",
        ),
        pytest.param(
            MINIMAL.replace("[image.", "[images.") + "[samples.iris]\nmetrics = {}",
            "images: unknown key; did you mean `image`?",
            id="a misspelt table",
        ),
        pytest.param(
            MINIMAL.replace("demo", '"ghcr.io/demo"'),
            "image.ghcr.io/demo: 'ghcr.io/demo' is not a name",
            id="a host for a name",
        ),
    ],
)
def test_one_cause_is_one_problem_that_counts_no_targets(text: str, wanted: str) -> None:
    found = problems(text)
    assert found.startswith("1 problem in ")
    assert wanted in found
    assert "more target" not in found


def test_a_misspelt_key_of_a_payload_is_not_missing_as_well(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1")
    text = PAYLOAD.replace("/nowhere", "a.csv") + "content_type = 'text/csv'"
    with pytest.raises(ConfigError, match="1 problem") as caught:
        targets(text, tmp_path)
    assert caught.value.details.endswith("unknown key; did you mean `content-type`?")


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ("[image.demo.samples]\nstartup-seconds = 0o777777", "expected 3600 or less, found 262143"),
        ("[image.demo.samples]\nstartup-seconds = 1", "expected 60 or more, found 1"),
        ("[image.demo.samples]\nstartup-seconds = inf", "expected a whole number, found inf"),
        ("[image.demo.samples]\nmetrics = { a = '' }", "metrics.a: the value is empty"),
        ("[image.demo.samples]\nmetrics = { '' = '(a)' }", "metrics.: the name is empty"),
        (
            f"[image.demo.samples]\nmetrics = {{ a = '{'(x)' * 300}' }}",
            "expected 500 characters at most, found '(x)",
        ),
        ("[registry]\nprofile = ''", "profile: the value is empty"),
        ("[registry.repositories]\ncache-days = 5000", "expected 3650 or less, found 5000"),
        ("[registry.repositories]\nuntagged-days = -1", "expected 0 or more, found -1"),
    ],
)
def test_bounds_are_named_in_our_words(keys: str, wanted: str) -> None:
    assert wanted in problems(MINIMAL + keys)


@pytest.mark.parametrize(
    "text",
    [
        MINIMAL.replace("python:", "x" * 5000 + " "),
        *(
            MINIMAL + f"{key} = '{'x' * 5000}!'"
            for key in ("context", "platform", "tag", "end-of-life", "samples", "y" * 5000)
        ),
        MINIMAL + f"tag = '{{{'x' * 5000}}}'",
        MINIMAL + f"packages = ['{'x' * 5000}!']",
        MINIMAL + f'[image.demo.labels]\n{"x" * 5000} = "a\\n"',
    ],
)
def test_the_middle_of_a_long_value_is_left_out(text: str) -> None:
    found = problems(text)
    assert "…" in found
    assert not re.search("[xy]{300}", found)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("arn:aws:ecr:us-east-1:123456789012:repository/acme/x", "is an ARN"),
        ("/acme/x", "begins with a `/`"),
        ("https://host/acme/x", "is a URL"),
        ("https://123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/x:1", "is a URL"),
        ("acme/x:1.0", "ends with a tag or a digest"),
        ("acme/x:{version}", "ends with a tag or a digest"),
        (f"acme/x@sha256:{'a' * 64}", "ends with a tag or a digest"),
    ],
)
def test_an_address_of_a_repository_is_answered_with_its_name(name: str, what: str) -> None:
    found = problems(MINIMAL + f"repository = '{name}'")
    assert found.endswith(f"image.demo.repository: {name!r} {what}; write only the name: `acme/x`")


def test_an_address_of_a_prefix_is_answered_with_the_prefix() -> None:
    found = problems(MINIMAL + "[registry]\nprefix = 'https://host/acme/'")
    assert found.endswith("is a URL; write only the name: `acme/`")
