"""Broken machines, made for real: each is named by `doctor`, and the fix makes it go away."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import threading
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from buildkit import cli
from buildkit.build import bake
from buildkit.build.bake_output import Step
from buildkit.doctor import observe, question
from buildkit.doctor.facts import Images
from buildkit.ecr import api, places
from buildkit.ecr.places import Place
from buildkit.engine import engine as engines
from buildkit.registry import reach
from buildkit.registry.client import Registry
from buildkit.registry.wire import Wire
from buildkit.support.errors import Exit, ToolError
from tests.support import machines
from tests.support.machines import VERSION, AwsServer, EngineServer, Machine
from tests.support.registry_server import Fault, RegistryServer, answers, digest, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.doctor.conftest import Doctor

pytestmark = pytest.mark.process
AWS = {"aws-credentials"}
"""The warning on a machine without AWS credentials, which needs none."""
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def expect(found: dict[str, Any], name: str, said: str, fix: str) -> None:
    """The finding with this name; what is wrong, and the fix."""
    assert name in found, found
    assert said in found[name]["found"]
    assert fix in found[name]["fix"]
    assert "buildkit doctor" not in found[name]["fix"]


def project(machine: Machine, base: str, registry: str = "", more: str = "") -> Path:
    path = machine.folder / "project" / "images.toml"
    path.write_text(f'[registry]\nhost = "{registry}"\n{more}' if registry else "")
    with path.open("a") as file:
        file.write(
            f'\n[image.demo]\nversions = ["1.0"]\nbase = "{base}"\n'
            'template = "basic"\ncontext = "program"\n'
        )
    folder = path.parent / "program"
    folder.mkdir(exist_ok=True)
    for word in ("train", "serve"):
        (folder / word).write_text("#!/bin/sh\n")
        (folder / word).chmod(0o755)
    return path


def test_a_healthy_machine_has_no_problem(
    machine: Machine, engine: EngineServer, doctor: Doctor
) -> None:
    found = doctor()
    assert doctor.code == Exit.DONE
    assert {name for name, each in found.items() if each["state"] != "ok"} == AWS
    assert "Docker Engine 29.1.2 (API 1.52)" in found["engine"]["found"]
    assert "the default of Docker 29" in found["image-store"]["found"]
    assert "Docker schema 2" in found["image-store"]["found"]
    assert not (machine.home / ".docker").exists()


# the engine


def test_no_engine(machine: Machine, doctor: Doctor) -> None:
    found = doctor()
    assert doctor.code == Exit.TOOL
    expect(
        found, "engine-absent", "No such file", "start the engine: `sudo systemctl start docker`"
    )
    with machines.engine_at(machine.socket, EngineServer()):
        assert doctor.wrong().keys() == AWS


def test_a_socket_that_nobody_listens_on(machine: Machine, doctor: Doctor) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(machine.socket))
    dead.close()
    expect(doctor(), "engine-stopped", "Connection refused", "sudo systemctl start docker")
    machine.socket.unlink()
    with machines.engine_at(machine.socket, EngineServer()):
        assert doctor.wrong().keys() == AWS


def test_a_socket_of_others(machine: Machine, engine: EngineServer, doctor: Doctor) -> None:
    """Root may open every socket, so the system's answer is made here."""

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("buildkit.engine.health._knock", denied)
        found = doctor()
    expect(found, "engine-denied", "may not open", "sudo usermod -aG docker")
    assert doctor.wrong().keys() == AWS


def test_an_engine_that_hangs(machine: Machine, doctor: Doctor) -> None:
    hanging = EngineServer(pause=threading.Event())
    with pytest.MonkeyPatch.context() as patch, machines.engine_at(machine.socket, hanging):
        patch.setattr(observe, "CALL_SECONDS", 0.2)
        expect(doctor(), "engine-silent", "hangs", "sudo systemctl restart docker")
    with machines.engine_at(machine.socket, EngineServer()):
        assert doctor.wrong().keys() == AWS


