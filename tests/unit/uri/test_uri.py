"""`buildkit uri`, in the process of the test: own images by the ledger, AWS's by the data."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from click.shell_completion import ShellComplete

from buildkit import cli
from buildkit.ledger import ledger
from buildkit.ledger.record import Action
from buildkit.prebuilt import facts, naming
from buildkit.publish import connect
from buildkit.support.errors import Exit, UsageError
from buildkit.uri import catalogue, complete, own, region
from buildkit.uri import published as own_images
from buildkit.uri.asked import Asked
from tests.support.distribution import Distribution
from tests.support.registry_server import running
from tests.support.releases import digest, image, move, release

if TYPE_CHECKING:
    from buildkit.config import schema

ROOT = Path(__file__).parents[3]
Captured = pytest.CaptureFixture[str]
IRELAND = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
VIRGINIA = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
OTHERS = "444455556666.dkr.ecr.eu-west-1.amazonaws.com"


def published(version: str, letter: str, *hosts: str, **changes: Any) -> Any:
    device, python = changes.get("device", "cpu"), changes.get("python", "3.11")
    tag = f"{version}-{device}-py{python.replace('.', '')}"
    name = changes.get("name", "sklearn")
    facts = {
        "target": f"{name}-{tag}", "name": name, "repository": name, "tag": tag,
        "locations": tuple(f"{host}/{name}:{tag}" for host in hosts or (IRELAND, VIRGINIA)),
    }  # fmt: skip
    return image(version, letter, **{**facts, **changes})


@cache
def recorded() -> str:
    """A ledger of five releases."""
    releases = (
        release(published("1.7.2", "a"), published("1.7.2", "b", python="3.13")),
        release(published("1.7.10", "c"), published("2.0.0", "d", OTHERS)),
        release(published("1.0", "e", name="tool", purpose="training")),
        release(
            published("1.0-1", "f", name="lone", locations=("127.0.0.1:5050/lone:1.0-1-cpu-py311",))
        ),
        release(
            published("1.7.2", "a", repository="prod/sklearn", locations=("x.example/prod/sklearn:1.7.2-cpu-py311",)),
            action=Action.PROMOTE,
        ),
    )  # fmt: skip
    return "".join(f"{ledger.text(each)}\n" for each in releases)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger, and no images.toml: `uri` reads the ledger alone."""
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / ledger.NAME).write_text(recorded())
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "out", "err"),
    [
        ("sklearn --version 1.7.2 --python 3.11", f"{IRELAND}/sklearn:1.7.2-cpu-py311", ""),
        ("sklearn --version 1.7.2 --python py3.11", f"{IRELAND}/sklearn:1.7.2-cpu-py311", ""),
        ("sklearn --version 1.7.2 --device cpu --python py313 --region us-east-1", f"{VIRGINIA}/sklearn:1.7.2-cpu-py313", ""),
        ("sklearn --latest --version 1.7 --python 3.11", f"{IRELAND}/sklearn:1.7.10-cpu-py311", "the newest match is 1.7.10; older: `1.7.2`\n"),
        ("sklearn --latest --python 3.11", f"{OTHERS}/sklearn:2.0.0-cpu-py311", "the newest match is 2.0.0; older: `1.7.10`, `1.7.2`\n"),
        ("sklearn --latest --python 3.13", f"{IRELAND}/sklearn:1.7.2-cpu-py313", "the newest match is 1.7.2\n"),
        ("sklearn --latest --region us-east-1 --python 3.11", f"{VIRGINIA}/sklearn:1.7.10-cpu-py311", "the newest match in us-east-1 is 1.7.10; older: `1.7.2`\n"),
        ("sklearn --version 2 --account 444455556666", f"{OTHERS}/sklearn:2.0.0-cpu-py311", "2 is 2.0.0\n"),
        ("sklearn-1.7.2-cpu-py311", f"{IRELAND}/sklearn:1.7.2-cpu-py311", ""),
        ("sklearn-*-py313 --digest", f"{IRELAND}/sklearn@{digest('b')}", ""),
        ("tool --purpose training", f"{IRELAND}/tool:1.0-cpu-py311", ""),
        ("sklearn --purpose inference --version 2.0.0", f"{OTHERS}/sklearn:2.0.0-cpu-py311", ""),
        ("sklearn --purpose Both --device CPU --python Python3.11 --version 2.0.0", f"{OTHERS}/sklearn:2.0.0-cpu-py311", ""),
        ("sklearn --purpose both --version 2.0.0", f"{OTHERS}/sklearn:2.0.0-cpu-py311", ""),
        ("sklearn --version 1.7 --python 3.13 --region us-east-1", f"{VIRGINIA}/sklearn:1.7.2-cpu-py313", "1.7 is 1.7.2 in us-east-1\n"),
        ("SKLearn --version 1.7 --python 3.13 --region US-East-1", f"{VIRGINIA}/sklearn:1.7.2-cpu-py313", "1.7 is 1.7.2 in us-east-1\n"),
        ("SKLEARN-1.7.2-CPU-PY311", f"{IRELAND}/sklearn:1.7.2-cpu-py311", ""),
        ("SKLearn-*-PY313 --digest", f"{IRELAND}/sklearn@{digest('b')}", ""),
        ("lone --version 1.0", "127.0.0.1:5050/lone:1.0-1-cpu-py311", "1.0 is 1.0-1\n"),
        ("lone --region 127.0.0.1:5050", "127.0.0.1:5050/lone:1.0-1-cpu-py311", ""),
    ],
)  # fmt: skip
def test_an_own_image_is_found(
    project: Path, arguments: str, out: str, err: str, capsys: Captured
) -> None:
    assert cli.run(["uri", *arguments.split()]) == Exit.DONE
    assert capsys.readouterr() == (f"{out}\n", err)


