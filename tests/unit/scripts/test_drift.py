"""The watch over AWS's API: what it takes from two releases, and what it says of their difference."""

from __future__ import annotations

import gzip
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from buildkit.contract.clauses import Shape
from scripts.data import drift
from scripts.data.shapes import Model

if TYPE_CHECKING:
    from pathlib import Path

ENDPOINT: dict[str, Any] = {
    "type": "structure",
    "required": ["Name"],
    "documentation": "<p>An endpoint of Amazon SageMaker. It answers.</p>",
    "members": {
        "Name": {"shape": "Name"},
        "Ami": {"shape": "Ami", "documentation": "<ul><li>Driver: <code>470</code></li></ul>"},
        "Sizes": {"shape": "Sizes"},
        "Tags": {"shape": "Tags"},
        "Session": {"shape": "Name", "location": "header", "locationName": "X-Session"},
        "Metrics": {"shape": "Metrics"},
    },
}
OLD: dict[str, Any] = {
    "operations": {"Create": {"input": {"shape": "Endpoint"}, "errors": [{"shape": "Busy"}]}},
    "shapes": {
        "Endpoint": ENDPOINT,
        "Name": {"type": "string", "min": 1, "max": 63, "pattern": "[a-z]+"},
        "Ami": {"type": "string", "enum": ["gpu-2", "gpu-3"]},
        "Sizes": {"type": "list", "max": 5, "member": {"shape": "Size"}},
        "Size": {"type": "string", "enum": ["small"]},
        "Tags": {"type": "map", "key": {"shape": "Name"}, "value": {"shape": "Text"}},
        "Text": {"type": "string"},
        "Metrics": {"type": "structure", "members": {"Seconds": {"shape": "Seconds"}}},
        "Seconds": {"type": "integer", "min": 10},
        "Busy": {"type": "structure", "members": {}},
        "Other": {"type": "structure", "members": {"Name": {"shape": "Name"}}},
    },
}
IMAGES = {"CUDA": {"12.4": ""}}


def shape(text: str) -> Shape:
    return Shape.parse(text)


def changed(**shapes: Any) -> dict[str, Any]:
    return {**OLD, "shapes": {**OLD["shapes"], **shapes}}


def snapshot(document: dict[str, Any], *cited: str, releases: str = "") -> drift.Snapshot:
    model = Model(service="host", shapes=document["shapes"], operations=document["operations"])
    who = {shape(text): (f"X-0{number}",) for number, text in enumerate(cited, 1)}
    return drift.Snapshot(releases=releases, sections=drift.sections({"host": model}, IMAGES, who))


def sections(document: dict[str, Any], *cited: str) -> dict[str, list[str]]:
    """The lines of each section that somebody cites."""
    found = snapshot(document, *cited).sections
    return {
        title: [drift.line(*fact) for fact in each.facts.items()]
        for title, each in found.items()
        if each.citing
    }


def test_a_cited_member_is_watched_with_its_type_its_neighbours_and_its_documentation() -> None:
    assert sections(OLD, "host:Endpoint.Ami") == {
        "host:Ami": ["gpu-2", "gpu-3"],
        "host:Endpoint": [
            "Name  string 1-63 [a-z]+ required",
            "Ami  Ami",
            "Sizes  list -5 of Size",
            "Tags  map of string 1-63 [a-z]+ string",
            "Session  string 1-63 [a-z]+ in header X-Session",
            "Metrics  Metrics",
        ],
        "host:Endpoint.Ami documentation": ["Driver: 470"],
    }


def test_a_cited_structure_is_watched_with_all_that_its_members_lead_to() -> None:
    found = sections(OLD, "host:Endpoint")
    assert [*found] == [
        "host:Ami", "host:Endpoint", "host:Endpoint documentation", "host:Metrics", "host:Size",
    ]  # fmt: skip
    assert found["host:Endpoint documentation"] == ["An endpoint of SageMaker.", "It answers."]


def test_a_cited_operation_is_watched_with_its_input_and_its_errors() -> None:
    found = sections(OLD, "host:Create")
    assert found["host:Create"] == ["input  Endpoint", "error Busy"]
    assert {"host:Endpoint", "host:Ami", "host:Metrics"} < {*found}