def test_the_engine_of_another_machine_that_does_not_exist(
    machine: Machine, engine: EngineServer, doctor: Doctor
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", "tcp://builder.invalid:2375")
        expect(doctor(), "engine-host", "builder.invalid", "fix the name in DOCKER_HOST")
        patch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
        expect(doctor(), "engine-stopped", "refused", "fix the port in DOCKER_HOST")
        patch.setenv("DOCKER_HOST", "unix:///nonexistent.sock")
        expect(doctor(), "engine-absent", "DOCKER_HOST names it", "unset DOCKER_HOST")
        patch.setenv("DOCKER_HOST", "docker://x")
        expect(doctor(), "engine-address", "docker://x", "set DOCKER_HOST to `unix:///PATH`")
        patch.setenv("DOCKER_HOST", "ssh://me@build.example")
        expect(doctor(), "engine-ssh", "paramiko", "pip install 'docker[ssh]'")
    assert doctor.wrong().keys() == AWS


def test_tls_without_its_files(machine: Machine, engine: EngineServer, doctor: Doctor) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", "tcp://127.0.0.1:2376")
        patch.setenv("DOCKER_TLS_VERIFY", "1")
        expect(doctor(), "engine-tls", "", "DOCKER_CERT_PATH")
    assert doctor.wrong().keys() == AWS


def test_something_else_listens(machine: Machine, registry: RegistryServer, doctor: Doctor) -> None:
    machine.monkeypatch.setenv("DOCKER_HOST", f"tcp://{registry.host}")
    expect(doctor(), "engine-strange", "GET /version", "something else answers")


def test_podman_and_finch(machine: Machine, engine: EngineServer, doctor: Doctor) -> None:
    for part, name in (("Podman Engine", "Podman"), ("nerdctl", "finch-daemon")):
        engine.version = {**VERSION, "Components": [{"Name": part}], "ApiVersion": "1.41"}
        expect(doctor(), "engine-other", name, "docker context use default")
    engine.version = VERSION
    assert doctor.wrong().keys() == AWS


def test_the_proxy_of_sagemaker_studio(
    machine: Machine, engine: EngineServer, doctor: Doctor
) -> None:
    """It redirects requests without a version (aws/amazon-sagemaker-feedback#161)."""
    engine.version = {**VERSION, "ApiVersion": "1.41", "MinAPIVersion": "1.12"}
    engine.statuses = {"^/version": (301, ""), "^/v1.41/containers": (403, "only 'sagemaker'")}
    expect(doctor(), "engine-studio", "SageMaker Studio", "release from CI")


def test_studio_without_docker(machine: Machine, doctor: Doctor) -> None:
    machine.monkeypatch.setattr(observe, "STUDIO", (machine.home,))
    expect(doctor(), "engine-studio", "Docker access disabled", "EnableDockerAccess=ENABLED")


def test_a_proxy_before_the_engine_that_forbids_calls(
    machine: Machine, engine: EngineServer, doctor: Doctor
) -> None:
    engine.statuses = {"/(networks|volumes)": (403, "Forbidden")}
    expect(doctor(), "engine-restricted", "`networks`, `volumes`", "allow these calls")
    engine.statuses = {"/version": (403, "Forbidden")}
    expect(doctor(), "engine-restricted", "`version`", "allow these calls")
    engine.statuses = {}
    assert doctor.wrong().keys() == AWS


def test_an_engine_that_is_too_old(machine: Machine, engine: EngineServer, doctor: Doctor) -> None:
    engine.version = {
        **VERSION,
        "Version": "19.03.15",
        "ApiVersion": "1.40",
        "MinAPIVersion": "1.12",
    }
    expect(doctor(), "engine-old", "19.03.15 (API 1.40)", "update the engine to Docker 23")
    assert doctor.code == Exit.TOOL
    engine.version = VERSION
    assert doctor.wrong().keys() == AWS


def test_windows_containers(machine: Machine, engine: EngineServer, doctor: Doctor) -> None:
    engine.info["OSType"] = "windows"
    expect(doctor(), "engine-windows", "windows containers", "-SwitchLinuxEngine")


def test_little_memory(machine: Machine, engine: EngineServer, doctor: Doctor) -> None:
    engine.info["MemTotal"] = 10**9
    expect(doctor(), "engine-memory", "1.0 GB", "8 GB")
    assert doctor.code == Exit.TOOL


def test_a_rootless_engine_without_limits(
    machine: Machine, engine: EngineServer, doctor: Doctor
) -> None:
    engine.info |= {"SecurityOptions": ["name=rootless"], "MemoryLimit": False}
    found = doctor()
    expect(found, "engine-limits", "cannot limit the memory", "cgroup v2")
    assert "rootless" in found["engine"]["found"]
    assert doctor.code == Exit.DONE


def test_an_engine_that_slept(machine: Machine, engine: EngineServer, doctor: Doctor) -> None:
    engine.behind = 400
    expect(doctor(), "engine-clock", "behind this machine's", "restart Docker Desktop")
    engine.behind = 0
    assert doctor.wrong().keys() == AWS


# the docker command


def test_no_docker_command(machine: Machine, engine: EngineServer, doctor: Doctor) -> None:
    (machine.bin / "docker").unlink()
    found = doctor()
    expect(found, "docker-missing", "not installed", "install the `docker` command")
    assert not {"engine-absent", "docker-context", "buildx-missing"} & found.keys()
    machine.docker()
    assert doctor.wrong().keys() == AWS


def test_a_docker_command_that_cannot_start(
    machine: Machine, engine: EngineServer, doctor: Doctor
) -> None:
    machine.program("docker", "not a program", 0o755)
    expect(doctor(), "docker-broken", "`docker` cannot start", "reinstall")
    machine.program("docker", "#!/bin/sh\necho broken >&2; exit 3\n")
    expect(doctor(), "docker-broken", "exit code 3: broken", "reinstall")
    machine.docker()
    assert doctor.wrong().keys() == AWS


def test_podman_under_the_name_of_docker(
    machine: Machine, engine: EngineServer, doctor: Doctor
) -> None:
    machine.docker(version="podman version 4.3.1")
    expect(doctor(), "docker-other", "is Podman 4.3.1", "put it first on PATH")
    machine.docker()
    assert doctor.wrong().keys() == AWS


def test_a_command_that_is_too_old_for_docker_29(
    machine: Machine, engine: EngineServer, doctor: Doctor
) -> None:
    machine.docker(version="Docker version 20.10.24+dfsg1, build 297e128")
    expect(
        doctor(),
        "docker-old",
        "speaks API 1.41, and the engine accepts 1.44",
        "update the `docker`",
    )
    machine.docker()
    assert doctor.wrong().keys() == AWS


def test_a_fixed_version_of_the_api(machine: Machine, engine: EngineServer, doctor: Doctor) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_API_VERSION", "1.41")
        expect(doctor(), "docker-api-version", "1.44 to 1.52", "unset DOCKER_API_VERSION")
        patch.setenv("DOCKER_API_VERSION", "v1.44")
        assert doctor.wrong().keys() == AWS
    assert doctor.wrong().keys() == AWS


def test_no_buildx(machine: Machine, engine: EngineServer, doctor: Doctor) -> None:
    machine.docker(buildx="echo 'docker: unknown command: docker buildx' >&2; exit 1")
    expect(doctor(), "buildx-missing", "unknown command", "install buildx 0.13 or newer")
    machine.docker()
    assert doctor.wrong().keys() == AWS


def test_versions_that_are_no_numbers(
    machine: Machine, engine: EngineServer, doctor: Doctor
) -> None:
    machine.docker(version="Docker version dev", buildx="echo github.com/docker/buildx master abc")
    found = doctor.wrong()
    assert found.keys() == {*AWS, "docker-version", "buildx-version"}
    assert doctor.code == Exit.DONE


def test_an_old_buildx(machine: Machine, engine: EngineServer, doctor: Doctor) -> None:
    machine.docker(buildx="echo github.com/docker/buildx v0.8.2 6224def")
    expect(doctor(), "buildx-old", "0.8.2 is older than 0.13", "update buildx")
    machine.docker()
    assert doctor.wrong().keys() == AWS


def test_a_builder_that_builds_elsewhere(
    machine: Machine, engine: EngineServer, doctor: Doctor
) -> None:
    machine.docker(driver="docker-container")
    expect(doctor(), "buildx-driver", "`docker-container`", "docker buildx rm default")
    machine.docker()
    assert doctor.wrong().keys() == AWS


def test_a_command_that_hangs_is_ended(
    machine: Machine, engine: EngineServer, doctor: Doctor
) -> None:
    machine.docker(buildx=f"echo $$ > {machine.folder}/pid; exec /bin/sleep 600")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(observe, "CALL_SECONDS", 1.0)
        expect(doctor(), "buildx-missing", "did not answer within 1 s", "install buildx")
    with pytest.raises(ProcessLookupError):
        os.kill(int((machine.folder / "pid").read_text()), 0)


def test_no_answer_is_waited_for_longer_than_the_deadline(
    machine: Machine, engine: EngineServer, doctor: Doctor
) -> None:
    machine.docker(buildx="exec /bin/sleep 600")
    found = observe.observe(question.without_file(Images(), machine.folder), 0.5)
    assert found.docker.buildx is None
    assert found.docker.health is not None


def test_a_context_that_is_gone(machine: Machine, engine: EngineServer, doctor: Doctor) -> None:
    machine.docker(context="echo 'context \"gone\": context not found' >&2; exit 1")
    expect(doctor(), "docker-context", 'context "gone"', "docker context use default")
    machine.docker()
    assert doctor.wrong().keys() == AWS


def test_a_broken_configuration(machine: Machine, engine: EngineServer, doctor: Doctor) -> None:
    for broken in ("{", "[]", '{"auths": 5}', '{"auths": ["x"]}', '{"credHelpers": [1]}'):
        machine.config(broken)
        expect(doctor(), "docker-config", "config.json cannot be", "fix the JSON of")
        assert "engine-strange" not in doctor()
    machine.config('{"proxies": []}')  # that docker-py reads, and buildkit does not
    assert doctor.wrong().keys() >= {"docker-config"}
    machine.config("{}")
    assert doctor.wrong().keys() == AWS


def test_a_credential_helper_that_is_not_installed(
    machine: Machine, engine: EngineServer, doctor: Doctor
) -> None:
    machine.config('{"credsStore": "desktop"}')
    expect(doctor(), "credential-helper", "`docker-credential-desktop`", "remove `credsStore`")
    machine.config("{}")
    assert doctor.wrong().keys() == AWS
    machine.config('{"credsStore": "desktop"}')
    machine.program("docker-credential-desktop", "#!/bin/sh\n")
    assert doctor.wrong().keys() == AWS


# images.toml, its bases and registries


@pytest.fixture
def base(registry: RegistryServer) -> str:
    content = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST}).encode()
    registry.manifests["python:3.11"] = (MANIFEST, content)
    registry.manifests[f"python:{digest(content)}"] = (MANIFEST, content)
    return f"{registry.host}/python:3.11"