@pytest.mark.parametrize(
    "case",
    [
        ("pytorch", Exit.NOTHING_SELECTED, "`pytorch` is not published", "`--prebuilt`"),
        ("sklern", Exit.NOTHING_SELECTED, "`sklern` is not published", "did you mean: `sklearn`"),
        ("sklearn-1.7.2-cpu-py312", Exit.NOTHING_SELECTED, "is not published", "`sklearn-1.7.2-cpu-py311`"),
        ("sklearn --version 1.8", Exit.NOTHING_SELECTED, "`sklearn` 1.8 is not published", "`1.7.10`"),
        ("sklearn --version 1.7.1", Exit.NOTHING_SELECTED, "1.7.1 is not published", "`1.7.2`"),
        ("sklearn --version 1.7 --device gpu", Exit.NOTHING_SELECTED, "the device `gpu`", "`cpu`"),
        ("sklearn --version 1.7 --python 3.12", Exit.NOTHING_SELECTED, "the Python `3.12`", "`3.13`"),
        ("tool --purpose inference", Exit.NOTHING_SELECTED, "the purpose `inference`", "available: `training`"),
        ("sklearn --version 2.0.0 --region us-east-1", Exit.NOTHING_SELECTED, "the region `us-east-1`", "`eu-west-1`"),
        ("sklearn --account 123", Exit.NOTHING_SELECTED, "the account `123`, which has 3 digits and not 12", "`111122223333`"),
        ("sklearn --account 11112222333", Exit.NOTHING_SELECTED, "the account `11112222333`, which has 11 digits and not 12", "did you mean: `111122223333`"),
        ("sklearn --account 999988887777", Exit.NOTHING_SELECTED, "the account `999988887777`\n", "`111122223333`"),
        ("sklearn --version 99.0 --python 3.13", Exit.NOTHING_SELECTED, "`sklearn` 99.0 is not published", "available: `1.7.2`; `--latest` without `--version` takes the newest"),
        ("SKLearn:1.7.2", Exit.USAGE, "`SKLearn:1.7.2` is a name with a tag, and TARGET is a name", "`buildkit uri sklearn --version 1.7.2`; for AWS's own images, add `--prebuilt`"),
        ("sklearn:1.7.2-cpu-py311", Exit.USAGE, "is a name with a tag", "`buildkit uri sklearn-1.7.2-cpu-py311`"),
        ("sklearn==1.7.2", Exit.USAGE, "is a name with a tag", "`buildkit uri sklearn --version 1.7.2`"),
        ("sklearn@v1.0+a-1", Exit.USAGE, "`sklearn@v1.0+a-1` is a name with a tag", "`buildkit uri sklearn --version 1.0+a-1`"),
        ("sklearn:latest", Exit.USAGE, "is a name with a tag", "`buildkit uri sklearn --latest`"),
        ("sklearn-1.7.2-cpu-py311@x", Exit.USAGE, "`sklearn-1.7.2-cpu-py311@x` is a name with a tag", "`buildkit uri sklearn-1.7.2-cpu-py311 --latest`"),
        ("secret@git.example", Exit.USAGE, "`…@git.example` is a name with a tag", "`buildkit uri "),
        (f"{IRELAND}/sklearn:1.7.2-cpu-py311", Exit.USAGE, "is the URI of an image, and TARGET is a name", f"`buildkit uri --explain {IRELAND}/sklearn:1.7.2-cpu-py311`"),
        ("sklearn --version 1.7", Exit.USAGE, "3 targets match: choose one of: `sklearn-1.7.10-cpu-py311`, `sklearn-1.7.2-cpu-py311`", "--python: `3.13`, `3.11`; --version: `1.7.10`, `1.7.2`"),
        ("sklearn", Exit.USAGE, "4 targets match", "--python: `3.13`, `3.11`; --version: `2.0.0`, `1.7.10`, `1.7.2`"),
        ("sklearn --latest", Exit.USAGE, "4 targets match", "--python: `3.13`, `3.11`\n"),
        ("sklearn --python 3.11", Exit.USAGE, "in 3 versions", "--version: `2.0.0`, `1.7.10`, `1.7.2`; `--latest`"),
        ("sklearn --version 1.7 --python 3.11", Exit.USAGE, "in 2 versions that begin with 1.7: choose one", "--version: `1.7.10`, `1.7.2`; `--latest`"),
        ("sklearn --version 9 --python 3.13", Exit.NOTHING_SELECTED, "`sklearn` 9 is not published", "available: `1.7.2`"),
        ("sklearn --version latest", Exit.NOTHING_SELECTED, "`sklearn` latest is not published", "`--latest`"),
        ("*", Exit.USAGE, "6 targets match", "TARGET: `lone`, `sklearn`, `tool`"),
    ],
    ids=lambda case: case[0],
)  # fmt: skip
def test_an_own_image_that_is_not_the_one_is_an_error(
    project: Path, case: tuple[str, Exit, str, str], capsys: Captured
) -> None:
    arguments, code, message, hint = case
    assert cli.run(["uri", *arguments.split()]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert hint in err.partition("hint: ")[2]


@pytest.mark.parametrize(
    ("purpose", "letter"), [("training", "2"), ("both", "1"), ("inference", "1")]
)
def test_an_image_for_a_purpose_comes_before_one_for_both(
    project: Path, purpose: str, letter: str, capsys: Captured
) -> None:
    book = ledger.Ledger(path=project / ledger.NAME)
    cell = "1.0-cpu-py311"
    for letter_, tag, for_ in (("1", cell, "both"), ("2", f"{cell}-training", "training")):
        facts = {"tag": tag, "target": f"two-{tag}", "locations": (f"{IRELAND}/two:{tag}",)}
        book.append(release(published("1.0", letter_, name="two", purpose=for_, **facts)))
    assert cli.run(["uri", "two", "--digest"]) == Exit.USAGE
    assert "--purpose: `both`, `training`" in capsys.readouterr().err
    assert cli.run(["uri", "two", "--digest", "--purpose", purpose]) == Exit.DONE
    assert capsys.readouterr().out.endswith(f"/two@{digest(letter)}\n")
    assert [each["id"] for each in listed(capsys, "--framework", "two", "--purpose", "both")] == [
        "two-1.0-cpu-py311"
    ]


@pytest.mark.parametrize("version", ["1.0RC", "1.0rc"])
def test_of_ids_that_differ_only_in_case_the_exact_one_is_found(version: str) -> None:
    known = own_images.places([release(published("1.0rc", "a"), published("1.0RC", "b"))])
    asked = Asked(target=f"sklearn-{version}-cpu-py311", region="eu-west-1")
    assert own.find(known, asked, "")[0].image.version == version


def test_no_version_is_the_newest_of_a_region_without_images(
    project: Path, capsys: Captured
) -> None:
    asked = "uri xgboost --prebuilt --latest --region eusc-de-east-1"
    assert cli.run(asked.split()) == Exit.NOTHING_SELECTED
    err = capsys.readouterr().err
    assert "newest match" not in err
    assert "has no `xgboost` 3.2-0 in eusc-de-east-1" in err


def test_an_alias_of_a_version_is_one_with_latest_too(project: Path, capsys: Captured) -> None:
    asked = "uri neo-mxnet --prebuilt --version 1.2.0 --latest --region us-west-2 --device cpu"
    assert cli.run(asked.split()) == 0
    assert capsys.readouterr().out.endswith("/sagemaker-inference-mxnet:1.2.0-cpu-py3\n")


def test_an_inconsistent_record_gives_no_uri(project: Path, capsys: Captured) -> None:
    """The tester's repro: the location of one tag in the record of another."""
    book = project / "releases.jsonl"
    text = book.read_text()
    book.write_text(text.replace(f"{IRELAND}/sklearn:1.7.10-cpu", f"{IRELAND}/sklearn:1.7.2-cpu"))
    for words in (
        "sklearn --version 1.7.10",
        "sklearn --version 1.7.10 --digest",
        "--list",
        "sklearn --latest --python 3.11",
    ):
        assert cli.run(["uri", *words.split()]) == Exit.TOOL, words
        out, err = capsys.readouterr()
        assert out == ""
        assert "releases.jsonl:2 is not a valid record: images[0].locations: " in err


@pytest.mark.parametrize(
    "asked",
    ["sklearn --version 1.7 --python 3.13", "SKLEARN-1.7.2-*13", "sklearn-1.7.2-cpu-py31[23]"],
)
def test_records_of_other_images_cost_no_answer(
    project: Path, asked: str, capsys: Captured
) -> None:
    """They may be many: only those that mention name and version are read in full."""
    book = project / "releases.jsonl"
    (line,) = (each for each in book.read_text().splitlines() if "tool-1.0" in each)
    book.write_text(book.read_text().replace(line, line.replace('"training"', '"dreaming"')))
    assert cli.run(["uri", *asked.split()]) == Exit.DONE
    assert capsys.readouterr().out == f"{IRELAND}/sklearn:1.7.2-cpu-py313\n"
    assert cli.run(["uri", "sklern"]) == Exit.TOOL


def test_the_ledger_that_was_looked_for_is_told(project: Path, capsys: Captured) -> None:
    assert cli.run(["uri", "sklearn", "--file", "elsewhere/images.toml"]) == Exit.NOTHING_SELECTED
    assert "elsewhere/releases.jsonl is missing or empty" in capsys.readouterr().err
    assert cli.run(["uri", "sklern"]) == Exit.NOTHING_SELECTED
    assert "releases.jsonl has no image or target with that name" in capsys.readouterr().err


def test_versions_that_nobody_can_order_are_not_guessed(project: Path, capsys: Captured) -> None:
    book = ledger.Ledger(path=project / ledger.NAME)
    book.append(release(published("1.7..a", "7"), published("1.7..b", "8")))
    assert (
        cli.run(["uri", "sklearn", "--latest", "--version", "1.7", "--python", "3.11"])
        == Exit.USAGE
    )
    out, err = capsys.readouterr()
    assert out == ""
    assert "the newest of the versions 1.7 is unclear" in err


def test_json_has_all_fields(project: Path, capsys: Captured) -> None:
    assert cli.run(["uri", "tool", "--json"]) == Exit.DONE
    found = json.loads(capsys.readouterr().out)
    assert found.pop("record").startswith("20261121T")
    assert found == {
        "id": "tool-1.0-cpu-py311", "name": "tool", "version": "1.0", "device": "cpu", "python": "3.11", "purpose": "training",
        "uri": f"{IRELAND}/tool:1.0-cpu-py311", "digest": digest("e"), "digest_uri": f"{IRELAND}/tool@{digest('e')}", "verified": False,
        "host": IRELAND, "account": "111122223333", "region": "eu-west-1", "repository": "tool", "tag": "1.0-cpu-py311",
    }  # fmt: skip


def test_a_ledger_that_is_broken_is_told_with_its_line(project: Path, capsys: Captured) -> None:
    (project / "releases.jsonl").write_text('{"format": 1, "id": 7}\n')
    assert cli.run(["uri", "tool"]) == Exit.TOOL
    assert "releases.jsonl:1 is not a valid record" in capsys.readouterr().err


def test_verify_asks_the_registry_once(project: Path, capsys: Captured) -> None:
    with running(Distribution()) as registry:
        manifest = registry.image("v", "1.0-cpu-py311", "2.0-cpu-py311", layers=[])
        book = ledger.Ledger(path=project / ledger.NAME)
        for version, known in (
            ("1.0", manifest.digest),
            ("2.0", digest("0")),
            ("3.0", digest("0")),
        ):
            hosts = (registry.host,)
            book.append(release(published(version, "a", *hosts, name="v", digest=known)))
        before = len(registry.requests)
        assert cli.run(["uri", "v", "--version", "1", "--verify"]) == Exit.DONE
        assert capsys.readouterr().out == f"{registry.host}/v@{manifest.digest}\n"
        assert len(registry.requests) == before + 1
        assert cli.run(["uri", "v", "--version", "2", "--verify"]) == Exit.TOOL
        out, err = capsys.readouterr()
        assert (out, "differs from the ledger: the ledger has sha256:000" in err) == ("", True)
        assert (
            cli.run(["uri", "v", "--version", "3", "--verify", "--json"]) == Exit.NOTHING_SELECTED
        )
        said = capsys.readouterr()
        assert "not found in the registry" in said.err
        assert json.loads(said.out)["error"]["kind"] == "nothing-selected"


@pytest.mark.parametrize(
    ("arguments", "image", "said"),
    [
        ("pytorch --latest --purpose training --device gpu", "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.10.0-gpu-py313", "is 2.10.0"),
        ("pytorch --latest --version 2.5 --purpose training --device gpu", "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.5.1-gpu-py311", "is 2.5.1"),
        ("xgboost --version 1.7", "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:1.7-1", "1.7 is 1.7-1"),
        ("xgboost --latest", "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:3.2-0", "is 3.2-0"),
        ("scikit-learn --version 1.2-1", "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3", ""),
        ("PyTorch --version 2.5.1 --purpose Training --device GPU --python Python3.11", "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.5.1-gpu-py311", ""),
        ("XGBoost --latest", "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:3.2-0", "is 3.2-0"),
        ("Scikit-Learn --version 1.2-1", "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3", ""),
        ("hf --version 4.28 --base-framework PyTorch2.0 --purpose training", "763104351884.dkr.ecr.eu-west-1.amazonaws.com/huggingface-pytorch-training:2.0.0-transformers4.28.1-gpu-py310-cu118-ubuntu20.04", ""),
        ("Torch --latest --purpose training --device cpu", "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.10.0-cpu-py313", "newer versions as `pytorch-amzn2023`"),
        ("k-means", "438346466558.dkr.ecr.eu-west-1.amazonaws.com/kmeans:1", ""),
    ],
)  # fmt: skip
def test_the_newest_a_part_of_a_version_and_other_names(
    project: Path, arguments: str, image: str, said: str, capsys: Captured
) -> None:
    asked = ["uri", "--prebuilt", "--region", "eu-west-1", *arguments.split()]
    assert cli.run(asked) == Exit.DONE
    out, err = capsys.readouterr()
    assert out == f"{image}\n"
    assert said in err


@pytest.mark.parametrize(
    ("purpose", "said"),
    [
        ("training", "AWS releases newer versions as `pytorch-amzn2023`, up to 2."),
        ("inference", ""),
    ],
)
def test_newer_images_under_another_name_are_told(
    project: Path, purpose: str, said: str, capsys: Captured
) -> None:
    asked = "uri --prebuilt pytorch --latest --device cpu --region eu-west-1 --purpose"
    assert cli.run([*asked.split(), purpose]) == Exit.DONE
    told = capsys.readouterr().err
    assert said in told
    assert ("newer versions" in told) is bool(said)


@pytest.mark.parametrize("name", naming.SPOKEN)
def test_what_people_call_a_framework_is_answered(
    project: Path, name: str, capsys: Captured
) -> None:
    meant = naming.SPOKEN[name]
    assert meant in facts.frameworks()
    assert name not in facts.frameworks()
    assert f"`{name}`" in (ROOT / "docs" / "reference" / "uri.md").read_text()
    called = {each["framework"] for each in listed(capsys, "--framework", name)}
    assert called == {meant}


@pytest.mark.parametrize(
    "case",
    [
        ("pytorch --purpose training --device gpu", Exit.USAGE, "many versions", "available: `2.10.0`, `2.9.0`, `2.8.0`, `2.7.1`"),
        ("pytorch --purpose inference_graviton", Exit.USAGE, "many versions", "`--latest`"),
        ("pytorch --version latest", Exit.USAGE, "`latest` is not a version", "`--latest`"),
        ("xgboost --version 3", Exit.USAGE, "2 versions of `xgboost` begin with 3", "--version: `3.2-0`, `3.0-5`; `--latest`"),
        ("pytorch --device neuronx --purpose inference", Exit.NOTHING_SELECTED, "the data (sagemaker-core ", "`"),
        ("pytorch --version 9.9 --device cpu --purpose inference_graviton", Exit.NOTHING_SELECTED, "no `pytorch` 9.9", "available: `2.6.0`"),
        ("pytorch --version 99.0 --purpose training --device gpu", Exit.NOTHING_SELECTED, "no `pytorch` 99.0", "available: `2.10.0`, `2.9.0`, "),
        ("pytorch --version 99.0 --purpose training --device gpu", Exit.NOTHING_SELECTED, "no `pytorch` 99.0", "; `--latest` without `--version` takes the newest\n"),
        ("pytorch --version 2.5.9 --purpose training --device gpu", Exit.NOTHING_SELECTED, "no `pytorch` 2.5.9", "did you mean: `2.5.1`"),
        ("PyTorch:1.0", Exit.USAGE, "`PyTorch:1.0` is a name with a tag, and TARGET is a name", "`buildkit uri pytorch --prebuilt --version 1.0`"),
        ("pytorch-training:2.5.1-gpu-py311", Exit.USAGE, "is a name with a tag", "`buildkit uri pytorch-training --prebuilt --version 2.5.1`"),
        ("sklearn --latest --python 3.12", Exit.NOTHING_SELECTED, "no `sklearn` for the Python `py312`", "its Python is a part of the version: `--version 1.4-2-py312`, without `--python`"),
        ("sklearn --latest --python 3.13", Exit.NOTHING_SELECTED, "no `sklearn` for the Python `py313`", "`py3`"),
        ("vllm --version 0.9", Exit.NOTHING_SELECTED, "no `vllm` 0.9", "available: `0.30.0`, `0.29.0`, "),
        ("xgboost:latest", Exit.USAGE, "is a name with a tag", "`buildkit uri xgboost --prebuilt --latest`"),
        ("pytorch-neuron --version 1.11 --device gpu --region us-east-1", Exit.NOTHING_SELECTED, "for the device `gpu`", "available: `trn`"),
        ("tensorflow --version 2.21 --purpose inference --region eu-west-1", Exit.NOTHING_SELECTED, "for the purpose `inference`", "available: `training`"),
        ("nosuchthing", Exit.NOTHING_SELECTED, "has no images of `nosuchthing`", "`buildkit uri --list --frameworks`"),
        ("tgi-inference", Exit.NOTHING_SELECTED, "has no images of `tgi-inference`", "frameworks with this word in the names of their repositories: `huggingface-llm`, `huggingface-llm-neuronx`"),
    ],
)  # fmt: skip
def test_choices_fit_what_was_given_and_the_newest_comes_first(
    project: Path, case: tuple[str, Exit, str, str], capsys: Captured
) -> None:
    arguments, code, message, hint = case
    assert cli.run(["uri", "--prebuilt", "--region", "eu-west-1", *arguments.split()]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert hint in err.partition("hint: ")[2]


def test_no_message_says_what_aws_has(project: Path) -> None:
    """The data is the SDK's: AWS may have more."""
    for path in (ROOT / "buildkit").rglob("*.py"):
        assert "AWS has no" not in path.read_text(), path.name


CHINA = "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/pytorch-training:2.3-gpu-py311"
PYTORCH = [
    "uri", "pytorch", "--prebuilt", "--version", "2.3", "--purpose", "training", "--device", "gpu",
    "--python", "py311",
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "uri"),
    [
        ("pytorch --version 2.3 --purpose training --device gpu --python py311 --region cn-north-1", CHINA),
        ("pytorch --version 2.3 --purpose training --instance-type ml.g5.xlarge --region cn-north-1", CHINA),
        ("huggingface --version 4.28 --base-framework pytorch2.0 --purpose training --region eu-west-1",
         "763104351884.dkr.ecr.eu-west-1.amazonaws.com/huggingface-pytorch-training:2.0.0-transformers4.28.1-gpu-py310-cu118-ubuntu20.04"),
        ("tensorflow --version 1.14 --accelerator ml.eia1.medium --region us-east-1",
         "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference-eia:1.14-cpu"),
        ("pytorch --version 1.6 --purpose training --device gpu --python py36 --smdistributed --region us-west-2",
         "763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:1.6-gpu-py36-cu110-ubuntu18.04-v3"),
        ("pytorch --version 1.12 --purpose inference_graviton --region eu-west-1",
         "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference-graviton:1.12.1-cpu-py38-ubuntu20.04-sagemaker"),
    ],
)  # fmt: skip
def test_an_image_of_aws_is_found(
    project: Path, arguments: str, uri: str, capsys: Captured
) -> None:
    assert cli.run(["uri", "--prebuilt", *arguments.split()]) == Exit.DONE
    assert capsys.readouterr() == (f"{uri}\n", "")


def test_the_region_of_the_environment_is_taken_and_told(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    assert cli.run(PYTORCH) == Exit.USAGE
    out, err = capsys.readouterr()
    assert (out, "hint: `--region eu-west-1`, or set AWS_REGION" in err) == ("", True)
    assert f"the profile `default` of {project}/aws names no region" in err
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert cli.run([*PYTORCH, "--region", ""]) == Exit.NOTHING_SELECTED  # of a variable not set
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("AWS_REGION", "cn-north-1")
    assert cli.run(PYTORCH) == Exit.DONE
    assert capsys.readouterr() == (f"{CHINA}\n", "using region cn-north-1, from AWS_REGION\n")


NO_CREDENTIALS = {"AWS_SHARED_CREDENTIALS_FILE": os.devnull}
CONFIGURATIONS = (
    pytest.param("[default]\nregion = eu-west-3\n", {}, id="default"),
    pytest.param("[profile work]\nregion=eu-west-3\n[default]\nregion=us-east-1\n", {"AWS_PROFILE": "work"}, id="a profile"),
    pytest.param("[profile 'my work']\nregion = eu-west-3\n", {"AWS_PROFILE": "my work"}, id="quotes"),
    pytest.param("[profile work]\nregion = eu-west-3\n", {"AWS_DEFAULT_PROFILE": "work", "AWS_PROFILE": "x"}, id="the older variable first"),
    pytest.param("[profile default]\nregion = eu-west-3\n", {}, id="default spelt as a profile"),
    pytest.param("[sso-session work]\nsso_region = us-east-1\n[default]\ns3 =\n  max = 20\nregion = eu-west-3\n", {}, id="nested"),
)  # fmt: skip


@pytest.mark.parametrize(("text", "environment"), CONFIGURATIONS)
def test_the_region_of_the_aws_configuration_is_that_of_aws_s_tools(
    text: str, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    for name in (*region.VARIABLES, *region.PROFILES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name, value in {"AWS_CONFIG_FILE": str(file), **environment}.items():
        monkeypatch.setenv(name, value)
    assert region.of(os.environ).name == "eu-west-3"
    assert botocore.session.Session().get_config_variable("region") == "eu-west-3"


@pytest.mark.parametrize(
    ("config", "credentials", "profile"),
    [
        pytest.param("", "[default]\nregion = eu-west-3\n", "default", id="default"),
        pytest.param("", "[work]\nregion = eu-west-3\n", "work", id="a profile"),
        pytest.param("[profile work]\nregion = us-east-1\n", "[work]\nregion = eu-west-3\n", "work", id="credentials override the configuration"),
        pytest.param("[profile work]\nregion = eu-west-3\n", "[work]\naws_access_key_id = x\n", "work", id="credentials without a region"),
        pytest.param("[profile work]\nregion = eu-west-3\n", "[other]\nregion = us-east-1\n", "work", id="another profile"),
        pytest.param("[default]\nregion = eu-west-3\n", "[profile default]\nregion = us-east-1\n", "default", id="the credentials have no prefix"),
    ],
)  # fmt: skip
def test_the_credentials_file_may_name_the_region(
    config: str, credentials: str, profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(config)
    (tmp_path / "credentials").write_text(credentials)
    for name in (*region.VARIABLES, *region.PROFILES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_PROFILE", profile)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    assert region.of(os.environ).name == "eu-west-3"
    assert botocore.session.Session().get_config_variable("region") == "eu-west-3"


@pytest.mark.parametrize(
    "text", ["[work]\noutput = json\n", "[work\n"], ids=["no region", "broken"]
)
def test_credentials_without_a_region_leave_it_to_the_configuration(
    text: str, tmp_path: Path
) -> None:
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    credentials.write_text(text)
    files = {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(credentials)}
    with pytest.raises(UsageError, match="names no region|credentials cannot be read"):
        region.of({**files, "AWS_PROFILE": "work"})
    config.write_text("[profile work]\nregion = eu-west-3\n")
    assert region.of({**files, "AWS_PROFILE": "work"}).name == "eu-west-3"


@pytest.mark.parametrize(
    ("text", "profile", "found", "hint"),
    [
        (None, "work", "the profile `work` does not exist in {}", "`aws configure list-profiles`"),
        ("", "work", "the profile `work` does not exist in {}", "`aws configure list-profiles`"),
        ("[default]\nregion = eu-west-1\n", "work", "the profile `work` does not exist in {}", "`aws configure list-profiles`"),
        ("[work]\nregion = eu-west-1\n", "work", "the profile `work` does not exist in {}", "`aws configure list-profiles`"),
        ("[profile work]\noutput = json\n", "work", "the profile `work` of {} names no region", "`aws configure set region eu-west-1`"),
        ("[profile work]\nregion = eu-west-1\n", "default", "the profile `default` of {} names no region", "`aws configure set region eu-west-1`"),
        (None, "default", "the profile `default` of {} names no region", "`aws configure set region eu-west-1`"),
        ("[default\n", "work", "the AWS configuration file {} cannot be read", "or fix that file: UTF-8"),
        ("\x00", "work", "the AWS configuration file {} cannot be read", "`--region eu-west-1`"),
    ],
)  # fmt: skip
def test_a_configuration_without_a_region_is_no_region(
    text: str | None, profile: str, found: str, hint: str, tmp_path: Path
) -> None:
    file = tmp_path / "config"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match="no region is set") as caught:
        region.of({**NO_CREDENTIALS, "AWS_CONFIG_FILE": str(file), "AWS_PROFILE": profile})
    assert caught.value.message.endswith(found.format(file))
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("kind", ["a device", "a pipe", "a folder", "a link to a device"])
def test_what_may_have_no_end_is_no_configuration(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "config"
    if kind == "a pipe":
        os.mkfifo(file)
    elif kind == "a folder":
        file.mkdir()
    elif kind == "a link to a device":
        file.symlink_to("/dev/zero")
    else:
        file = Path("/dev/zero")
    with pytest.raises(UsageError, match="no region is set"):
        region.of({**NO_CREDENTIALS, "AWS_CONFIG_FILE": str(file)})


def test_a_configuration_that_is_too_large_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "config"
    with file.open("wb") as opened:
        opened.write(b"[default]\nregion = eu-west-1\n")
        opened.truncate(2**40)
    with pytest.raises(UsageError, match="is larger than 1 MiB and was not read") as caught:
        region.of({**NO_CREDENTIALS, "AWS_CONFIG_FILE": str(file)})
    assert "--region" in str(caught.value.hint)


def test_an_image_of_aws_as_json(project: Path, capsys: Captured) -> None:
    assert cli.run([*PYTORCH, "--region", "cn-north-1", "--json"]) == Exit.DONE
    assert json.loads(capsys.readouterr().out) == {
        "uri": CHINA, "host": CHINA.partition("/")[0], "repository": "pytorch-training", "tag": "2.3-gpu-py311",
        "account": "727897471807", "region": "cn-north-1", "partition": "aws-cn", "framework": "pytorch", "version": "2.3.0",
        "purpose": "training", "device": "gpu", "python": "py311", "base_framework": None,
    }  # fmt: skip


def test_an_image_of_aws_can_be_asked_for_in_its_registry(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    with running(Distribution()) as registry:
        manifest = registry.image("pytorch-training", "2.3-gpu-py311", layers=[])
        asked = []
        real = connect.registry

        def instead(options: schema.RegistryTable, host: str) -> object:
            asked.append(host)
            return real(options, registry.host)

        monkeypatch.setattr(connect, "registry", instead)
        (project / "images.toml").write_text("[image\n")  # which says nothing of AWS's registries
        assert cli.run([*PYTORCH, "--region", "cn-north-1", "--verify"]) == Exit.DONE
        host = CHINA.partition("/")[0]
        out, err = capsys.readouterr()
        assert out == f"{host}/pytorch-training@{manifest.digest}\n"
        assert err.startswith("warning: ignoring images.toml")
        assert asked == [host]


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ("x --prebuilt --account 1", "`--account` cannot be used with --prebuilt", "only an image of this project takes it"),
        ("x --instance-type ml.m5.xlarge", "`--instance-type` cannot be used with an image of this project", "`--device cpu`"),
        ("x --prebuilt --digest", "`--digest` cannot be used with --prebuilt", "`--verify`"),
        ("x --list", "`TARGET` cannot be used with --list", "`buildkit uri --list --framework x`"),
        ("--framework x", "`--framework` cannot be used", "`buildkit uri x`"),
        ("--list --latest", "`--latest` cannot be used with --list", "`buildkit uri --list --frameworks`"),
        ("x --frameworks", "`--frameworks` cannot be used", "`buildkit uri --list --frameworks`"),
        ("--list --verify", "`--verify` cannot be used with --list", "remove the option"),
        ("--explain x --prebuilt", "`--prebuilt` cannot be used with --explain", "remove the option"),
        ("--explain x --list", "exclude each other", "remove one of them"),
        ("--explain a/b:1 --explain c/d:2", "takes one URI, and 2 are given", "for each"),
        ("--explain --verify", "`--verify` is not the URI of an image", "write the URI after `--explain`: `buildkit uri --explain URI --verify`"),
        ("--prebuilt", "no image given", "`buildkit uri pytorch --prebuilt"),
        ("--list --framework PyTorch:1.0", "`PyTorch:1.0` is a name with a tag, and `--framework` is a name", "`buildkit uri --list --framework pytorch --version 1.0`"),
        ("--list --framework pytorch:latest", "`pytorch:latest` is a name with a tag", "`buildkit uri --list --framework pytorch`"),
    ],
)  # fmt: skip
def test_options_that_do_not_go_together_are_refused(
    project: Path, arguments: str, message: str, hint: str, capsys: Captured
) -> None:
    assert cli.run(["uri", *arguments.split()]) == Exit.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert hint in err.partition("hint: ")[2]


def listed(capsys: Captured, *arguments: str) -> list[dict[str, Any]]:
    assert cli.run(["uri", "--list", "--json", *arguments]) == Exit.DONE
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_own_images_and_those_of_aws_are_listed(project: Path, capsys: Captured) -> None:
    found = listed(capsys)
    own = [each for each in found if each["whose"] == "own"]
    assert {each["uri"] for each in own} >= {f"{VIRGINIA}/sklearn:1.7.2-cpu-py313", "127.0.0.1:5050/lone:1.0-1-cpu-py311"}  # fmt: skip
    assert len(own) == 10
    assert {each["framework"] for each in found if each["whose"] == "aws"} == {*facts.frameworks()}
    assert not [each for each in listed(capsys, "--prebuilt") if each["whose"] == "own"]


def test_a_list_can_be_narrowed(project: Path, capsys: Captured) -> None:
    found = listed(
        capsys, "--framework", "pytorch*", "--version", "2.3", "--purpose", "training", "--device", "gpu",
        "--python", "3.11", "--region", "cn-north-1",
    )  # fmt: skip
    assert CHINA.replace("2.3-", "2.3.0-") in [each["uri"] for each in found]
    assert {each["whose"] for each in found} == {"aws"}
    assert (
        cli.run(["uri", "--list", "--framework", "sklearn", "--region", "us-east-1"]) == Exit.DONE
    )
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["OWNER", "FRAMEWORK"]
    assert lines[0].split()[-1] == f"{VIRGINIA}/sklearn:1.7.2-cpu-py311"
    assert {line.split()[0] for line in lines} == {"own", "aws"}


def test_a_list_finds_the_names_of_repositories(project: Path, capsys: Captured) -> None:
    found = listed(capsys, "--prebuilt", "--framework", "*tgi*")
    assert {each["framework"] for each in found} == {"huggingface-llm", "huggingface-llm-neuronx"}
    assert all("tgi" in each["repository"] for each in found)
    assert {each["framework"] for each in listed(capsys, "--framework", "vllm")} == {"vllm"}


@pytest.mark.parametrize(
    ("arguments", "spelt"),
    [
        (["--framework", "PyTorch"], ["--framework", "pytorch"]),
        (["--framework", "Scikit-Learn"], ["--framework", "scikit-learn"]),
        (["--framework", "*TGI*"], ["--framework", "*tgi*"]),
        (["--framework", "pytorch", "--purpose", "Training", "--device", "GPU", "--python", "Python3.11", "--region", "EU-WEST-1"],
         ["--framework", "pytorch", "--purpose", "training", "--device", "gpu", "--python", "3.11", "--region", "eu-west-1"]),
    ],
)  # fmt: skip
def test_case_does_not_matter_to_a_list(
    project: Path, arguments: list[str], spelt: list[str], capsys: Captured
) -> None:
    assert listed(capsys, "--prebuilt", *arguments) == listed(capsys, "--prebuilt", *spelt)


def test_the_names_of_frameworks_are_listed(project: Path, capsys: Captured) -> None:
    assert cli.run(["uri", "--list", "--frameworks"]) == Exit.DONE
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "OWNER"
    assert len(lines) == len(facts.frameworks()) + 3
    rows = listed(capsys, "--frameworks", "--prebuilt", "--framework", "huggingface-llm")
    (row,) = rows
    assert row["also_called"] == ["text-generation-inference", "tgi"]
    (own,) = listed(capsys, "--frameworks", "--framework", "tool")
    assert (own["whose"], own["newest"], own["also_called"]) == ("own", "1.0", [])


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ("--framework pytroch", "`pytorch`"),
        ("--framework PyTorc", "did you mean: `pytorch`, "),
        ("--framework sklearn --version 9", "`1.7.10`"),
        ("--framework xgboost --region eu-wset-1", "`eu-west-1`"),
        ("--framework sklearn --purpose serving", "`training`"),
        ("--framework sklearn --device tpu", "`cpu`"),
        ("--framework sklearn --python 2.7", "`py313`, `py311`"),
        ("--framework xgboost --version 99", "available: `3.2-0`, `3.0-5`, `1.7-1`"),
        ("--framework x* --version 99", "available: `3.2-0`, "),
        ("--framework pytorch --version 99.0", "available: `2.10.0`, "),
    ],
)
def test_a_list_of_nothing_is_an_error_with_what_is_near(
    project: Path, arguments: str, hint: str, capsys: Captured
) -> None:
    assert cli.run(["uri", "--list", *arguments.split()]) == Exit.NOTHING_SELECTED
    out, err = capsys.readouterr()
    assert out == ""
    assert hint in err.partition("hint: ")[2]


XGBOOST = ["1.0-1", "1.2-1", "1.2-2", "1.3-1", "1.5-1", "1.7-1", "3.0-5", "3.2-0"]
TORCH = ["2.6.0", "2.7.1", "2.8.0", "2.9.0", "2.10.0"]


@pytest.mark.parametrize(
    ("image", "version", "newer"),
    [
        ("sagemaker-xgboost:0.90-2-cpu-py3", "0.90-2", XGBOOST),
        ("sagemaker-xgboost:1.0-1-cpu-py3", "1.0-1", XGBOOST[1:]),
        ("sagemaker-xgboost:1.2-1", "1.2-1", XGBOOST[2:]),
        ("sagemaker-xgboost:0.90-9-cpu-py3", "0.90-9", XGBOOST),
        ("sagemaker-xgboost:1.7", "1.7", XGBOOST[-2:]),
        ("xgboost:1", "1", XGBOOST[-2:]),
        ("pytorch-training:2.5", "2.5", TORCH),
        ("pytorch-training:2.5-gpu-py311", "2.5.1", TORCH),
        ("pytorch-training:2.5-gpu-py399", "2.5", TORCH),
        ("pytorch-training:2", "2", []),
        ("huggingface-pytorch-training:2.0-transformers4.28-gpu-py310-cu118-ubuntu20.04", "4.28", ["4.36.0", "4.46.1", "4.48.0", "4.49.0", "4.55.0", "4.56.2", "5.3.0"]),
        ("sagemaker-scikit-learn:1.4-2-py312-cpu-py3", "1.4-2-py312", ["1.9-0"]),
    ],
)  # fmt: skip
def test_newer_is_every_later_version_and_nothing_else(
    project: Path, image: str, version: str, newer: list[str], capsys: Captured
) -> None:
    of_algorithms = image.startswith(("xgboost", "sagemaker-"))
    account = "246618743249" if of_algorithms else "763104351884"
    found = explained(capsys, f"{account}.dkr.ecr.us-west-2.amazonaws.com/{image}")
    assert (found["version"], found["newer"]) == (version, newer)


@pytest.mark.parametrize(
    ("tag", "listed_"),
    [
        ("2.5", "did you mean: `2.5.1-cpu-py311`, `2.5.1-gpu-py311`"),
        ("2.5-gpu-py312", "did you mean: `2.5.1-gpu-py311`, "),
        ("2.5.9-gpu-py311", "did you mean: `2.5.1-gpu-py311`, "),
        ("latest", "available: `2.10.0-cpu-py313`, `2.10.0-gpu-py313`, `2.9.0-cpu-py312`, "),
        ("11.0", "available: `2.10.0-cpu-py313`, `2.10.0-gpu-py313`, `2.9.0-cpu-py312`, "),
    ],
)
def test_similar_tags_are_suggested_or_else_the_newest(
    project: Path, tag: str, listed_: str, capsys: Captured
) -> None:
    uri = f"763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:{tag}"
    (note,) = explained(capsys, uri)["notes"]
    assert note.startswith(
        f"not verified: the data has no tag `{tag}` of this repository; {listed_}"
    )


def explained(capsys: Captured, uri: str) -> dict[str, Any]:
    assert cli.run(["uri", "--explain", uri, "--json"]) == Exit.DONE
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_every_image_of_aws_is_known_by_its_uri(project: Path, capsys: Captured) -> None:
    chance = random.Random(0)
    regions = chance.sample(sorted(facts.regions()), 8)
    there = {name: [row for row in catalogue.prebuilt(name) if row.uri] for name in regions}
    for name, each in ((r, each) for r in regions for each in chance.sample(there[r], 10)):
        assert each.uri is not None
        found = explained(capsys, each.uri)
        assert found["whose"] == "aws"
        assert (found["region"], found["partition"]) == (name, facts.regions()[name].partition)
        assert found["version"] == each.version
        assert each.device in found["devices"] or (not found["devices"] and each.device is None)
        assert each.python in found["pythons"] or (not found["pythons"] and each.python is None)
        assert set(each.purposes) <= set(found["purposes"])
        assert not [note for note in found["notes"] if "several frameworks" not in note]


@pytest.mark.parametrize(
    ("uri", "wanted", "note"),
    [
        pytest.param("763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:2.5-gpu-py311-cu124-ubuntu22.04-sagemaker",
                     {"whose": "aws", "version": "2.5.1", "devices": ["gpu"], "tag_goes_on": "cu124-ubuntu22.04-sagemaker", "newer": ["2.6.0", "2.7.1", "2.8.0", "2.9.0", "2.10.0"]}, "not verified: the data has `2.5-gpu-py311`, but not the tag suffix `cu124-ubuntu22.04-sagemaker`", id="the whole tag of AWS"),
        *(
            pytest.param(f"763104351884.dkr.ecr.us-west-2.amazonaws.com/{repository}:{start}-{end}", {"tag_goes_on": end},
                         f"not verified: the data has `{start}`, but not the tag suffix `{end}`{doubt}", id=f"an end that nobody knows: {start}-{end}")
            for repository, start, end, doubt in (
                ("pytorch-training", "2.5.1-cpu-py311", "cu124-ubuntu22.04-sagemaker", "; `cu124` does not belong to an image for cpu"),
                ("pytorch-training", "2.5.1-gpu-py311", "cu999-ubuntu22.04-sagemaker", ""),
                ("pytorch-training", "2.5.1-gpu-py311", "e3", "; `e3` marks images for EC2, ECS and EKS, not for SageMaker"),
                ("pytorch-training", "2.5.1-gpu-py311", "cu124-ubuntu22.04-ec2", "; `ec2` marks images for EC2"),
                ("pytorch-inference", "2.5-gpu-py311", "neuron", "; `neuron` does not belong to an image for gpu"),
                ("tensorflow-inference", "2.14.1-cpu", "gpu", "; `gpu` does not belong to an image for cpu"),
                ("djl-inference", "0.28.0-lmi10.0.0-cu124", "zz", ""),
            )
        ),
        pytest.param("571004829621.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-spark-processing:3.5-cpu-zz", {"framework": "spark", "version": "3.5", "tag_goes_on": "zz"}, "not verified: the data has `3.5-cpu`, but not the tag suffix `zz`", id="Spark with an end"),
        *(
            pytest.param(f"763104351884.dkr.ecr.us-west-2.amazonaws.com/{repository}:{tag}", {"framework": "huggingface", "version": version, "base_framework": base, "newer": newer}, "not verified: the data has no tag", id=f"a base before the version: {repository}:{tag}")
            for repository, tag, version, base, newer in (
                ("huggingface-pytorch-inference", "2.0-transformers4.28.1-gpu-py310-cu118-ubuntu20.04", "4.28.1", "pytorch2.0", ["4.37.0", "4.48.0", "4.49.0", "4.51.3", "5.5.3"]),
                ("huggingface-pytorch-inference", "2.0.0-transformers4.28.1-gpu", "4.28.1", "pytorch2.0.0", ["4.37.0", "4.48.0", "4.49.0", "4.51.3", "5.5.3"]),
                ("huggingface-pytorch-inference", "2.6.0-transformers9.9.9-gpu-py312-cu124-ubuntu22.04", "9.9.9", "pytorch2.6.0", []),
                ("huggingface-tensorflow-inference", "2.9.0-transformers4.17.0-gpu", "4.17.0", "tensorflow2.9.0", ["4.26.0"]),
                ("huggingface-tensorflow-training", "2.6-transformers9.9.9-gpu-py38", "9.9.9", "tensorflow2.6", []),
                ("huggingface-pytorch-training", "2.6.0-gpu-py310", None, None, []),
                ("huggingface-pytorch-training", "transformers", None, None, []),
            )
        ),
        pytest.param("763104351884.dkr.ecr.us-west-2.amazonaws.com/huggingface-pytorch-tgi-inference:2.4.0-tgi2.9.0-gpu", {"version": "2.9.0"}, "the data has no tag", id="TGI's version is not that of PyTorch"),
        pytest.param("246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-9", {"version": "1.7-9", "newer": ["3.0-5", "3.2-0"]}, "the data has no tag", id="a version with a build"),
        *(
            pytest.param(f"{account}.dkr.ecr.{region}.amazonaws.com/{image}", {"whose": "aws"}, f"in {region} AWS has this image in another account, {right}: `{right}.dkr.ecr.{region}.amazonaws.com/{image}`{more}", id=f"{image} of another account in {region}")
            for account, region, image, right, more in (
                ("763104351884", "eu-west-1", "sagemaker-xgboost:1.7-1", "141502667606", ""),
                ("763104351884", "eu-west-1", "sagemaker-scikit-learn:1.2-1-cpu-py3", "141502667606", ""),
                ("763104351884", "eu-west-1", "blazingtext:1", "685385470294", ""),
                ("141502667606", "eu-west-1", "pytorch-training:2.5.1-gpu-py311", "763104351884", ""),
                ("382416733822", "us-east-1", "xgboost:1", "811284229777", ""),
                ("007439368137", "us-east-2", "sagemaker-tritonserver:24.03-py3", "763104351884", ""),
                ("217643126080", "us-west-2", "sagemaker-data-wrangler-container:1.x", "174368400705", "; account 217643126080 is in: `me-south-1`"),
            )
        ),
        pytest.param("141502667606.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:9.9", {"version": "9.9"}, "AWS has this repository in another account, 763104351884: `763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training`\n", id="a repository of another account"),
        *(
            pytest.param(f"public.ecr.aws/{image}", {"whose": "aws", "framework": None, "version": None, "devices": [], "newer": []}, f"{gallery} in ECR Public; {facts.source()} has no image of that name", id=f"a gallery of AWS's: {image}")
            for image, gallery in (
                ("deep-learning-containers/nope:1.0", "AWS's gallery of Deep Learning Containers"),
                ("deep-learning-containers/xgboost:1.7-1", "AWS's gallery of Deep Learning Containers"),
                ("neuron/pytorch-inference-neuronx:2.1.2-neuronx-py310-sdk2.20.0-ubuntu20.04", "AWS's gallery of Neuron"),
                ("sagemaker/sagemaker-distribution:1.0-cpu", "AWS's gallery of SageMaker"),
            )
        ),
        pytest.param("763104351884.dkr.ecr.us-east-1.amazonaws.com/sglang:0.5-gpu-py312-cu129-ubuntu22.04-sagemaker",
                     {"version": "0.5", "devices": ["gpu"]}, "the data has no tag", id="a short version of an unknown tag is no full one"),
        pytest.param("763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference-arm64:2.6.0-gpu-py312-cu126-ubuntu22.04-ec2",
                     {"framework": "pytorch", "version": "2.6.0", "devices": ["gpu"], "purposes": []}, "`ec2` marks images for EC2, ECS and EKS, not for SageMaker", id="an unknown tag that is not for SageMaker"),
        *(
            pytest.param(f"246618743249.dkr.ecr.us-west-2.amazonaws.com/{image}", {"purposes": purposes}, "the data has no tag", id=f"only what is marked is for ARM: {image}")
            for image, purposes in (
                ("sagemaker-xgboost:9.9-9", ["inference", "training"]),
                ("sagemaker-xgboost:9.9-9-arm64", ["inference_graviton"]),
                ("sagemaker-scikit-learn:9.9-9-cpu-py3", ["inference", "training"]),
            )
        ),
        pytest.param("public.ecr.aws/neurons/pytorch-inference-neuronx:2.1.2", {"whose": "unknown"}, "the owner of the image is unknown", id="an alias that is like AWS's"),
        pytest.param("763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:1.6-gpu-py36-cu110-ubuntu18.04-v3",
                     {"version": "1.6.0", "tag_goes_on": None}, "", id="distributed training"),
        pytest.param("301217895009.dkr.ecr.us-west-2.amazonaws.com/sagemaker-inference-tensorflow:2.9.0-cpu-py3",
                     {"framework": "neo-tensorflow", "version": "2.9.0", "newer": []}, "", id="a version that another was told for"),
        pytest.param("763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:9.9-gpu-py399",
                     {"framework": "pytorch", "version": "9.9", "devices": ["gpu"], "pythons": ["py399"], "newer": []}, "the data has no tag", id="a newer tag than the data"),
        pytest.param("763104351884.dkr.ecr.eu-south-1.amazonaws.com/pytorch-training:2.3-gpu-py311",
                     {"whose": "aws", "version": "2.3.0"}, "in eu-south-1 AWS has this image in another account, 692866216735: `692866216735.dkr.ecr.eu-south-1.amazonaws.com/pytorch-training:2.3-gpu-py311`; account 763104351884 is in: `ap-northeast-1`", id="another region's account"),
        pytest.param("763104351884.dkr.ecr.cn-north-1.amazonaws.com/pytorch-training:2.3-gpu-py311",
                     {"partition": "aws-cn"}, "ends with amazonaws.com.cn", id="a host that is not there"),
        pytest.param("763104351884.dkr-ecr.us-west-2.on.aws/pytorch-training:2.3-gpu-py311", {"version": "2.3.0"}, "", id="dual stack"),
        pytest.param("123456789012.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.3-gpu-py311",
                     {"whose": "unknown", "framework": None, "version": "2.3", "newer": []}, "not one of AWS's", id="called as AWS's, in the account of others"),
        pytest.param("123456789012.dkr.ecr.xx-moon-1.amazonaws.com/a/b:1-cpu",
                     {"whose": "unknown", "framework": None, "version": "1", "devices": ["cpu"]}, "no SageMaker images in xx-moon-1", id="nothing known"),
        pytest.param(f"763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-training@{digest('a')}",
                     {"framework": "pytorch", "version": None}, "", id="a digest"),
        pytest.param("docker.io/library/python:3.11", {"whose": "unknown", "account": None, "region": None}, "not a registry of ECR", id="another registry"),
        *(
            pytest.param(uri, {"whose": "unknown", "host": "docker.io", "repository": repository, "framework": None, "version": None, "purposes": [], "newer": []}, "docker.io is not a registry of ECR", id=f"Docker Hub: {uri}")
            for uri, repository in (
                ("pytorch/pytorch:1.7.0-cuda11.0-cudnn8-runtime", "pytorch/pytorch"),
                ("xgboost/xgboost:latest", "xgboost/xgboost"),
                ("python:3.11-slim", "library/python"),
                ("pytorch-training:2.3-gpu-py311", "library/pytorch-training"),
                ("docker.io/huggingface/transformers-pytorch-gpu:4.28.1", "huggingface/transformers-pytorch-gpu"),
            )
        ),
        *(
            pytest.param(f"763104351884.{service}.us-east-1.{end}/pytorch-training:2.5.1-gpu-py311", {"whose": "unknown", "account": None, "region": None, "partition": None, "framework": None, "version": None}, "is not a registry of ECR", id=f"a host that is like ECR's: {service} {end}")
            for service, end in (("dkr.ecr", "amazonaws.com.evil.com"), ("dkr.ecr", "amazonaws.example"), ("dkr.ecr", "evil.com"), ("dkr-ecr", "on.aws.evil.com"), ("dkr.ecr-fips", "amazonaws.co"))
        ),
        pytest.param("ghcr.io/huggingface/text-generation-inference:2.3.1", {"whose": "unknown", "framework": None, "version": None}, "ghcr.io is not a registry of ECR", id="another registry's image that is called as AWS's"),
        pytest.param("public.ecr.aws/deep-learning-containers/vllm:0.11.2-gpu-py312-cu129-ubuntu22.04-sagemaker",
                     {"whose": "aws", "devices": ["gpu"]}, "SageMaker pulls the repository `vllm` of AWS's private registries", id="AWS's gallery"),
        pytest.param("public.ecr.aws/deep-learning-containers/pytorch-training:2.5.1-gpu-py311-cu124-ubuntu22.04-sagemaker",
                     {"whose": "aws", "framework": "pytorch", "version": "2.5.1"}, "SageMaker pulls the repository `pytorch-training`", id="AWS's gallery, an older framework"),
        pytest.param("public.ecr.aws/docker/library/python:3.11", {"whose": "unknown", "framework": None, "version": None}, "is ECR Public; the owner of the image is unknown", id="the rest of ECR Public"),
        pytest.param("658645717510.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:2.3-gpu-py311", {"whose": "aws"}, "in another account", id="another account of AWS"),
        pytest.param(f"{VIRGINIA}/sklearn:1.7.2-cpu-py311",
                     {"whose": "own", "framework": "sklearn", "target": "sklearn-1.7.2-cpu-py311", "pythons": ["3.11"], "newer": ["1.7.10"]}, "", id="an own image"),
        *(
            pytest.param(f"{host}/sklearn:1.7.2-cpu-py311", {"whose": "own", "target": "sklearn-1.7.2-cpu-py311", "newer": ["1.7.10"]}, "", id=f"an own image by {host}")
            for host in (f"{VIRGINIA}:443", VIRGINIA.replace("dkr.ecr", "dkr.ecr-fips"), VIRGINIA.replace("dkr.ecr", "dkr-ecr").replace("amazonaws.com", "on.aws"))
        ),
        pytest.param(f"127.0.0.1:5050/lone@{digest('f')}", {"whose": "own", "version": "1.0-1"}, "", id="an own digest"),
    ],
)  # fmt: skip
def test_a_uri_is_taken_apart(
    project: Path, uri: str, wanted: dict[str, Any], note: str, capsys: Captured
) -> None:
    found = explained(capsys, uri)
    assert {key: found[key] for key in wanted} == wanted
    assert note in "\n".join(found["notes"])
    assert bool(found["notes"]) == bool(note)
    assert cli.run(["uri", "--explain", uri]) == Exit.DONE
    assert f"{found['host']}" in capsys.readouterr().out


NEWEST_AMI = "al2023-ami-sagemaker-inference-gpu-4-1"
SECOND_AMI = "al2-ami-sagemaker-inference-gpu-3-1"
BATCH_AMI = "al2-ami-sagemaker-batch-gpu-535"


@pytest.mark.parametrize(
    ("image", "cuda", "hosts", "compat"),
    [
        pytest.param("huggingface-vllm:0.28.0-transformers5.15.0-gpu-py312-cu130-ubuntu24.04", "13.0", (NEWEST_AMI, BATCH_AMI), [BATCH_AMI], id="CUDA 13"),
        pytest.param("pytorch-inference:2.3.0-gpu-py311-cu121-ubuntu20.04-sagemaker", "12.1", (SECOND_AMI, BATCH_AMI), [], id="CUDA 12"),
        pytest.param("pytorch-inference:2.8.0-gpu-py312-cu129-ubuntu22.04-sagemaker", "12.9", (SECOND_AMI, BATCH_AMI), [SECOND_AMI, BATCH_AMI], id="AWS's images have cuda-compat"),
        pytest.param("pytorch-training:2.5.1-gpu-py311-cu124-ubuntu22.04-sagemaker", "12.4", (None, None), [], id="for training"),
        pytest.param("pytorch:2.14-cu133-amzn2023-sagemaker", "13.3", (None, None), [], id="CUDA 13.3, for training"),
        pytest.param("pytorch-inference:2.3.0-cpu-py310-ubuntu20.04-sagemaker", None, (None, None), [], id="without CUDA"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("project")
def test_the_hosts_of_an_image_with_cuda_are_named(
    image: str,
    cuda: str | None,
    hosts: tuple[str | None, str | None],
    compat: list[str],
    capsys: Captured,
) -> None:
    uri = f"763104351884.dkr.ecr.us-east-1.amazonaws.com/{image}"
    found = explained(capsys, uri)
    assert (found["cuda"], found["inference_ami"], found["transform_ami"]) == (cuda, *hosts)
    assert found["cuda_compat_on"] == compat
    assert all(found["hosts"][each] != "does not fit" for each in hosts if each)
    assert bool(found["hosts"]) == any(hosts)
    assert cli.run(["uri", "--explain", uri]) == Exit.DONE
    said = capsys.readouterr().out
    assert all(f"AmiVersion  {each}" in said for each in hosts if each)


@pytest.mark.parametrize("end", ["amazonaws.com.evil.com", "evil.com"])
def test_an_own_image_at_a_host_like_ecr_s_has_no_account(end: str) -> None:
    host = f"111122223333.dkr.ecr.eu-west-1.{end}"
    foreign, ours = (
        places[0]
        for places in (
            own_images.places([release(published("1.0", "a", each))]) for each in (host, IRELAND)
        )
    )
    assert (foreign.account, foreign.region) == (None, None)
    assert (ours.account, ours.region) == ("111122223333", "eu-west-1")


@pytest.mark.parametrize(
    "uri",
    [
        *(f"763104351884.dkr.ecr.us-east-9.amazonaws.com/{image}" for image in ("pytorch-training:2.5.1-gpu-py311", "pytorch-training:9.9", "sagemaker-xgboost:1.7-1")),
        "217643126080.dkr.ecr.us-west-2.amazonaws.com/sagemaker-data-wrangler-container:1.x",
        "763104351884.dkr.ecr.af-south-1.amazonaws.com/smdistributed-modelparallel:2.4.1-gpu-py311",
        "public.ecr.aws/deep-learning-containers/nope:1.0",
    ],
)  # fmt: skip
def test_where_an_image_is_takes_one_sentence(project: Path, uri: str, capsys: Captured) -> None:
    assert len([note for note in explained(capsys, uri)["notes"] if "has no tag" not in note]) == 1


@pytest.mark.parametrize(
    ("asked", "image_"),
    [
        ("spark --version 3.5", "153931337802.dkr.ecr.us-west-2.amazonaws.com/sagemaker-spark-processing:3.5-cpu-zz"),
        ("spark --version 3.3 --python py39", "153931337802.dkr.ecr.us-west-2.amazonaws.com/sagemaker-spark-processing:3.3-cpu-py39-zz"),
        ("pytorch-smp --version 2.4.1", "658645717510.dkr.ecr.us-west-2.amazonaws.com/smdistributed-modelparallel:2.4.1-gpu-py311-zz"),
    ],
)  # fmt: skip
def test_an_end_that_the_data_does_not_know_is_not_verified(
    project: Path, asked: str, image_: str, capsys: Captured
) -> None:
    line = ["uri", *asked.split(), "--prebuilt", "--region", "us-west-2", "--container-version"]
    assert cli.run([*line, "zz"]) == Exit.DONE
    out, err = capsys.readouterr()
    assert out == f"{image_}\n"
    assert err == (
        f"not verified: {facts.source()} does not have the tag suffix `zz`; `--verify` asks ECR "
        "for the tag\n"
    )


def test_a_machine_of_an_unknown_family_is_not_verified(project: Path, capsys: Captured) -> None:
    asked = [*PYTORCH, "--region", "cn-north-1", "--instance-type", "ml.Zz9.xlarge"]
    assert cli.run(asked) == Exit.DONE
    out, err = capsys.readouterr()
    assert out == f"{CHINA}\n"
    assert err == (
        "not verified: `ml.zz9.xlarge` is an unknown instance type; check that it runs images for "
        "gpu\n"
    )
    assert cli.run(["uri", "xgboost", "--prebuilt", "--version", "1.7-1", *asked[-4:]]) == Exit.DONE
    assert "check that it runs images for any device\n" in capsys.readouterr().err


def test_what_the_ledger_tells_of_copies_and_aliases(project: Path, capsys: Captured) -> None:
    at = {"host": IRELAND, "repository": "sklearn", "alias": "stable"}
    ledger.Ledger(path=project / ledger.NAME).append(
        release(
            moves=[
                move(None, "a", "1.7.2", **at),
                move("a", "c", "1.7.10", **at),
            ]
        )
    )
    cases: tuple[tuple[str, dict[str, Any], str], ...] = (
        (f"{IRELAND}/sklearn:stable", {"version": "1.7.10", "published_digest": digest("c")}, "`stable` is an alias; according to the ledger it points to `1.7.10-cpu-py311`"),
        (f"{IRELAND}/sklearn:stable@{digest('a')}", {"version": "1.7.2", "newer": ["1.7.10"]}, f"`stable` points to {digest('c')}"),
        ("x.example/prod/sklearn:1.7.2-cpu-py311", {"version": "1.7.2", "newer": []}, "a copy made by `buildkit promote`"),
        (f"{IRELAND}/sklearn:1.7.3-cpu-py311", {"version": "1.7.3", "framework": None}, "the ledger has no tag `1.7.3-cpu-py311` of this repository; did you mean: `1.7.2-cpu-py311`"),
        (f"{IRELAND}/sklearn:1.7.2-cpu-py311@{digest('c')}", {"version": "1.7.10"}, "tag and digest name different images"),
        (f"{IRELAND}/sklearn@{digest('9')}", {"version": None}, "digest not found in the ledger"),
    )  # fmt: skip
    for uri, wanted, note in cases:
        found = explained(capsys, uri)
        assert found["whose"] == "own", uri
        assert {key: found[key] for key in wanted} == wanted, uri
        assert note in "\n".join(found["notes"]), uri
        assert "AWS" not in "\n".join(found["notes"]), uri


def test_what_is_wrong_with_a_host_is_told(project: Path, capsys: Captured) -> None:
    here, image_ = "763104351884.dkr.ecr.us-west-2.amazonaws.com", "pytorch-training:2.3-gpu-py311"
    cases = {
        f"{here}:443/{image_}": "",
        f"763104351884.dkr-ecr.us-west-2.amazonaws.com/{image_}": "ends with on.aws",
        f"public.ecr.aws/x/{image_}": "is ECR Public",
        f"{here}/pytorch-trainig:2.3-gpu-py311": "did you mean: `pytorch-training`",
        f"{here[1:]}/{image_}": f"{here[1:]} is not a registry of ECR: an AWS account has 12 digits, and `{here[1:12]}` has 11",
        f"1{here}/{image_}": f"an AWS account has 12 digits, and `1{here[:12]}` has 13",
    }
    for uri, note in cases.items():
        notes = explained(capsys, uri)["notes"]
        assert note in "\n".join(notes), uri
        assert bool(notes) == bool(note), uri


def test_an_own_account_hears_nothing_of_repositories_of_aws(
    project: Path, capsys: Captured
) -> None:
    for uri in (
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com/forecasts:1.0-cpu-py311",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com/pytorch:1.0",
        f"{IRELAND}/nothing-of-the-ledger:1.0",
    ):
        assert explained(capsys, uri)["notes"] == [
            "the account is not one of AWS's for SageMaker, and the image is not in the ledger"
        ]


def test_a_repository_that_the_data_lacks_may_be_there(project: Path, capsys: Captured) -> None:
    here = "763104351884.dkr.ecr.us-west-2.amazonaws.com"
    (note,) = explained(capsys, f"{here}/pytorch-inference-neuronx:2.1.2")["notes"]
    assert note.startswith("the data (sagemaker-core ")
    assert "has no repository `pytorch-inference-neuronx`; AWS may have one" in note
    assert note.count("`") <= 2 + 2 * 3


@pytest.mark.parametrize("uri", ["python:3.11", "my-image:latest", "team/image:1"])
def test_a_name_without_a_registry_gets_a_sensible_answer(
    project: Path, uri: str, capsys: Captured
) -> None:
    notes = explained(capsys, uri)["notes"]
    assert "the name has no registry: Docker looks for the image on this machine" in notes[-1]
    assert "`buildkit uri TARGET`" in notes[-1]


@pytest.mark.parametrize(
    ("uri", "hint"),
    [
        ("https://x.example/y:1", "remove `https://`: `x.example/y:1`"),
        ("PyTorch:1.0-Beta", "names of repositories are in lower case: `buildkit uri --explain pytorch:1.0-Beta`"),
        (f"{IRELAND}/SKLearn:1.0", f"names of repositories are in lower case: `buildkit uri --explain {IRELAND}/sklearn:1.0`"),
        ("PyTorch==1.0", "to look up an image of this project: `buildkit uri pytorch --version 1.0`"),
        ("pytorch@1.0", "to look up an image of this project: `buildkit uri pytorch --version 1.0`"),
        (" x.example/y:1\n", "remove the spaces around the URI: `x.example/y:1`"),
        *((f"{host}{end}", f"the repository is missing: `{host}/REPOSITORY:TAG`") for host in (IRELAND, IRELAND[1:], "public.ecr.aws") for end in ("", "/", ":443", ":1.0")),
    ],
)  # fmt: skip
def test_why_a_uri_is_refused_is_told(project: Path, uri: str, hint: str, capsys: Captured) -> None:
    assert cli.run(["uri", "--explain", uri]) == Exit.USAGE
    assert hint in capsys.readouterr().err


def test_a_broken_ledger_is_no_matter_of_an_image_of_aws(project: Path, capsys: Captured) -> None:
    (project / "releases.jsonl").write_text("half a li")
    assert cli.run(["uri", "--explain", CHINA]) == Exit.DONE
    out, err = capsys.readouterr()
    assert "pytorch-training" in out
    assert err.startswith(
        "warning: this project's images are ignored: releases.jsonl:1 is not a valid record"
    )


def test_a_broken_ledger_is_not_said_to_lack_an_image(project: Path, capsys: Captured) -> None:
    (project / "releases.jsonl").write_text("half a li")
    assert explained(capsys, f"{IRELAND}/sklearn:1.7.2-cpu-py311")["notes"] == [
        "the account is not one of AWS's for SageMaker, and the ledger cannot be read"
    ]


def test_the_name_of_a_target_is_told_the_way_to_its_uri(project: Path, capsys: Captured) -> None:
    assert cli.run(["uri", "--explain", "sklearn-1.7.2-cpu-py311"]) == Exit.USAGE
    assert "`buildkit uri sklearn-1.7.2-cpu-py311`" in capsys.readouterr().err


@pytest.mark.parametrize("uri", ["", "https://x.example/y:1", "a b/c", "x.example/UP:1", "x" * 5000])  # fmt: skip
def test_what_is_no_uri_is_refused(project: Path, uri: str, capsys: Captured) -> None:
    assert cli.run(["uri", "--explain", uri]) == Exit.USAGE
    out, err = capsys.readouterr()
    assert (out, "is not the URI of an image" in err) == ("", True)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("sk", ["sklearn", "sklearn-1.7.2-cpu-py311", "sklearn-1.7.2-cpu-py313", "sklearn-1.7.10-cpu-py311", "sklearn-2.0.0-cpu-py311"]),
        ("--prebuilt pytorch-n", ["pytorch-neuron"]),
        ("--list --framework xgb", ["xgboost-neo", "xgboost"]),
        ("sklearn --version 1.", ["1.7.2", "1.7.10"]),
        ("SKLearn --version 1.", ["1.7.2", "1.7.10"]),
        ("sklearn-2.0.0-cpu-py311 --version 1", []),
        ("pytorch --prebuilt --version 2.", ["2.0.0", "2.0.1", "2.0", "2.1.0", "2.1", "2.2.0", "2.2", "2.3.0", "2.3", "2.4.0", "2.4", "2.5.1", "2.5", "2.6.0", "2.6", "2.2.1", "2.7.1", "2.7", "2.8.0", "2.8", "2.9.0", "2.9", "2.10.0", "2.10"]),
        ("pytorch --region us-isob-east-1 --version 2.9", ["2.9.0", "2.9"]),
        ("sklearn --region ", ["eu-west-1", "us-east-1"]),
        ("pytorch-smp --region us-", ["us-east-1", "us-east-2", "us-west-1", "us-west-2"]),
        ("--prebuilt pytorch --purpose inf", ["inference", "inference_graviton"]),
        ("--prebuilt pytorch --version=2.3 --device ", ["cpu", "gpu"]),
        ("sklearn --version 1.7.2 --python 3.", ["3.11", "3.13"]),
        ("huggingface --version 4.28 --base-framework py", ["pytorch2.0.0", "pytorch2.0"]),
        ("--prebuilt pytorch --device neuron --version ", ["1.11.0", "1.11"]),
        ("--prebuilt sagemaker-base-python --purpose ", []),
        ("spark --container-version ", []),
        ("nosuch --version ", []),
        ("--reg", ["--region"]),
    ],
)  # fmt: skip
def test_words_are_completed(project: Path, line: str, wanted: list[str]) -> None:
    *arguments, incomplete = ["uri", *line.split(" ")]
    shell = ShellComplete(cli.cli, {}, "buildkit", "_BUILDKIT_COMPLETE")
    found = [item.value for item in shell.get_completions(arguments, incomplete)]
    assert sorted(found) == sorted(wanted)


def test_versions_are_completed_in_their_order(project: Path) -> None:
    found = complete.complete("version", {"prebuilt": True, "target": "pytorch"}, "2.")
    assert found[:4] == ["2.0", "2.0.0", "2.0.1", "2.1"]
    assert found[-2:] == ["2.10", "2.10.0"]


def test_a_completion_prints_no_error(project: Path, capsys: Captured) -> None:
    (project / "releases.jsonl").write_text("half a li")
    assert complete.complete("target", {}, "pytorch-n") == ["pytorch-neuron"]
    assert capsys.readouterr() == ("", "")


@pytest.mark.process
@pytest.mark.parametrize(
    "arguments", [[*PYTORCH, "--region", "cn-north-1"], ["uri", "tool"]], ids=["AWS's", "own"]
)
def test_an_answer_loads_nothing_heavy(project: Path, arguments: list[str]) -> None:
    code = (
        "import sys, buildkit.cli\n"
        f"assert buildkit.cli.run({arguments}) == 0\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    heavy = {"boto3", "docker", "jinja2", "pydantic", "requests", "tomli", "packaging", "semver"}
    assert not heavy & set(done.stderr.split())
