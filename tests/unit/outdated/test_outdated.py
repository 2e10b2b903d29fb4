"""`buildkit outdated`: what registries, the index and our data are asked, and how it is shown."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from buildkit import cli
from buildkit.ledger import ledger
from buildkit.model.image import Origin
from buildkit.outdated import aws
from buildkit.outdated.finding import Finding, Kind, reason
from buildkit.support.errors import Exit, ToolError
from buildkit.system.shell import Done
from tests.support import projects, releases
from tests.support.locking import KIND, manifest, pythons, replace_uv
from tests.support.projects import programs
from tests.support.registry_server import Fault, Quiet, RegistryServer, answers, digest

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE, TWO = "demo-1.7.2-cpu-py311", "demo-1.7.2-cpu-py312"
TOML = """
[image.demo]
versions = ["1.7.2"]
pythons = ["3.11", "3.12"]
base = "python:{python}-slim"
template = "basic"
context = "program"
packages = ["sk=={framework_version}", "six"]
"""
Captured = pytest.CaptureFixture[str]


@dataclass
class Uv:
    """uv at the door of processes: `index` has the releases of each package."""

    index: dict[str, list[str]] = field(
        default_factory=lambda: {"sk": ["1.7.2"], "six": ["1.17"], "torch": []}
    )
    runs: list[tuple[str, ...]] = field(default_factory=list)
    environments: list[dict[str, str]] = field(default_factory=list)
    down: bool = False

    def run(self, *argv: str, env: dict[str, str]) -> Done:
        self.runs.append(argv)
        self.environments.append(env)
        if self.down:
            said = (
                "error: Request failed after 3 retries in 5.9s\n  cause: Failed\n  cause: refused"
            )
            return Done(code=1, output=said)
        wanted = [Requirement(line) for line in Path(argv[3]).read_text().split()]
        found = {each.name: self.newest(each) for each in wanted}
        pins = {name: version for name, version in found.items() if version}
        if pins != found:
            return Done(code=1, output="error: No solution found")
        hashes = "--generate-hashes" in argv
        Path(argv[5]).write_text(
            "".join(
                f"{n}=={v}" + (f" \\\n    --hash={digest(v.encode())}\n" if hashes else "\n")
                for n, v in pins.items()
            )
        )
        return Done(code=0, output="")

    def newest(self, wanted: Requirement) -> str | None:
        fits = wanted.specifier.filter(self.index[wanted.name])
        return max(fits, key=Version, default=None)


@pytest.fixture
def uv(monkeypatch: pytest.MonkeyPatch) -> Uv:
    found = Uv()
    replace_uv(monkeypatch, found.run)
    return found


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with pythons() as found:
        yield found


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: RegistryServer) -> Path:
    (tmp_path / "images.toml").write_text(TOML)
    programs(tmp_path / "program")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUILDKIT_SUBSTITUTE", f"python:*={registry.host}/mirror/python:*")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    for name in ("PIP_CERT", "SSL_CERT_FILE", "BUILDKIT_WHEELS", "BUILDKIT_PIP_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def locked(project: Path, uv: Uv, capsys: Captured) -> Path:
    assert cli.run(["lock"]) == Exit.DONE
    capsys.readouterr()
    uv.runs.clear()
    return project


def moved(registry: RegistryServer, python: str = "3.11") -> None:
    registry.manifests[f"mirror/python:{python}-slim"] = (KIND, manifest("new"))


def test_what_is_newer_has_one_row_for_all_of_its_targets(
    locked: Path, uv: Uv, registry: RegistryServer, capsys: Captured
) -> None:
    moved(registry)
    uv.index = {"sk": ["1.7.2", "1.7.4", "2.0", "2.1rc1"], "six": ["1.18"]}
    before = (locked / "images.lock").read_text()
    assert cli.run(["outdated"]) == Exit.DONE
    old, new = digest(manifest("3.11"))[:19], digest(manifest("new"))[:19]
    assert capsys.readouterr().out.splitlines() == [
        "BASE IMAGE        TARGETS                                  NOW                  NEWEST",
        f"python:3.11-slim  demo-1.7.2-cpu-py311                     {old}  {new}",
        "",
        "PACKAGE           TARGETS                                  NOW                  NEWEST",
        "six               demo-1.7.2-cpu-py311 and 1 other target  1.17                 1.18",
        "",
        "FRAMEWORK         TARGETS                                  NOW                  NEWEST",
        "sk                demo-1.7.2-cpu-py311 and 1 other target  1.7.2                1.7.4, 2.0",
    ]
    assert (locked / "images.lock").read_text() == before


def test_json_has_whole_digests_and_all_targets(
    locked: Path, uv: Uv, registry: RegistryServer, capsys: Captured
) -> None:
    moved(registry)
    uv.index["six"] = ["1.18"]
    assert cli.run(["outdated", "--json"]) == Exit.DONE
    assert json.loads(capsys.readouterr().out) == {
        "outdated": [
            {
                "kind": "base",
                "name": "python:3.11-slim",
                "targets": [ONE],
                "now": digest(manifest("3.11")),
                "newest": [digest(manifest("new"))],
            },
            {
                "kind": "package",
                "name": "six",
                "targets": [ONE, TWO],
                "now": "1.17",
                "newest": ["1.18"],
            },
        ],
        "unknown": [],
    }


def test_markdown_has_a_table_for_each_kind(locked: Path, uv: Uv, capsys: Captured) -> None:
    uv.index |= {"six": ["1.18"], "sk": ["1.7.2", "1.8"]}
    assert cli.run(["outdated", ONE, "--markdown"]) == Exit.DONE
    assert capsys.readouterr().out.splitlines() == [
        "| Package | Targets | Now | Newest |",
        "| --- | --- | --- | --- |",
        f"| `six` | {ONE} | 1.17 | 1.18 |",
        "",
        "| Framework | Targets | Now | Newest |",
        "| --- | --- | --- | --- |",
        f"| `sk` | {ONE} | 1.7.2 | 1.8 |",
    ]
    assert cli.run(["outdated", "--markdown", "--json"]) == Exit.USAGE


def test_nothing_is_on_stdout_if_nothing_is_outdated(locked: Path, capsys: Captured) -> None:
    assert cli.run(["outdated", "--check"]) == Exit.DONE
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[-1] == "nothing is outdated"


def test_check_has_an_exit_code_of_its_own(locked: Path, uv: Uv) -> None:
    uv.index["six"] = ["1.18"]
    assert cli.run(["outdated"]) == Exit.DONE
    assert cli.run(["outdated", "--check"]) == Exit.DRIFT


def test_each_question_is_asked_once(locked: Path, uv: Uv, registry: RegistryServer) -> None:
    (locked / "images.toml").write_text(f"{TOML}\n{TOML.replace('demo', 'again')}")
    assert cli.run(["lock"]) == Exit.DONE
    uv.runs.clear()
    registry.requests.clear()
    assert cli.run(["outdated"]) == Exit.DONE
    alone = ["--no-deps" in argv for argv in uv.runs]
    assert (alone.count(True), alone.count(False)) == (2, 2)  # one for each Python
    assert len(registry.requests) == 2


def test_versions_of_one_framework_share_a_question(
    project: Path, uv: Uv, capsys: Captured
) -> None:
    (project / "images.toml").write_text(
        TOML.replace('"1.7.2"]', '"1.7.2", "1.7.1", "1.5.3"]').replace(', "3.12"]', "]")
    )
    uv.index["sk"] = ["1.7.2", "1.7.3", "1.8"]  # and 1.5.3 was withdrawn
    assert newest(project, capsys) == {
        "1.7.2": ["1.7.3", "1.8"],
        "1.7.1": ["1.7.3", "1.8"],
        "1.5.3": ["1.8"],
    }
    assert len(uv.runs) == 3  # all, 1.7 and 1.5


def test_packages_and_bases_of_a_project_without_lock_and_ledger_are_not_asked_for(
    project: Path, uv: Uv, registry: RegistryServer, capsys: Captured
) -> None:
    uv.index["sk"].append("1.7.3")
    assert cli.run(["outdated", "--json"]) == Exit.DONE
    (only,) = json.loads(capsys.readouterr().out)["outdated"]
    assert (only["kind"], only["newest"], only["targets"]) == ("framework", ["1.7.3"], [ONE, TWO])
    assert registry.requests == []
    assert all("--no-deps" in argv for argv in uv.runs)


def test_without_a_lock_bases_are_compared_with_the_last_release(
    project: Path, uv: Uv, registry: RegistryServer, capsys: Captured
) -> None:
    base = f"{registry.host}/mirror/python"
    old, same = digest(manifest("old")), digest(manifest("3.12"))
    origins = {
        "3.11": Origin(base=f"{base}:3.11-slim@{old}", base_digest=old),
        "3.12": Origin(base=f"{base}:3.12-slim", base_digest=same),
    }
    images = [
        releases.image("1.7.2", python[-1], python=python, origin=origin)
        for python, origin in origins.items()
    ]
    ledger.Ledger(path=project / ledger.NAME).append(releases.release(*images))
    assert cli.run(["outdated", "--json"]) == Exit.DONE
    (only,) = json.loads(capsys.readouterr().out)["outdated"]
    assert only == {
        "kind": "base",
        "name": "python:3.11-slim",
        "targets": [ONE],
        "now": old,
        "newest": [digest(manifest("3.11"))],
    }


def test_a_release_on_another_base_says_nothing_about_this_one(
    project: Path, uv: Uv, registry: RegistryServer, capsys: Captured
) -> None:
    origin = Origin(base="debian:bookworm", base_digest=releases.digest("b"))
    image = releases.image("1.7.2", "1", origin=origin)
    ledger.Ledger(path=project / ledger.NAME).append(releases.release(image))
    assert cli.run(["outdated", "--json"]) == Exit.DONE
    found = json.loads(capsys.readouterr().out)
    assert found["outdated"] == []
    assert ("base", "python:3.11-slim") in {(e["kind"], e["name"]) for e in found["unknown"]}
    assert registry.requests == []


def test_what_cannot_be_compared_is_unknown_with_its_reason(
    project: Path, uv: Uv, registry: RegistryServer, capsys: Captured
) -> None:
    """Nothing is locked or released: silence would pass for up to date."""
    assert cli.run(["outdated", "--json"]) == Exit.DONE
    unknown = json.loads(capsys.readouterr().out)["unknown"]
    assert [(each["kind"], each["name"], each["targets"]) for each in unknown] == [
        ("base", "python:3.11-slim", [ONE]),
        ("base", "python:3.12-slim", [TWO]),
        ("package", "images.lock", [ONE, TWO]),
    ]
    assert all("`buildkit lock`" in each["reason"] for each in unknown)
    assert cli.run(["outdated"]) == Exit.DONE
    said = capsys.readouterr()
    assert "nothing is outdated" not in said.err
    assert "unknown: neither locked nor released" in said.out
    assert registry.requests == []


def test_what_is_unknown_does_not_hide_the_rest(
    locked: Path, uv: Uv, registry: RegistryServer, capsys: Captured
) -> None:
    registry.faults.append(Fault("HEAD", "3.11", answers(403), times=9))
    moved(registry, "3.12")
    uv.down = True
    assert cli.run(["outdated", "--json", "--check"]) == Exit.DRIFT
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert [(each["kind"], each["name"]) for each in found["outdated"]] == [
        ("base", "python:3.12-slim")
    ]
    why = "Request failed after 3 retries: refused"
    assert [(each["kind"], each["name"], each["targets"]) for each in found["unknown"]] == [
        ("base", "python:3.11-slim", [ONE]),
        ("package", "images.lock", [ONE, TWO]),
        ("framework", "sk", [ONE, TWO]),
    ]
    assert [each["reason"] for each in found["unknown"][1:]] == [why, why]
    assert f"unknown: images.lock and 1 other: {why}" in said.err.splitlines()
    assert "unknown: python:3.11-slim: the digest of the image" in said.err
    assert cli.run(["outdated", TWO]) == Exit.DONE
    rows = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert ["images.lock", TWO, f"unknown: {why}"] in rows
    assert ["sk", TWO, f"1.7.2                unknown: {why}"] in rows


def test_only_unknown_is_not_outdated(locked: Path, uv: Uv) -> None:
    uv.down = True
    assert cli.run(["outdated", "--check"]) == Exit.DONE


def test_a_missing_uv_is_unknown_and_says_how_to_install_it(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr("sys.executable", str(project / "python"))
    monkeypatch.setenv("PATH", str(project))
    assert cli.run(["outdated"]) == Exit.DONE
    said = capsys.readouterr()
    assert "unknown: uv is not installed" in said.out
    assert "unknown: sk: uv is not installed" in said.err
    assert "pip install uv" in said.err


def test_packages_that_upgrade_would_add_or_remove_are_rows(
    locked: Path, uv: Uv, capsys: Captured
) -> None:
    text = (locked / "images.toml").read_text().replace('"six"', '"seven"')
    (locked / "images.toml").write_text(text)
    uv.index["seven"] = ["7"]
    assert cli.run(["outdated", "--json"]) == Exit.DONE
    found = json.loads(capsys.readouterr().out)["outdated"]
    assert [(each["name"], each["now"], each["newest"]) for each in found] == [
        ("seven", None, ["7"]),
        ("six", "1.17", []),
    ]
    assert cli.run(["outdated"]) == Exit.DONE
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(row[0], *row[-2:]) for row in rows[1:]] == [
        ("seven", "none", "7"),
        ("six", "1.17", "none"),
    ]


# Frameworks


def newest(project: Path, capsys: Captured, *options: str) -> dict[str, list[str]]:
    """By what the framework has now."""
    assert cli.run(["outdated", "--json", *options]) == Exit.DONE
    found = json.loads(capsys.readouterr().out)
    assert {each["kind"] for each in found["unknown"]} <= {"base", "package"}  # not locked
    return {each["now"]: each["newest"] for each in found["outdated"]}


@pytest.mark.parametrize(
    ("released", "wanted"),
    [
        (["1.7.2"], []),
        (["1.6.9", "1.7.1"], []),
        (["1.7.2", "1.7.10", "1.7.9"], ["1.7.10"]),
        (["1.7.2", "1.10.0", "1.9.0"], ["1.10.0"]),
        (["1.7.2", "1.7.3", "2.0"], ["1.7.3", "2.0"]),
    ],
)
def test_the_newest_of_the_series_and_of_all_count(
    project: Path, uv: Uv, released: list[str], wanted: list[str], capsys: Captured
) -> None:
    uv.index["sk"] = released
    assert newest(project, capsys) == ({"1.7.2": wanted} if wanted else {})


def test_a_release_that_the_project_has_is_not_new(project: Path, uv: Uv, capsys: Captured) -> None:
    (project / "images.toml").write_text(TOML.replace('"1.7.2"]', '"1.7.2", "2.0"]'))
    uv.index["sk"] = ["1.7.2", "2.0", "1.7.3"]
    assert newest(project, capsys) == {"1.7.2": ["1.7.3"]}
    assert newest(project, capsys, ONE) == {"1.7.2": ["1.7.3"]}


def test_a_label_counts_and_indexes_are_mirrored(
    project: Path, uv: Uv, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """The public index may be ahead of the one that has the files for a device."""
    text = TOML.replace("sk=={framework_version}", "torch=={framework_version}+cpu")
    (project / "images.toml").write_text(f'{text}indexes = ["https://a.example/whl"]\n')
    uv.index["torch"] = ["1.7.2", "1.7.2+cpu", "1.8", "1.8+cpu", "1.9"]
    rules = "https://a.example/*=https://m.example/*"
    assert newest(project, capsys, "--substitute", rules) == {"1.7.2": ["1.8"]}
    assert {each["UV_INDEX"] for each in uv.environments} == {"https://m.example/whl"}
    uv.index["torch"] = [f"1.{minor}" for minor in range(8, 20)]
    assert cli.run(["outdated", "--json"]) == Exit.DONE
    unknown = json.loads(capsys.readouterr().out)["unknown"]
    (only,) = (each for each in unknown if each["kind"] == "framework")
    assert only["reason"].startswith("none of the 5 newest releases has files for `+cpu`")


@pytest.mark.parametrize("package", ["sk>=1.7", "sk", "sk==1.7.1", "sk==1.7.2; python_version>'3'"])
def test_only_a_package_with_the_version_of_the_target_is_its_framework(
    project: Path, uv: Uv, package: str
) -> None:
    (project / "images.toml").write_text(TOML.replace("sk=={framework_version}", package))
    assert cli.run(["outdated"]) == Exit.DONE
    assert uv.runs == []


# AWS's images


def of_aws(base: str) -> tuple[Finding, ...]:
    return tuple(aws.find(projects.targets(projects.MINIMAL.replace("python:{python}-slim", base))))


def test_newer_images_of_aws_have_the_same_purpose_and_device() -> None:
    host = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
    (found,) = of_aws(f"{host}/pytorch-training:2.3.0-gpu-py311")
    assert (found.kind, found.name, found.now) == (
        Kind.PREBUILT,
        "pytorch-training",
        "2.3.0-gpu-py311",
    )
    same, last = found.newest
    assert same == "2.5.1-gpu-py311"
    assert "-gpu-" in last
    assert of_aws(f"{host}/pytorch-training:{last}") == ()


@pytest.mark.parametrize(
    "base",
    [
        "python:3.11-slim",
        "registry.example/pytorch-training:2.3.0-gpu-py311",
        "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:nosuch",
    ],
)
def test_other_bases_have_no_newer_image_of_aws(base: str) -> None:
    assert of_aws(base) == ()


# Reasons


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (ToolError("no uv", hint="install it"), "no uv (install it)"),
        (ToolError("no uv"), "no uv"),
        (ToolError("x", details="error: A in 3.9s\n  cause: B\n  cause: C"), "A: C"),
        (
            ToolError("x", details="  * No solution\n  ╰─▶ Because\n\nhint: Why"),
            "No solution: Why",
        ),
    ],
)
def test_a_reason_is_one_line(error: ToolError, wanted: str) -> None:
    assert reason(error) == wanted


# With uv itself


def wheel(folder: Path, name: str, version: str) -> None:
    info = f"{name}-{version}.dist-info"
    path = folder / "simple" / name / f"{name}-{version}-py3-none-any.whl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


class Index(SimpleHTTPRequestHandler):
    """A package index of files, as pip and uv read it."""

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    server = Quiet(("127.0.0.1", 0), partial(Index, directory=str(tmp_path / "index")))
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/simple"
    server.shutdown()
    server.server_close()


@pytest.mark.process
def test_uv_itself_finds_newer_packages_and_releases_in_an_index(
    project: Path, index: str, capsys: Captured
) -> None:
    folder = project / "index"
    wheel(folder, "sk", "1.7.2")
    wheel(folder, "six", "1.17")
    pip = project / "pip.conf"
    pip.write_text(f"[global]\nindex-url = {index}\n")
    assert cli.run(["lock", "--pip-config", str(pip)]) == Exit.DONE
    for name, version in (("sk", "1.7.3"), ("sk", "2.0"), ("sk", "2.1rc1"), ("six", "1.18")):
        wheel(folder, name, version)
    capsys.readouterr()
    assert cli.run(["outdated", "--json", "--pip-config", str(pip)]) == Exit.DONE
    found = json.loads(capsys.readouterr().out)
    assert found["unknown"] == []
    assert [(each["kind"], each["name"], each["newest"]) for each in found["outdated"]] == [
        ("package", "six", ["1.18"]),
        ("framework", "sk", ["1.7.3", "2.0"]),
    ]
