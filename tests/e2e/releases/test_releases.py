"""A release and what can be done with it later, on a real registry: nothing is built again for it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.e2e.support import tested as once
from tests.e2e.support.real import EVERY_TYPE
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from tests.e2e.support.real import Local, Project

RELEASE = "application/vnd.buildkit.release.v1+json"
LATEST = "latest-cpu-py311"
REPORT = "application/vnd.buildkit.test-report.v1+json"


@pytest.fixture
def project(tested: Project) -> Project:
    return tested


def publish(local: Local, project: Project, version: str) -> dict[str, Any]:
    """Publish this version; what the command line says of it."""
    one = f"{project.name}-{version}-*"
    done = local.buildkit("build", one, "--push", "--json", folder=project.folder)
    assert done.code == 0, done.stderr
    (target,) = done.json["targets"]
    found: dict[str, Any] = target
    return found


def records(project: Project) -> list[dict[str, Any]]:
    text = (project.folder / "releases.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def at(local: Local, project: Project, tag: str) -> str | None:
    found = local.manifest(project.repository, tag)
    return None if found is None else found[1]


def blob(local: Local, project: Project, digest: str) -> bytes:
    url = f"http://{local.registry}/v2/{project.repository}/blobs/{digest}"
    answer = requests.get(url, auth=local.login(), timeout=HANG)
    answer.raise_for_status()
    return answer.content


def run(local: Local, project: Project, *arguments: str) -> str:
    done = local.buildkit(*arguments, folder=project.folder)
    assert done.code == 0, done.stderr
    return done.stdout


def test_publish_compare_promote_and_roll_back(local: Local, project: Project) -> None:
    name = project.repository
    project.write(once.IMAGES.replace('"1.0", "1.1"', '"1.0"'))
    one = publish(local, project, "1.0")
    image_before = local.manifest(name, "1.0-cpu-py311")
    project.template("less", "RUN python -m pip uninstall --yes setuptools\nENV A=1")
    project.write(once.IMAGES.replace('"1.0", "1.1"', '"1.1"').replace('"basic"', '"less"'))
    two = publish(local, project, "1.1")
    first, second = records(project)
    assert [each["images"][0]["digest"] for each in (first, second)] == [
        one["digest"],
        two["digest"],
    ]
    (image,) = second["images"]
    assert image["locations"] == [f"{local.registry}/{name}:1.1-cpu-py311"]
    assert image["origin"]["base"].endswith("python:3.11-slim-bookworm")
    assert image["origin"]["base_digest"].startswith("sha256:")
    assert image["origin"]["inputs"] != first["images"][0]["origin"]["inputs"]
    assert image["verdict"]["passed"] > 10
    served = local.manifest(project.repository, "1.1-cpu-py311")
    assert served is not None
    assert image["size"] == sum(layer["size"] for layer in served[2]["layers"])
    layers = served[2]["layers"]
    assert image["layers"] == [[layer["digest"], layer["size"]] for layer in layers]
    assert image["config_digest"] == served[2]["config"]["digest"]

    listed = [line.split() for line in run(local, project, "releases").splitlines()[1:]]
    assert [(action, what.rpartition("/")[2]) for _, action, what, *_ in listed] == [
        ("publish", f"{name}:1.1-cpu-py311"),
        ("alias", f"{name}:{LATEST}"),
        ("publish", f"{name}:1.0-cpu-py311"),
        ("alias", f"{name}:{LATEST}"),
    ]

    compared = json.loads(run(
        local, project, "diff", project.id, f"{project.name}-1.1-cpu-py311", "--json"
    ))  # fmt: skip
    layers = {side: len(compared["layers"][side]) for side in ("shared", "only_a", "only_b")}
    assert layers["shared"] > 0
    assert layers["only_b"] == layers["only_a"] + 1
    (gone,) = compared["packages"]
    assert (gone["name"], gone["b"]) == ("python setuptools", None)
    assert gone["a"] is not None
    assert {"name": "env A", "a": None, "b": "1"} in compared["configuration"]
    assert compared["a"]["base"] == compared["b"]["base"] is not None
    # The layer of the program is the same in both, and lies on another one: it is read, once.
    above = [*compared["layers"]["only_b"], compared["layers"]["shared"][-1]]
    assert compared["fetched"] == sum(each["size"] for each in above)

    alias = f"{name}:{LATEST}"
    assert at(local, project, LATEST) == two["digest"]
    assert run(local, project, "rollback", alias) == f"{local.registry}/{alias}\n"
    assert at(local, project, LATEST) == one["digest"]
    again = publish(local, project, "1.1")
    assert again["pushed"] is False
    assert at(local, project, LATEST) == one["digest"]
    run(local, project, "promote", two["digest"][7:30], "--to", LATEST)
    assert at(local, project, LATEST) == two["digest"]
    assert [each["action"] for each in records(project)] == [
        "publish", "publish", "rollback", "promote",
    ]  # fmt: skip

    run(local, project, "promote", one["digest"], "--to", f"{name}:stable")
    assert at(local, project, "stable") == one["digest"]
    run(local, project, "promote", one["digest"], "--to", f"production/{name}")
    copy = local.manifest(f"production/{name}", "1.0-cpu-py311")
    assert copy == image_before == local.manifest(project.repository, "1.0-cpu-py311")


def test_records_lie_beside_the_image_and_the_image_stays_as_it_is(
    local: Local, project: Project
) -> None:
    """The registry of the tests keeps no list of referrers, so it is under a tag."""
    target = publish(local, project, "1.0")
    digest = target["digest"]
    found = local.manifest(project.repository, digest.replace(":", "-"))
    assert found is not None
    kind, _, index = found
    assert kind == index["mediaType"] == "application/vnd.oci.image.index.v1+json"
    assert [each["artifactType"] for each in index["manifests"]] == [RELEASE, REPORT]
    content = {}
    for each in index["manifests"]:
        artifact = local.manifest(project.repository, each["digest"])
        assert artifact is not None
        assert artifact[2]["subject"]["digest"] == digest
        assert artifact[2]["artifactType"] == each["artifactType"]
        (layer,) = artifact[2]["layers"]
        content[each["artifactType"]] = json.loads(blob(local, project, layer["digest"]))
    (record,) = records(project)
    assert content[RELEASE] == {**record, "moves": []}
    clauses = content[REPORT]["clauses"]
    assert {each["status"] for each in clauses} <= {"pass", "warn", "skip"}
    assert content[REPORT]["digest"] == target["image_id"]
    served = local.manifest(project.repository, "1.0-cpu-py311")
    assert served is not None
    assert served[0] == "application/vnd.docker.distribution.manifest.v2+json"
    assert served[1] == digest
    tags = requests.get(
        f"http://{local.registry}/v2/{project.repository}/tags/list",
        headers={"Accept": EVERY_TYPE}, auth=local.login(), timeout=HANG,
    ).json()["tags"]  # fmt: skip
    assert sorted(tags) == sorted(["1.0-cpu-py311", LATEST, digest.replace(":", "-")])


def test_a_ledger_alone_tells_the_uri_and_two_of_them_merge(local: Local, project: Project) -> None:
    target = publish(local, project, "1.0")
    (project.folder / "images.toml").rename(project.folder / "no.toml")
    elsewhere = run(local, project, "uri", project.id)
    (project.folder / "no.toml").rename(project.folder / "images.toml")
    assert elsewhere == f"{target['uri']}\n"
    git = ("git", "-C", str(project.folder), "-c", "user.name=a", "-c", "user.email=a@b.example")

    def commit(message: str) -> None:
        subprocess.run([*git, "add", "--all"], check=True)
        subprocess.run([*git, "commit", "--quiet", "--message", message], check=True)

    subprocess.run([*git, "init", "--quiet", "--initial-branch", "one"], check=True)
    (project.folder / ".gitattributes").write_text("releases.jsonl merge=union\n")
    (project.folder / ".gitignore").write_text("dist/\n")
    commit("begin")
    subprocess.run([*git, "checkout", "--quiet", "-b", "two"], check=True)
    (project.folder / "program" / "train").write_text("# changed\n")
    run(local, project, "promote", target["digest"], "--to", f"{project.repository}:newest")
    assert records(project)[-1]["commit"].endswith("-dirty")
    commit("on two")
    subprocess.run([*git, "checkout", "--quiet", "one"], check=True)
    run(local, project, "promote", target["digest"], "--to", f"{project.repository}:stable")
    assert not records(project)[-1]["commit"].endswith("-dirty")
    commit("on one")
    subprocess.run([*git, "merge", "--quiet", "--no-edit", "two"], check=True)
    listed = json.loads(run(local, project, "releases", "--json"))
    assert [each["action"] for each in listed] == ["promote", "promote", "publish"]