def test_a_project_whose_registries_answer(
    machine: Machine, engine: EngineServer, registry: RegistryServer, base: str, doctor: Doctor
) -> None:
    project(machine, base, registry.host)
    found = doctor()
    assert {name for name, each in found.items() if each["state"] != "ok"} == AWS
    assert found["images-toml"]["found"] == "images.toml: 1 target"
    assert {"registry", "base", "engine-pull", "clock"} <= found.keys()
    assert {request.partition(" ")[0] for request in registry.requests} <= {"GET", "HEAD"}


def test_a_broken_images_toml(machine: Machine, engine: EngineServer, doctor: Doctor) -> None:
    path = project(machine, "python:3.11")
    good = path.read_text()
    path.write_text(good.replace("versions", "version"))
    expect(doctor(), "images-toml", "images.toml", "edit")
    assert doctor.code == Exit.USAGE
    machine.docker(buildx="exit 1")
    doctor()
    assert doctor.code == Exit.TOOL  # it outranks the file
    machine.docker()
    path.write_text(good)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("buildkit.registry.reach.look", lambda host: None)
        assert "images-toml" not in doctor.wrong()


def test_a_base_that_does_not_exist(
    machine: Machine, engine: EngineServer, registry: RegistryServer, base: str, doctor: Doctor
) -> None:
    path = project(machine, f"{base}-nope", registry.host)
    expect(doctor(), "base-missing", "has no image `python` with `3.11-nope`", "fix `base`")
    assert doctor.code == Exit.USAGE
    engine.images.add(f"{base}-nope")  # one that somebody has built here
    assert doctor.wrong().keys() == AWS
    engine.images.clear()
    path.write_text(path.read_text().replace("-nope", ""))
    assert doctor.wrong().keys() == AWS