def test_what_a_release_does_not_have_is_watched_as_soon_as_a_later_one_has_it() -> None:
    structure, member = "host:Fleet", "host:Metrics.Path"
    assert sections(OLD, structure, member) == {"host:Metrics": ["Seconds  integer 10-"]}
    metrics = {"Seconds": {"shape": "Seconds"}, "Path": {"shape": "Text"}}
    new = changed(
        Fleet={"type": "structure", "members": {"Size": {"shape": "Size"}}},
        Metrics={"type": "structure", "members": metrics},
    )
    before, after = (snapshot(each, structure, member) for each in (OLD, new))
    assert [(each.title, each.citing, each.lines) for each in drift.changes(before, after)] == [
        ("host:Fleet", ("X-01",), ("+ Size  Size",)),
        ("host:Metrics", ("X-02",), ("+ Path  string",)),
        ("host:Size", ("X-01",), ("+ small",)),
    ]


@pytest.mark.parametrize(
    ("shapes", "lines"),
    [
        pytest.param({"Ami": {"type": "string", "enum": ["gpu-2", "gpu-4"]}},
                     ["[host:Ami] X-01 X-02", "- gpu-3", "+ gpu-4"], id="enum"),
        pytest.param({"Sizes": {"type": "list", "max": 9, "member": {"shape": "Size"}}},
                     ["[host:Endpoint] X-01 X-02", "- Sizes  list -5 of Size", "+ Sizes  list -9 of Size"], id="limit"),
        pytest.param({"Text": {"type": "string", "pattern": "a  b"}},
                     ["[host:Endpoint] X-01 X-02", "- Tags  map of string 1-63 [a-z]+ string",
                      "+ Tags  map of string 1-63 [a-z]+ string a  b"], id="pattern"),
        pytest.param({"Seconds": {"type": "integer", "min": 5}},
                     ["[host:Metrics] X-02", "- Seconds  integer 10-", "+ Seconds  integer 5-"], id="neighbour"),
        pytest.param({"Endpoint": {**ENDPOINT, "required": []}},
                     ["[host:Endpoint] X-01 X-02", "- Name  string 1-63 [a-z]+ required", "+ Name  string 1-63 [a-z]+"], id="required"),
        pytest.param({"Endpoint": {**ENDPOINT, "documentation": "An endpoint of SageMaker AI. It waits."}},
                     ["[host:Endpoint documentation] X-02", "- It answers.", "+ It waits."], id="documentation"),
    ],
)  # fmt: skip
def test_a_change_is_reported_with_both_values_and_with_who_cites_it(
    shapes: dict[str, Any], lines: list[str]
) -> None:
    cited = ("host:Endpoint.Ami", "host:Endpoint")
    before = snapshot(OLD, *cited, releases="botocore 1")
    after = snapshot(changed(**shapes), *cited, releases="botocore 2")
    head, _, *found = drift.report(before, after).splitlines()
    assert head == "botocore 1 -> botocore 2"
    assert found == ["", *lines]


def test_clauses_are_named_once_in_the_order_of_the_catalogue() -> None:
    old, new = (
        drift.Snapshot(releases=text, sections={
            "host:A": drift.Section(citing=("SERVE-01", "IMG-01"), facts={text: ""}),
            "host:B": drift.Section(citing=("SERVE-01", "ECR"), facts={text: ""}),
            "host:C": drift.Section(citing=("RUN-01",), facts={"same": ""}),
        })
        for text in ("1", "2")
    )  # fmt: skip
    assert drift.report(old, new) == (
        "1 -> 2\nConcerned: IMG-01, SERVE-01, ECR\n"
        "\n[host:A] SERVE-01 IMG-01\n[host:B] SERVE-01 ECR\n- 1\n+ 2\n"
    )


def test_what_is_gone_is_reported_to_those_who_cited_it() -> None:
    without = {name: each for name, each in OLD["shapes"].items() if name != "Metrics"}
    before, after = (snapshot(each, "host:Metrics") for each in (OLD, {**OLD, "shapes": without}))
    (found,) = drift.changes(before, after)
    assert (found.citing, found.lines) == (("X-01",), ("- Seconds  integer 10-",))


def test_a_new_operation_is_reported_although_nobody_cites_it() -> None:
    new = {**OLD, "operations": {**OLD["operations"], "Delete": {}}}
    text = drift.report(snapshot(OLD), snapshot(new))
    assert text.endswith("\n[host operations]\n+ Delete\n")


