"""`buildkit lock`: what uv and registries are asked, what is kept, and what builds get."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from buildkit import cli
from buildkit.commands import complete
from buildkit.config.network import Network
from buildkit.lock import check, lockfile, request, resolve
from buildkit.lock.request import Request
from buildkit.render import render
from buildkit.support.errors import Exit, ToolError
from buildkit.system.shell import Done
from tests.support.locking import KIND, manifest, pythons, replace_uv
from tests.support.projects import MINIMAL, programs, target
from tests.support.registry_server import RegistryServer, digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.lock.lockfile import Lock

ONE, TWO = "demo-1.0-cpu-py311", "demo-1.0-cpu-py312"
TOML = """
[image.demo]
versions = ["1.0"]
pythons = ["3.11", "3.12"]
base = "python:{python}-slim"
template = "basic"
context = "program"
packages = ["numpy<3", "six"]
"""


Captured = pytest.CaptureFixture[str]


@dataclass
class Uv:
    """uv at the door of processes: `index` has the newest version of each package."""

    index: dict[str, str] = field(default_factory=lambda: {"numpy": "2.3", "six": "1.17"})
    runs: list[tuple[str, ...]] = field(default_factory=list)
    environments: list[dict[str, str]] = field(default_factory=list)
    said: str = ""

    def run(self, *argv: str, env: dict[str, str]) -> Done:
        self.runs.append(argv)
        self.environments.append(env)
        wanted, found = Path(argv[3]), Path(argv[5])
        kept = dict(line.split("==") for line in found.read_text().split())
        again = {argv[n + 1] for n, each in enumerate(argv) if each == "--upgrade-package"}
        names = [re.split(r"[^a-z]", line)[0] for line in wanted.read_text().split()]
        pins = {
            name: self.index[name] if name in again else kept.get(name, self.index[name])
            for name in names
        }
        hashes = {name: digest(f"{name}{version}".encode()) for name, version in pins.items()}
        found.write_text(
            "".join(f"{n}=={pins[n]} \\\n    --hash={hashes[n]}\n" for n in sorted(pins))
        )
        return Done(code=1 if self.said else 0, output=self.said)


@pytest.fixture
def uv(monkeypatch: pytest.MonkeyPatch) -> Uv:
    found = Uv()
    replace_uv(monkeypatch, found.run)
    return found


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with pythons() as found:
        yield found


@dataclass
class World:
    uv: Uv
    registry: RegistryServer


@pytest.fixture
def world(uv: Uv, registry: RegistryServer) -> World:
    return World(uv, registry)


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: RegistryServer, uv: Uv
) -> Path:
    (tmp_path / "images.toml").write_text(TOML)
    programs(tmp_path / "program")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUILDKIT_SUBSTITUTE", f"python:*={registry.host}/mirror/python:*")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    for name in ("PIP_CERT", "SSL_CERT_FILE", "BUILDKIT_WHEELS", "BUILDKIT_PIP_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(*arguments: str) -> int:
    return cli.run([*arguments])


def written(project: Path) -> Lock:
    found = lockfile.read(project / "images.lock")
    assert found is not None
    return found


def test_bases_and_packages_are_pinned_under_their_public_names(
    project: Path, uv: Uv, capsys: Captured
) -> None:
    assert run("lock") == Exit.DONE
    found = written(project)
    assert found.bases == {
        f"python:{python}-slim": digest(manifest(python)) for python in ("3.11", "3.12")
    }
    assert {id_: each.packages for id_, each in found.targets.items()} == {
        ONE: ("numpy==2.3", "six==1.17"),
        TWO: ("numpy==2.3", "six==1.17"),
    }
    said = capsys.readouterr()
    assert "numpy: none -> 2.3 (demo-1.0-cpu-py311 and 1 other target)" in said.out
    assert "resolving the packages of 2 targets" in said.err


def test_what_is_locked_is_kept_and_asked_for_no_more(
    project: Path, uv: Uv, registry: RegistryServer, capsys: Captured
) -> None:
    run("lock")
    before = (project / "images.lock").read_text()
    uv.index["six"] = "2.0"
    uv.runs.clear()
    registry.requests.clear()
    capsys.readouterr()
    assert run("lock") == Exit.DONE
    assert (project / "images.lock").read_text() == before
    assert [uv.runs, registry.requests] == [[], []]
    assert capsys.readouterr().out == "images.lock is up to date\n"


def test_a_changed_target_keeps_the_versions_that_still_fit(project: Path, uv: Uv) -> None:
    run("lock")
    uv.index |= {"six": "2.0", "pandas": "3.0"}
    (project / "images.toml").write_text(TOML.replace('"six"', '"six", "pandas"'))
    assert run("lock", ONE) == Exit.DONE
    found = written(project).targets
    assert found[ONE].packages == ("numpy==2.3", "pandas==3.0", "six==1.17")
    assert found[TWO].packages == ("numpy==2.3", "six==1.17")


def test_a_new_revision_keeps_the_packages(project: Path, uv: Uv) -> None:
    run("lock")
    uv.index["six"] = "2.0"
    uv.runs.clear()
    (project / "images.toml").write_text(TOML.replace('"1.0"', '"1.0-1"'))
    assert run("lock") == Exit.DONE
    assert uv.runs == []
    assert written(project).targets["demo-1.0-1-cpu-py311"].packages == ("numpy==2.3", "six==1.17")
    assert ONE not in written(project).targets


def test_revise_keeps_what_is_locked(project: Path) -> None:
    run("lock")
    before = written(project)
    assert run("revise", "demo") == Exit.DONE
    after = written(project)
    assert after.bases == before.bases
    assert [*after.targets] == ["demo-1.0-1-cpu-py311", "demo-1.0-1-cpu-py312"]
    assert [*after.targets.values()] == [*before.targets.values()]
    assert run("lock", "--check") == Exit.DONE


@pytest.mark.parametrize(
    ("arguments", "wanted", "moves"),
    [
        (["--update", "Six"], ("numpy==2.3", "six==2.0"), False),
        (["--update", "demo"], ("numpy==3.0", "six==2.0"), True),
        (["--update", "python:3.11-slim"], ("numpy==2.3", "six==1.17"), True),
        (["--upgrade"], ("numpy==3.0", "six==2.0"), True),
        (["--upgrade", "--packages-only"], ("numpy==3.0", "six==2.0"), False),
        (["--upgrade", "--bases-only"], ("numpy==2.3", "six==1.17"), True),
    ],
)
def test_only_what_is_asked_for_is_updated(
    project: Path, arguments: list[str], wanted: tuple[str, ...], moves: bool, world: World
) -> None:
    run("lock")
    world.uv.index = {"numpy": "3.0", "six": "2.0"}
    world.registry.manifests["mirror/python:3.11-slim"] = (KIND, manifest("new"))
    assert run("lock", *arguments) == Exit.DONE
    found = written(project)
    assert found.targets[ONE].packages == wanted
    assert (found.bases["python:3.11-slim"] == digest(manifest("new"))) is moves


def test_a_name_that_is_not_locked_cannot_be_updated(project: Path, capsys: Captured) -> None:
    run("lock")
    assert run("lock", "--update", "nosuch") == Exit.NOTHING_SELECTED
    assert "`--update nosuch`: no package, base image" in capsys.readouterr().err


def test_a_base_that_cannot_be_resolved_is_named_and_nothing_is_written(
    project: Path, registry: RegistryServer, capsys: Captured
) -> None:
    del registry.manifests["mirror/python:3.12-slim"]
    assert run("lock") == Exit.TOOL
    said = capsys.readouterr().err
    assert f"`python:3.12-slim`, replaced with `{registry.host}/mirror/python:3.12-slim`" in said
    assert "was not found" in said
    assert not (project / "images.lock").exists()


def test_what_uv_says_is_shown_with_the_targets(project: Path, uv: Uv, capsys: Captured) -> None:
    uv.said = "Because numpy has no wheels, https://me:hunter2@h/simple"
    assert run("lock") == Exit.TOOL
    said = capsys.readouterr().err
    assert "2 of 2 could not be locked" in said
    assert f"{ONE}: uv found no packages that fit Python 3.11 on x86_64-manylinux_2_28" in said
    assert "Because numpy has no wheels" in said
    assert "`source-builds`" in said
    assert "hunter2" not in said


FETCH = "error: Failed to fetch: http://h/simple/numpy/\n  cause: "


@pytest.mark.parametrize(
    ("cause", "message", "hint"),
    [
        (
            f"{FETCH}error sending request for url (http://h/x.whl?sig=S3CRET)",
            "uv could not read from a package index",
            "HTTPS_PROXY",
        ),
        (
            f"{FETCH}error sending request for url (http://u:S3CRET@h/?token=S3CRET)",
            "uv could not read from a package index",
            "HTTPS_PROXY",
        ),
        (
            f"{FETCH}error sending request\n  cause: invalid peer certificate: UnknownIssuer",
            "uv could not read from a package index",
            "`--ca-bundle`",
        ),
        (
            'error: Unsupported `Content-Type` "application/json" for `http://h/simple/numpy/`.',
            "uv could not read from a package index",
            "`indexes`",
        ),
        (
            "could not be queried due to a lack of valid authentication credentials (401 …)",
            "a package index refuses the login to it",
            "`--pip-config`",
        ),
        (
            "hint: An index (http://h/simple) returned a 403 Forbidden error.",
            "a package index refuses the login to it",
            "`--pip-config`",
        ),
    ],
)
@pytest.mark.usefixtures("project")
def test_the_cause_that_uv_names_is_kept(
    uv: Uv, capsys: Captured, cause: str, message: str, hint: str
) -> None:
    uv.said = cause
    assert run("lock") == Exit.TOOL
    said = capsys.readouterr().err
    assert f"{ONE}: {message}" in said
    assert hint in said.splitlines()[-1]
    assert "S3CRET" not in said
    assert "found no packages" not in said


def test_check_lists_what_lock_would_change(project: Path, uv: Uv, capsys: Captured) -> None:
    assert run("lock", "--check") == Exit.TEMPLATE
    assert f"{ONE}: its packages are not locked" in capsys.readouterr().err
    run("lock")
    assert run("lock", "--check") == Exit.DONE
    (project / "images.toml").write_text(
        TOML.replace('"six"', '"six>1"').replace('["3.11", "3.12"]', '["3.11"]')
    )
    before = (project / "images.lock").read_text()
    assert run("lock", "--check") == Exit.TEMPLATE
    assert capsys.readouterr().err.splitlines()[-5:] == [
        "error: images.lock is out of date",
        f"{ONE}: its packages, indexes, Python or platform have changed since it was locked",
        "no target uses the image `python:3.12-slim`",
        f"{TWO}: not a target with packages to lock",
        "hint: `buildkit lock`, then review and commit the change",
    ]
    assert (project / "images.lock").read_text() == before
    assert run("lock") == Exit.DONE
    assert run("lock", "--check") == Exit.DONE
    assert [*written(project).targets] == [ONE]


def test_json_has_the_bases_and_the_changes(project: Path, capsys: Captured) -> None:
    assert run("lock", "--json") == Exit.DONE
    found = json.loads(capsys.readouterr().out)
    assert found["bases"]["python:3.11-slim"] == digest(manifest("3.11"))
    assert len(found["changes"]) == 4


# Builds


def plan(capsys: Captured, *arguments: str) -> dict[str, dict[str, str]]:
    capsys.readouterr()
    assert run("build", ONE, "--bake-plan", *arguments) == Exit.DONE
    (found,) = json.loads(capsys.readouterr().out)["target"].values()
    return {"contexts": found["contexts"], "dockerfile": {"": found["dockerfile-inline"]}}


def test_a_build_takes_its_base_and_packages_from_the_lock(
    project: Path, registry: RegistryServer, capsys: Captured
) -> None:
    run("lock")
    found = plan(capsys)
    assert found["contexts"]["python:3.11-slim"] == (
        f"docker-image://{registry.host}/mirror/python:3.11-slim@{digest(manifest('3.11'))}"
    )
    assert "lock" in found["contexts"]
    assert "from=lock,source=images.lock,target=/run/lock.txt" in found["dockerfile"][""]


def test_the_image_of_cuda_compat_is_pinned_as_bases_are(
    project: Path, registry: RegistryServer, capsys: Captured
) -> None:
    compat, moved = manifest("compat"), manifest("compat-2")
    registry.manifests["mirror/nvidia/cuda:12.9.1-base"] = (KIND, compat)
    rules = [f"{name}={registry.host}/mirror/{name}" for name in ("python:*", "nvidia/*")]
    options = [word for rule in rules for word in ("--substitute", rule)]
    with (project / "images.toml").open("a") as file:
        file.write('devices = ["gpu"]\ncuda-compat = "nvidia/cuda:12.9.1-base"\n')
    assert run("lock", *options) == Exit.DONE
    assert written(project).bases["nvidia/cuda:12.9.1-base"] == digest(compat)
    registry.manifests["mirror/nvidia/cuda:12.9.1-base"] = (KIND, moved)
    capsys.readouterr()
    assert run("build", "--bake-plan", "*-gpu-py311", *options) == Exit.DONE
    (found,) = json.loads(capsys.readouterr().out)["target"].values()
    assert found["contexts"]["nvidia/cuda:12.9.1-base"] == (
        f"docker-image://{registry.host}/mirror/nvidia/cuda:12.9.1-base@{digest(compat)}"
    )
    assert run("outdated", *options, "--json") == Exit.DONE
    moves = [
        each for each in json.loads(capsys.readouterr().out)["outdated"] if "nvidia" in each["name"]
    ]
    assert [(each["now"], each["newest"]) for each in moves] == [(digest(compat), [digest(moved)])]


def test_an_unlocked_build_ignores_the_file(
    project: Path, registry: RegistryServer, capsys: Captured
) -> None:
    without = plan(capsys)
    run("lock")
    assert plan(capsys, "--unlocked") == without
    assert "lock" not in without["contexts"]


def test_a_build_with_a_lock_that_does_not_fit_is_an_error(project: Path, capsys: Captured) -> None:
    assert run("build", ONE, "--bake-plan", "--locked") == Exit.USAGE
    run("lock")
    (project / "images.toml").write_text(TOML.replace('"six"', '"six>1"'))
    assert run("build", ONE, "--bake-plan") == Exit.TEMPLATE
    said = capsys.readouterr().err
    assert f"{ONE}: its packages, indexes, Python or platform have changed" in said
    assert TWO not in said.partition("error: images.lock")[2]
    assert "hint: `buildkit lock`" in said


def test_an_image_that_cannot_be_locked_has_only_its_base_in_the_lock(
    project: Path, capsys: Captured
) -> None:
    """A lock from before the key has its packages: `lock` removes them, `--check` says so."""
    other = TOML.replace("image.demo", "image.other")
    (project / "images.toml").write_text(TOML + other)
    run("lock")
    (project / "images.toml").write_text(TOML + other + "lock = false\n")
    capsys.readouterr()
    assert run("lock", "--check") == Exit.TEMPLATE
    assert "other-1.0-cpu-py311: not a target with packages to lock" in capsys.readouterr().err
    assert run("lock") == Exit.DONE
    assert {*written(project).targets} == {ONE, TWO}
    assert run("lock", "--check") == Exit.DONE
    capsys.readouterr()
    assert run("build", "other-1.0-cpu-py311", "--bake-plan", "--locked") == Exit.DONE
    (found,) = json.loads(capsys.readouterr().out)["target"].values()
    assert "numpy" in found["dockerfile-inline"]
    assert found["contexts"].get("lock") is None
    assert "@sha256:" in found["contexts"]["python:3.11-slim"]


# What uv is asked


def asked(folder: Path, text: str = TOML) -> Request:
    one = target(text.replace('"3.11", "3.12"', '"3.11"'), folder)
    return check.requests([one], TEMPLATES)[one.id]


TEMPLATES = render.templates(Path("/nowhere"))


def test_the_requirements_of_the_runtime_count_where_the_template_installs_them(
    tmp_path: Path,
) -> None:
    programs(tmp_path / "program")
    assert asked(tmp_path).requirements == ("numpy<3", "six")
    scripted = asked(tmp_path, TOML.replace("basic", "sklearn").replace('context = "program"', ""))
    assert scripted.requirements == (
        "numpy<3", "six", 'gunicorn==23.0.0; python_version < "3.10"',
        'gunicorn==27.0.1; python_version >= "3.10"', "werkzeug==3.1.9", "boto3>=1.40,<2",
    )  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        ('"six"', '"six>1"'),
        ("[image.demo]", '[image.demo]\nindexes = ["https://e.example/simple"]'),
        ('"3.11", "3.12"', '"3.12"'),
        ("python:{python}-slim", "python:{python}-alpine"),
        ("[image.demo]", '[image.demo]\nsource-builds = ["six"]'),
        ("[image.demo]", '[image.demo]\nplatform = "linux/arm64"'),
    ],
)
def test_whatever_uv_is_asked_makes_a_lock_stale(tmp_path: Path, change: tuple[str, str]) -> None:
    programs(tmp_path / "program")
    assert asked(tmp_path, TOML.replace(*change)).digest != asked(tmp_path).digest


@pytest.mark.parametrize(
    ("base", "wanted"),
    [
        ("python:3.11-slim-bookworm", "x86_64-manylinux_2_28"),
        ("docker.io/library/python:3.11-alpine", "x86_64-unknown-linux-musl"),
        ("amazonlinux:2", "x86_64-manylinux_2_17"),
        ("amazonlinux:2023", "x86_64-manylinux_2_28"),
    ],
)
def test_wheels_fit_the_system_of_the_base(base: str, wanted: str) -> None:
    assert request.platform(target(MINIMAL.replace("python:{python}-slim", base))) == wanted


@pytest.mark.parametrize(
    "text",
    [
        '[image.own]\ntemplate = "r"\nversions = ["1"]\nbase = "debian"\npackages = ["r-base"]\ncontext = "program"',
        MINIMAL + 'template = "basic"\ncontext = "program"',
    ],
)
def test_images_without_python_packages_need_no_lock(tmp_path: Path, text: str) -> None:
    programs(tmp_path / "program")
    assert check.requests([target(text, tmp_path)], TEMPLATES) == {}


def test_uv_gets_the_network_of_the_build_and_no_settings_of_the_user(
    tmp_path: Path, uv: Uv
) -> None:
    pip = tmp_path / "pip.conf"
    pip.write_text(
        "[global]\nindex-url = https://me:secret@p.example/simple\nno-index = no\n"
        "[install]\nfind-links = /a\n  /b\n"
    )
    network = Network(
        substitutes=(("https://a.example/*", "https://m.example/a/*"),),
        pip_config=pip, ca_bundle=tmp_path / "ca.crt", wheels=tmp_path / "wheels",
    )  # fmt: skip
    wanted = Request(
        requirements=("six",), indexes=("https://a.example/simple",), python="3.11", platform="p"
    )
    resolve.resolve(wanted, network)
    (environment,), (argv,) = uv.environments, uv.runs
    assert environment == {
        "UV_DEFAULT_INDEX": "https://me:secret@p.example/simple",
        "UV_EXTRA_INDEX_URL": "",
        "UV_FIND_LINKS": "/a,/b",
        "UV_INDEX": "https://m.example/a/simple",
        "UV_INDEX_URL": "",
        "UV_INSECURE_HOST": "",
        "SSL_CERT_FILE": str(tmp_path / "ca.crt"),
    }
    assert "secret" not in " ".join(argv)
    assert argv[argv.index("--find-links") + 1] == str(tmp_path / "wheels")
    assert "--no-config" in argv
    assert "--no-index" not in argv


def test_a_missing_uv_is_an_error_that_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError) as caught:
        resolve.program()
    assert caught.value.hint == "`pip install uv`, or add uv to PATH"


def wheel(folder: Path, name: str, version: str, needs: str = "") -> None:
    """A wheel without files of its own."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        archive.writestr(f"{info}/METADATA", metadata + (f"Requires-Dist: {needs}\n" * bool(needs)))
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.mark.process
def test_uv_itself_resolves_keeps_and_updates(tmp_path: Path) -> None:
    """The real uv, with a folder of wheels and no index."""
    for version in ("1.0", "1.1", "2.0"):
        wheel(tmp_path, "below", version)
    wheel(tmp_path, "above", "1.0", needs="below<2")
    pip = tmp_path / "pip.conf"
    pip.write_text("[global]\nno-index = true\n")
    network = Network(pip_config=pip, wheels=tmp_path)
    wanted = Request(
        requirements=("above",), indexes=(), python="3.12", platform="aarch64-manylinux_2_28"
    )
    found = resolve.resolve(wanted, network)
    file = (tmp_path / "below-1.1-py3-none-any.whl").read_bytes()
    assert {*found} == {"above==1.0", "below==1.1"}
    assert found["below==1.1"] == (digest(file),)
    kept = resolve.resolve(wanted, network, keep=("below==1.0",))
    assert {*kept} == {"above==1.0", "below==1.0"}
    updated = resolve.resolve(wanted, network, keep=("below==1.0",), update={"below"})
    assert {*updated} == {"above==1.0", "below==1.1"}
    with pytest.raises(ToolError, match="uv found no packages"):
        resolve.resolve(
            Request(
                requirements=("nosuch",),
                indexes=(),
                python="3.12",
                platform="x86_64-manylinux_2_28",
            ),
            network,
        )


def test_completion_of_update_knows_what_is_locked(project: Path) -> None:
    context, parameter = click.Context(cli.cli), click.Argument(["name"])
    assert complete.locked(context, parameter, "six") == []
    run("lock")
    assert complete.locked(context, parameter, "six") == ["six"]
    assert complete.locked(context, parameter, "python:3.12") == ["python:3.12-slim"]
    (project / "images.lock").write_text("[")
    assert complete.locked(context, parameter, "") == []


def test_completion_does_not_follow_a_link_out_of_the_project(project: Path) -> None:
    context, parameter = click.Context(cli.cli), click.Argument(["name"])
    run("lock")
    elsewhere = project.parent / "elsewhere.lock"
    (project / "images.lock").rename(elsewhere)
    (project / "images.lock").symlink_to(elsewhere)
    assert complete.locked(context, parameter, "six") == []