def test_a_mirror_is_asked_instead(
    machine: Machine, engine: EngineServer, registry: RegistryServer, base: str, doctor: Doctor
) -> None:
    project(machine, "nowhere.invalid/python:3.11")
    expect(doctor(), "registry-unreachable", "nowhere.invalid", "check the name nowhere.invalid")
    assert doctor.code == Exit.TOOL
    rule = f"nowhere.invalid/*={registry.host}/*"
    assert doctor.wrong("--substitute", rule).keys() == AWS


def test_a_registry_that_wants_a_login(
    machine: Machine, engine: EngineServer, registry: RegistryServer, base: str, doctor: Doctor
) -> None:
    project(machine, base)
    registry.faults.append(Fault("HEAD", "manifests", answers(401), times=9))
    found = doctor()
    expect(found, "registry-login", "asks for a login", f"docker login {registry.host}")
    project(machine, "scratch", registry.host)
    registry.faults.append(Fault("GET", "^/v2/$", answers(401), times=9))
    expect(doctor(), "registry-login", "asks for a login", f"docker login {registry.host}")


def test_a_registry_that_is_down(
    machine: Machine, engine: EngineServer, base: str, registry: RegistryServer, doctor: Doctor
) -> None:
    project(machine, base)
    registry.faults.append(Fault("GET", "^/v2/", answers(503, "later"), times=9))
    expect(doctor(), "registry-unreachable", "answered 503", "check the name")
    registry.faults.clear()
    assert doctor.wrong().keys() == AWS