def test_another_order_is_no_change() -> None:
    turned = changed(Endpoint={**ENDPOINT, "members": dict(reversed(ENDPOINT["members"].items()))})
    before, after = (snapshot(each, "host:Endpoint") for each in (OLD, turned))
    assert drift.changes(before, after) == []
    assert drift.spelt(before) == drift.spelt(after)
    assert drift.report(before, after).splitlines()[1] == "Nothing that is cited has changed"


def test_a_snapshot_is_read_as_it_was_written() -> None:
    odd = changed(Text={"type": "string", "pattern": "[a]  # = b"})
    wanted = snapshot(odd, "host:Endpoint", "images:CUDA", releases="botocore 1, sagemaker-core 2")
    assert drift.parsed(drift.spelt(wanted)) == wanted


def wheel(folder: Path, **files: bytes) -> Path:
    path = folder / "package-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_the_newest_model_of_a_service_is_taken_from_a_wheel(tmp_path: Path) -> None:
    old, new = (json.dumps({"operations": {each: {}}, "shapes": {}}).encode() for each in "ab")
    path = wheel(tmp_path, **{
        "botocore/data/ecr/2026-01-01/service-2.json.gz": gzip.compress(new),
        "botocore/data/ecr/2015-09-21/service-2.json": old,
        "botocore/data/ecr/2026-01-01/waiters-2.json": b"{",
        "botocore/data/ec2/2016-11-15/service-2.json": b"{",
    })  # fmt: skip
    (model,) = drift.models(dict(drift.files(path))).values()
    assert (model.service, model.operations) == ("ecr", {"b": {}})


def test_frameworks_and_cuda_versions_are_taken_from_the_data_on_images(tmp_path: Path) -> None:
    tags = {"gpu": "cu130-ubuntu22.04"}
    vllm = {"inference": {"processors": ["gpu"], "versions": {"1": {"container_version": tags}}}}
    folder = "sagemaker/core/image_uri_config"
    path = wheel(tmp_path, **{
        f"{folder}/vllm.json": json.dumps(vllm).encode(),
        f"{folder}/clarify.json": b'{"scope": ["processing"], "versions": {}}',
        f"{folder}/gpus.json": b'{"ml.g5.xlarge": {"Count": 1}}',
    })  # fmt: skip
    assert drift.images(dict(drift.files(path))) == {
        "frameworks": {"clarify": "processing", "vllm": "inference gpu"},
        "CUDA": {"13.0": ""},
    }


def test_a_pull_request_has_the_report_and_the_new_snapshot(tmp_path: Path) -> None:
    after = snapshot(OLD, releases="botocore 2")
    drift.keep(tmp_path / "new", after, "x" * 70_000)
    assert (tmp_path / "new" / drift.DATA).read_text() == drift.spelt(after)
    assert (tmp_path / "new" / "title").read_text() == "AWS's API of botocore 2\n"
    body = (tmp_path / "new" / "body").read_text()
    assert "x" * 60_000 in body
    assert len(body) < 65_536


@pytest.mark.parametrize("document", [OLD, changed(Size={"type": "string", "enum": ["big"]})])
def test_a_release_without_changes_is_recorded_and_not_proposed(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    path = tmp_path / "shapes.txt"
    path.write_text(drift.spelt(snapshot(OLD, "host:Endpoint", releases="botocore 1")))
    after = snapshot(document, "host:Endpoint", releases="botocore 2")
    text = drift.watch(["--keep", str(tmp_path / "new")], path, lambda _: after)
    assert text.startswith("botocore 1 -> botocore 2\n")
    assert drift.parsed(path.read_text()) == after
    assert (tmp_path / "new" / "title").exists() == (document is not OLD)


def test_the_recorded_snapshot_has_all_that_is_cited() -> None:
    recorded = drift.parsed((drift.ROOT / drift.DATA).read_text()).sections
    for cited, who in drift.citations().items():
        section = recorded[f"{cited.service}:{cited.name}"]
        assert {*who} <= {*section.citing}, f"{cited}: `make drift`"
        assert not cited.member or cited.member in section.facts, cited
    names = {who for each in drift.citations().values() for who in each}
    assert {who for section in recorded.values() for who in section.citing} == names