def test_a_login_page_of_a_network(
    machine: Machine, engine: EngineServer, base: str, registry: RegistryServer, doctor: Doctor
) -> None:
    project(machine, base)
    page = answers(200, "<html>log in</html>", Content_Type="text/html")
    registry.faults.append(Fault("GET", "^/v2/", page, times=9))
    expect(doctor(), "registry-strange", "a web page", "open a browser")


def test_a_proxy_that_refuses(
    machine: Machine, engine: EngineServer, base: str, registry: RegistryServer, doctor: Doctor
) -> None:
    project(machine, "registry.example/python:3.11")
    with running(RegistryServer()) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", f"http://{proxy.host}")  # it answers CONNECT with 501
        found = doctor()
        expect(
            found, "registry-proxy", "refuses the connection", "allow registry.example in the proxy"
        )
        expect(found, "build-proxy", "steps of builds have no proxy", '"httpsProxy"')
        expect(found, "engine-proxy", "has no proxy", "/etc/docker/daemon.json")
        machine.config('{"proxies": {"default": {"httpsProxy": "http://x"}}}')
        engine.info["HttpsProxy"] = "http://x"
        assert not {"build-proxy", "engine-proxy"} & doctor().keys()
        patch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        expect(doctor(), "registry-proxy", "does not answer", "check HTTPS_PROXY")
    project(machine, base)
    assert doctor.wrong().keys() == AWS


def test_variables_of_proxies(
    machine: Machine, engine: EngineServer, base: str, doctor: Doctor
) -> None:
    project(machine, base)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", "http://pro xy:port")
        expect(doctor(), "proxy-address", "HTTPS_PROXY", "set HTTPS_PROXY to `http://HOST:PORT`")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
        expect(doctor(), "proxy-loopback", "NO_PROXY", "set NO_PROXY to `localhost,127.0.0.1`")
        patch.setenv("NO_PROXY", "localhost,127.0.0.1")
        assert doctor.wrong().keys() == AWS


def test_a_bundle_of_certificates_that_is_none(
    machine: Machine, engine: EngineServer, doctor: Doctor
) -> None:
    bundle = machine.folder / "ca.pem"
    machine.monkeypatch.setenv("PIP_CERT", str(bundle))
    expect(doctor(), "variable-file", "PIP_CERT names", "set PIP_CERT to the file")
    bundle.write_text("no certificate")
    expect(doctor(), "variable-file", "has no certificate in PEM", "or unset it")
    bundle.write_text("-----BEGIN CERTIFICATE-----\n")
    assert doctor.wrong().keys() == AWS


@pytest.fixture
def https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """A registry with a certificate of its own, and the file with that certificate."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    certificate, private = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_bytes(made.public_bytes(pem))
    private.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    monkeypatch.setattr("buildkit.model.names.is_loopback", lambda _host: False)
    with running(RegistryServer(), context) as found:
        found.manifests["python:3.11"] = (MANIFEST, b'{"schemaVersion": 2}')
        yield found.host.replace("127.0.0.1", "localhost"), certificate


def test_a_certificate_that_is_not_trusted(
    machine: Machine, engine: EngineServer, https: tuple[str, Path], doctor: Doctor
) -> None:
    host, certificate = https
    project(machine, f"{host}/python:3.11")
    found = doctor()
    expect(found, "registry-certificate", "is not trusted", "set REQUESTS_CA_BUNDLE")
    assert not {"base-refused", "registry-login"} & found.keys()
    machine.monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert doctor.wrong().keys() == AWS


@pytest.mark.parametrize(
    "case",
    [
        ("x509: certificate signed by unknown authority", "does not trust", "/ca.crt"),
        ("dial tcp: lookup x on 10.0.0.2:53: no such host", "cannot reach", "`dns`"),
        ("proxyconnect tcp: dial tcp: refused", "from its proxy", "`proxies`"),
        ("http: server gave HTTP response to HTTPS client", "HTTPS, but", "insecure-registries"),
        ("toomanyrequests: pull rate limit", "used up", "docker login"),
        ("unauthorized: authentication required", "no login", "docker login"),
    ],
)
def test_an_engine_that_does_not_reach_the_registry_of_a_base(
    machine: Machine, engine: EngineServer, base: str, doctor: Doctor, case: tuple[str, str, str]
) -> None:
    said, what, fix = case
    project(machine, base)
    engine.statuses = {"/distribution/": (500, said)}
    expect(doctor(), "engine-pull", what, fix)
    assert doctor.code == Exit.TOOL
    engine.statuses = {}
    assert doctor.wrong().keys() == AWS


def test_bases_in_the_engine_are_one_question(
    machine: Machine, engine: EngineServer, doctor: Doctor
) -> None:
    project(machine, "docker.io/library/held:1")
    engine.images = {"held:1"}
    assert "is in the engine" in doctor()["base"]["found"]
    assert [each for each in engine.asked if "/images/" in each] == ["/v1.52/images/json"]


def test_of_many_bases_those_without_a_turn_are_one_number(machine: Machine) -> None:
    logins: list[str] = []

    def log_in(host: str) -> dict[str, Any]:
        logins.append(host)
        return {}

    machine.monkeypatch.setattr(observe, "_logins", log_in)
    machine.monkeypatch.setattr(reach, "look", lambda _host: None)
    machine.monkeypatch.setattr(reach, "find", lambda *_: threading.Event().wait(2))
    many = tuple(f"r.invalid/a:{number}" for number in range(40))
    asked = question.Question(images=Images(), bases=many)
    found = observe.observe(asked, seconds=0.5).network
    assert logins == ["r.invalid"]
    assert len(found.unasked) == 40 - observe.AT_ONCE
    assert len(found.bases) == observe.AT_ONCE


def test_a_file_that_never_answers_does_not_stop_the_others(machine: Machine) -> None:
    path = machine.folder / "pipe"
    os.mkfifo(path)
    machine.monkeypatch.setenv("SSL_CERT_FILE", str(path))
    found = observe.observe(question.without_file(Images(), machine.folder), 0.5)
    assert found.network.files == (("SSL_CERT_FILE", str(path), "did not answer in time"),)


def test_the_folder_of_the_records_is_checked(
    machine: Machine, engine: EngineServer, base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = project(machine, base)
    for options, folder in (((), path.parent / "dist"), (("--dist", "/else"), Path("/else"))):
        assert cli.run(["doctor", *options]) == Exit.DONE
        assert f"for the records of targets in {folder}\n" in capsys.readouterr().out


def test_a_platform_that_the_engine_cannot_run(
    machine: Machine, engine: EngineServer, base: str, doctor: Doctor
) -> None:
    project(machine, base)
    machine.docker(platforms="linux/arm64, linux/arm/v7")
    expect(doctor(), "engine-platform", "cannot run linux/amd64", "--install amd64")
    machine.docker()
    assert doctor.wrong().keys() == AWS


# AWS


@pytest.fixture
def ours(machine: Machine, registry: RegistryServer, aws: AwsServer, engine: EngineServer) -> Path:
    """A project that publishes to a stand-in for ECR."""
    aws.repositories.add("demo")
    return project(machine, "scratch", registry.host)


def test_a_project_whose_permissions_suffice(
    ours: Path, aws: AwsServer, registry: RegistryServer, doctor: Doctor
) -> None:
    found = doctor()
    assert {name for name, each in found.items() if each["state"] != "ok"} == set(), found
    assert machines.ARN in found["aws"]["found"]
    assert {"SimulatePrincipalPolicy", "GetRole"} <= {*aws.asked}
    assert "CreateRepository" not in aws.asked


def test_actions_that_are_not_allowed_are_a_policy_to_paste(
    ours: Path, aws: AwsServer, doctor: Doctor
) -> None:
    aws.denied = {"ecr:PutImage", "ecr:InitiateLayerUpload", "ecr:CreateRepository"}
    found = doctor()
    assert doctor.code == Exit.TOOL
    expect(found, "aws-permissions", "`ecr:InitiateLayerUpload`, `ecr:PutImage`", "role `builder`")
    policy = json.loads(found["aws-permissions"]["details"])
    (statement,) = policy["Statement"]
    assert statement["Action"] == ["ecr:InitiateLayerUpload", "ecr:PutImage"]  # it exists already
    assert statement["Resource"].endswith(":123456789012:repository/demo")
    aws.denied -= {*statement["Action"]}  # paste it
    assert doctor.wrong() == {}
    aws.repositories.clear()
    found = doctor()
    assert json.loads(found["aws-permissions"]["details"])["Statement"][0]["Action"] == [
        "ecr:CreateRepository"
    ]


def test_without_the_simulation_only_what_reads_is_tried(
    ours: Path, aws: AwsServer, doctor: Doctor
) -> None:
    aws.denied = {"iam:SimulatePrincipalPolicy", "iam:GetRole", "ecr:ListImages"}
    found = doctor()
    expect(found, "aws-permissions", "does not allow `ecr:ListImages`", "attach this policy")
    expect(found, "aws-unchecked", "without writing", "`iam:SimulatePrincipalPolicy`")
    unchecked = json.loads(found["aws-unchecked"]["details"])["Statement"][0]["Action"]
    assert unchecked == [
        "ecr:InitiateLayerUpload",
        "ecr:UploadLayerPart",
        "ecr:CompleteLayerUpload",
        "ecr:PutImage",
    ]
    assert not {each.partition(":")[2] for each in unchecked} & {*aws.asked}
    aws.denied = {"iam:SimulatePrincipalPolicy", "iam:GetRole"}
    assert doctor.wrong().keys() == {"aws-unchecked"}
    assert doctor.code == Exit.DONE


def test_what_only_the_simulation_denies_is_not_missing(
    ours: Path, aws: AwsServer, doctor: Doctor
) -> None:
    aws.unsure = {
        "ecr:GetAuthorizationToken": "",
        "ecr:BatchGetImage": "",
        "ecr:ListImages": "aws:SourceVpc",
        "ecr:PutImage": "aws:RequestedRegion",
    }
    found = doctor()
    assert "aws-permissions" not in found
    assert doctor.code == Exit.DONE
    expect(found, "aws-unchecked", "1 action ", "compare the policies of the role `builder`")
    (statement,) = json.loads(found["aws-unchecked"]["details"])["Statement"]
    assert statement["Action"] == ["ecr:PutImage"]


def test_without_a_registry_of_ecr_the_region_is_that_of_the_environment_or_the_profile(
    machine: Machine, aws: AwsServer
) -> None:
    nowhere = Place(host="ECR")
    assert api.quick(nowhere, "sts").meta.region_name == "eu-west-1"
    machine.monkeypatch.delenv("AWS_REGION")
    assert api.quick(nowhere, "sts").meta.region_name == "us-east-1"
    (machine.home / ".aws").mkdir()
    (machine.home / ".aws" / "config").write_text("[default]\nregion = cn-north-1\n")
    assert api.quick(nowhere, "sts").meta.region_name == "cn-north-1"
    assert api.quick(replace(nowhere, region="eu-north-1"), "sts").meta.region_name == "eu-north-1"


def test_a_key_that_is_disabled(
    machine: Machine, registry: RegistryServer, aws: AwsServer, engine: EngineServer, doctor: Doctor
) -> None:
    more = '[registry.repositories]\nencryption = "KMS"\nkms-key = "alias/images"\n'
    project(machine, "scratch", registry.host, more)
    aws.key_state = "Disabled"
    expect(doctor(), "aws-key", "`alias/images` is Disabled", "enable the key")
    aws.key_state, aws.denied = "Enabled", {"kms:CreateGrant"}
    found = doctor()  # the policy of the key may allow it
    expect(found, "aws-unchecked", "kms:CreateGrant", "of the KMS key")
    assert "aws-permissions" not in found
    (statement,) = json.loads(found["aws-unchecked"]["details"])["Statement"]
    assert statement["Resource"] == "arn:aws:kms:eu-west-1:123456789012:key/k"
    aws.denied = set()
    assert doctor.wrong() == {}


def test_a_profile_that_does_not_exist(ours: Path, machine: Machine, doctor: Doctor) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_PROFILE", "nosuch")
        patch.delenv("AWS_ACCESS_KEY_ID")
        expect(doctor(), "aws-profile", "nosuch", "aws configure list-profiles")
        assert doctor.code == Exit.TOOL
    assert doctor.wrong() == {}


def test_no_credentials(ours: Path, machine: Machine, doctor: Doctor) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        expect(doctor(), "aws-credentials", "no AWS credentials found", "aws sso login")
        assert doctor.code == Exit.TOOL
        ours.unlink()
        expect(doctor(), "aws-credentials", "only registries of ECR need AWS", "aws sso login")
        assert doctor.code == Exit.DONE


@pytest.mark.parametrize(
    "case",
    [
        ("ExpiredToken", "The security token is expired", "aws-expired", "aws sso login"),
        ("InvalidClientTokenId", "The token is invalid", "aws-unknown", "check the keys"),
        ("SignatureDoesNotMatch", "The signature we calculated", "aws-unknown", "check the keys"),
        (
            "SignatureDoesNotMatch",
            "Signature expired: 20261201T000000Z is now earlier than",
            "aws-clock",
            "timedatectl set-ntp true",
        ),
        ("RequestTimeTooSkewed", "too large", "aws-clock", "timedatectl set-ntp true"),
    ],
)
def test_credentials_that_aws_refuses(
    ours: Path, aws: AwsServer, doctor: Doctor, case: tuple[str, str, str, str]
) -> None:
    code, text, name, fix = case
    aws.refusal = (code, text)
    expect(doctor(), name, text, fix)
    assert doctor.code == Exit.TOOL
    aws.refusal = None
    assert doctor.wrong() == {}


def test_an_aws_that_does_not_answer(ours: Path, machine: Machine, doctor: Doctor) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        expect(doctor(), "aws-network", "Could not connect", "check the network, HTTPS_PROXY")
    assert doctor.wrong() == {}


def test_a_clock_that_is_wrong(ours: Path, aws: AwsServer, doctor: Doctor) -> None:
    aws.behind = -3600
    with pytest.MonkeyPatch.context() as patch:
        clock = SimpleNamespace(ahead=lambda _date: 3600.0)
        patch.setattr("buildkit.registry.reach.clocks", clock)
        expect(doctor(), "clock", "3600 s behind that of 2 servers", "timedatectl set-ntp true")
    assert doctor.code == Exit.TOOL
    aws.behind = 0
    assert doctor.wrong() == {}


def test_layers_that_are_not_shared(
    machine: Machine, ours: Path, aws: AwsServer, doctor: Doctor
) -> None:
    ours.write_text(
        ours.read_text()
        + ours.read_text().partition("[image.demo]")[2].join(("\n[image.other]", ""))
    )
    aws.repositories.add("other")
    aws.mounting = "DISABLED"
    expect(doctor(), "ecr-mounting", "uploaded to each", "--name BLOB_MOUNTING --value ENABLED")
    aws.mounting = "ENABLED"
    assert doctor.wrong() == {}


# what other commands say


def test_other_commands_point_to_doctor(machine: Machine, aws: AwsServer) -> None:
    machine.monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    machine.monkeypatch.setattr("buildkit.registry.wire._pause", lambda _state: 0)
    aws.denied = {"ecr:GetAuthorizationToken"}
    place = places.Place(host="r.example", api=places.Api.ECR, region="eu-west-1")
    wire = Wire(host="127.0.0.1:1", login=lambda: None)
    for work, said in (
        (engines.connect().__enter__, "`buildkit doctor` finds the cause"),
        (lambda: api.login(place), "`buildkit doctor` prints all missing actions as a policy"),
        (Registry(wire=wire).check, "with `buildkit doctor`, then rerun the command"),
    ):
        with pytest.raises(ToolError) as caught:
            work()
        assert said in (caught.value.hint or "")
    wire.close()


@pytest.mark.parametrize(
    "said",
    [
        "Cannot connect to the Docker daemon at unix:///x",
        "unknown command: docker buildx",
        "failed to resolve source metadata for docker.io/library/x: not found",
    ],
)
def test_a_build_that_fails_for_the_machine_points_to_doctor(said: str) -> None:
    error = bake.explained(Step(target="x", error=said), said)
    assert "buildkit doctor" in (error.hint or "")


def test_at_least_25_machines_are_broken_for_real() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert len({*re.findall(r'expect\([a-z()]+, "([a-z-]+)"', text)}) >= 25
