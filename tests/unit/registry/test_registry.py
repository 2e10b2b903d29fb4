"""The registry client against a real HTTP server that fails in exact places."""

from __future__ import annotations

import base64
import io
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from buildkit.model.login import Login
from buildkit.publish.upload import Uploader
from buildkit.registry import exchange
from buildkit.registry.client import Blob, Registry
from buildkit.registry.manifests import Manifest
from buildkit.registry.wire import ATTEMPTS, Wire
from buildkit.support.errors import ToolError
from buildkit.system import sockets, stopping
from tests.support import fakes
from tests.support.registry_server import (
    Fault,
    Handler,
    RegistryServer,
    answers,
    digest,
    resets,
    running,
)
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

CONTENT = b"layer" * 300_000
GOOD = fakes.manifest()


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with running(RegistryServer()) as found:
        yield found


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """No pauses; returns those that registries asked for."""
    asked: list[float | None] = []

    def pause(state: object) -> float:
        asked.append(state.outcome.exception().after)  # type: ignore[attr-defined]
        return 0

    monkeypatch.setattr("buildkit.registry.wire._pause", pause)
    return asked


def client(server: RegistryServer, *logins: Login | None) -> Registry:
    left = list(logins or [Login(user="AWS", password="first")])
    return Registry(
        wire=Wire(host=server.host, login=lambda: left.pop(0) if len(left) > 1 else left[0])
    )


@pytest.fixture
def blob() -> Blob:
    return Blob(digest=digest(CONTENT), size=len(CONTENT), open=lambda: io.BytesIO(CONTENT))


def test_a_blob_and_a_manifest_arrive(server: RegistryServer, blob: Blob) -> None:
    sent: list[int] = []
    there = client(server)
    assert not there.has("demo", blob.digest)
    there.upload("demo", blob, sent.append)
    assert there.has("demo", blob.digest)
    assert sent == sorted(sent)
    assert sent[-1] == blob.size
    assert there.manifest("demo", "1") is None
    there.put_manifest("demo", "1", GOOD)
    assert there.manifest("demo", "1") == GOOD
    assert there.manifest("demo", GOOD.digest) == GOOD


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("POST", "uploads", answers(500)), id="500 at the start"),
        pytest.param(Fault("PUT", "uploads", answers(502)), id="502 after it"),
        pytest.param(Fault("PUT", "uploads", resets), id="a reset in the middle"),
        pytest.param(Fault("PUT", "uploads", answers(404)), id="the upload is lost"),
        pytest.param(Fault("PUT", "uploads", answers(429)), id="throttled"),
        pytest.param(Fault("POST", "uploads", answers(500), times=6), id="six times"),
    ],
)
def test_an_upload_heals(
    server: RegistryServer, blob: Blob, fault: Fault, at_once: list[float | None]
) -> None:
    server.faults.append(fault)
    client(server).upload("demo", blob)
    assert server.blobs["demo"][blob.digest] == CONTENT
    assert len(at_once) in (1, 6)


def test_a_pause_that_the_registry_asks_for_is_kept(
    server: RegistryServer, at_once: list[float | None]
) -> None:
    server.faults.append(Fault("GET", "manifests", answers(429, Retry_After="7")))
    client(server).manifest("demo", "1")
    assert at_once == [7.0]


def test_a_registry_that_stays_ill_is_named_with_its_own_words(
    server: RegistryServer, at_once: list[float | None]
) -> None:
    text = '{"errors": [{"code": "TOOMANYREQUESTS", "message": "slow down"}]}'
    server.faults.append(Fault("GET", "manifests", answers(429, text), times=99))
    with pytest.raises(ToolError, match=r"answered 429: TOOMANYREQUESTS, slow down") as caught:
        client(server).manifest("demo", "1")
    assert caught.value.hint
    assert len(at_once) == ATTEMPTS


@pytest.mark.parametrize("status", [401, 403])
def test_a_login_that_ends_in_the_middle_is_renewed(
    server: RegistryServer, blob: Blob, status: int
) -> None:
    server.faults.append(Fault("PUT", "uploads", answers(status, "token expired")))
    first, second = Login(user="AWS", password="first"), Login(user="AWS", password="second")
    client(server, first, second).upload("demo", blob)
    assert server.blobs["demo"][blob.digest] == CONTENT
    assert len(set(server.logins)) == 2


def test_a_blob_is_not_held_open_while_it_is_opened_again(server: RegistryServer) -> None:
    """Where only so many are open at once, each upload would wait for another one."""
    server.faults.append(Fault("PUT", "uploads", answers(401)))
    open_now = most = 0

    @contextmanager
    def opened() -> Iterator[IO[bytes]]:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        yield io.BytesIO(CONTENT)
        open_now -= 1

    client(server).upload("demo", Blob(digest=digest(CONTENT), size=len(CONTENT), open=opened),
                          lambda _: None)  # fmt: skip
    assert (most, open_now) == (1, 0)


def test_what_a_role_may_not_do_is_not_tried_with_another_login(
    server: RegistryServer, blob: Blob
) -> None:
    server.faults.append(Fault("PUT", "uploads", answers(403, "not authorized"), times=99))
    with pytest.raises(ToolError, match="denies access"):
        client(server).upload("demo", blob)
    assert len([each for each in server.requests if each.startswith("PUT")]) == 1


def test_a_login_that_ended_is_renewed_once_for_all(server: RegistryServer) -> None:
    asked: list[int] = []

    def login() -> Login:
        asked.append(1)
        return Login(user="AWS", password=str(len(asked)))

    there = Registry(wire=Wire(host=server.host, login=login))
    there.check()
    server.faults.append(Fault("HEAD", "blobs", answers(401), times=6))
    work = [threading.Thread(target=there.has, args=("demo", digest(b"x"))) for _ in range(6)]
    server.pause = threading.Barrier(6)
    for each in work:
        each.start()
    for each in work:
        each.join()
    assert len(asked) == 2


def test_a_login_of_netrc_is_not_taken(
    server: RegistryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client(server).check()
    nobody = Registry(wire=Wire(host=server.host, login=lambda: None))
    nobody.check()
    ours = base64.b64encode(b"AWS:first").decode()
    assert server.logins == [f"Basic {ours}", ""]


def test_a_login_that_is_refused_twice_is_told(server: RegistryServer) -> None:
    server.faults.append(Fault("GET", "", answers(403, "not authorized: ecr:BatchGetImage"), 9))
    with pytest.raises(ToolError, match="denies access.*ecr:BatchGetImage") as caught:
        client(server).check()
    assert "first" not in caught.value.message


@pytest.mark.parametrize(
    ("login", "said", "hint"),
    [
        (
            None,
            "asks for a login, and docker has none with a user and a password (401)",
            "identity",
        ),
        (Login(user="jane", password="x"), "refuses the login (401)", "`docker login 127.0.0.1:"),
        (Login(user="AWS", password="x"), "refuses the login (401)", "`aws sso login`"),
    ],
)
def test_a_refusal_names_the_command_that_logs_in(
    server: RegistryServer, login: Login | None, said: str, hint: str
) -> None:
    server.faults.append(Fault("GET", "", answers(401, "{no}"), 9))
    with pytest.raises(ToolError) as caught:
        client(server, login).check()
    assert said in caught.value.message
    assert hint in (caught.value.hint or "")
    assert ("aws" in (caught.value.hint or "")) is (login is not None and login.user == "AWS")


def test_a_token_is_got_where_the_registry_wants_one(server: RegistryServer) -> None:
    challenge = f'Bearer realm="http://{server.host}/token",service="s"'
    server.faults += [
        Fault("GET", "manifests", answers(401, WWW_Authenticate=challenge)),
        Fault("GET", "^/token", answers(200, '{"token": "abc"}')),
    ]
    assert client(server).manifest("demo", "1") is None
    assert server.requests[1].startswith("GET /token?service=s&scope=repository%3Ademo%3Apull")
    assert server.logins[-1] == "Bearer abc"


def test_nobody_s_login_is_none(server: RegistryServer) -> None:
    client(server, None).check()
    assert server.logins == [""]


def test_a_manifest_that_is_cut_off_is_read_again(
    server: RegistryServer, at_once: list[float | None]
) -> None:
    client(server).put_manifest("demo", "1", GOOD)
    cut = GOOD.content[:-20].decode()
    kind = {"Content_Type": GOOD.media_type, "Docker_Content_Digest": GOOD.digest}
    server.faults.append(Fault("GET", "manifests", answers(200, cut, **kind)))
    assert client(server).manifest("demo", "1") == GOOD
    assert len(at_once) == 1


def test_a_manifest_that_is_another_one_is_never_taken(
    server: RegistryServer, at_once: list[float | None]
) -> None:
    other = fakes.manifest(layers=[])
    server.manifests[f"demo:{GOOD.digest}"] = (other.media_type, other.content)
    with pytest.raises(
        ToolError, match=f"manifest {other.digest} of demo instead of {GOOD.digest}"
    ):
        client(server).manifest("demo", GOOD.digest)
    assert at_once


def test_all_pages_of_tags(server: RegistryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildkit.registry.client.PAGE", 2)
    for number in range(5):
        client(server).put_manifest("demo", str(number), GOOD)
    assert client(server).tags("demo") == ("0", "1", "2", "3", "4")
    assert client(server).tags("nothing") == ()


def test_an_interrupt_ends_a_request_that_hangs(
    server: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, gate = threading.Event(), threading.Event()
    monkeypatch.setattr(stopping, "_asked", threading.Event())

    def hangs(_handler: Handler) -> None:
        begun.set()
        gate.wait(2 * HANG)

    server.faults.append(Fault("GET", "manifests", hangs))
    there = client(server)
    before = sockets.descriptors()

    def interrupt() -> None:
        begun.wait(HANG)
        stopping.begin()
        own = (server.host.partition(":")[0], int(server.host.partition(":")[2]))
        sockets.shut(sockets.descriptors() - before, spare=lambda peer: peer != own)

    threading.Thread(target=interrupt).start()
    with pytest.raises(stopping.Interrupted):
        there.manifest("demo", "1")
    gate.set()
    with pytest.raises(stopping.Interrupted):
        there.check()


def test_images_share_what_is_sent_once(server: RegistryServer, blob: Blob) -> None:
    uploader = Uploader(registry=client(server))
    work = [
        threading.Thread(target=uploader.upload, args=(f"demo{number}", [blob], "demo"))
        for number in range(6)
    ]
    for each in work:
        each.start()
    for each in work:
        each.join()
    assert server.received == blob.size
    assert all(server.blobs[f"demo{number}"][blob.digest] == CONTENT for number in range(6))


def test_a_sister_of_an_earlier_run_lends_its_blob(server: RegistryServer, blob: Blob) -> None:
    small = Blob(digest=digest(b"small"), size=5, open=lambda: io.BytesIO(b"small"))
    for each in (blob, small):
        client(server).upload("old", each)
    client(server).put_manifest("old", "1", GOOD)
    uploader = Uploader(registry=client(server), sisters=["nothing", "old", "new"])
    server.requests.clear()
    server.received = 0
    uploader.upload("new", [blob, small], "demo")
    assert server.received == small.size  # that is quicker than to search for it
    assert server.blobs["new"][blob.digest] == CONTENT
    assert not any(request.startswith("HEAD /v2/nothing/") for request in server.requests)


def test_a_blob_that_cannot_be_sent_is_not_tried_for_each_image(
    server: RegistryServer, blob: Blob
) -> None:
    server.faults.append(Fault("PUT", "/blobs/uploads/", answers(400, "no such thing"), times=99))
    uploader = Uploader(registry=client(server))
    for name in ("one", "two", "three"):
        with pytest.raises(ToolError, match="no such thing"):
            uploader.upload(name, [blob], "demo")
    assert len([each for each in server.requests if each.startswith("PUT")]) == 1


def test_where_nothing_is_mounted_it_is_sent(server: RegistryServer, blob: Blob) -> None:
    server.mounts = False
    uploader = Uploader(registry=client(server))
    for name in ("one", "two"):
        uploader.upload(name, [blob], "demo")
    assert server.received == 2 * blob.size
    assert not server.uploads  # none is left open


def test_a_registry_that_does_not_answer_is_named(at_once: list[float | None]) -> None:
    nowhere = Registry(wire=Wire(host="127.0.0.1:9", login=lambda: None))
    with pytest.raises(ToolError, match=r"the registry 127.0.0.1:9 does not answer") as caught:
        nowhere.check()
    assert caught.value.hint
    assert at_once


def test_the_type_of_a_manifest_is_kept(server: RegistryServer) -> None:
    odd = Manifest(media_type="application/vnd.oci.image.manifest.v1+json", content=b"{}")
    client(server).put_manifest("demo", "1", odd)
    assert client(server).manifest("demo", "1") == odd


def test_a_digest_is_the_word_of_the_registry(server: RegistryServer) -> None:
    """By a HEAD, which is no pull; None for a tag that is not there."""
    client(server).put_manifest("demo", "1", GOOD)
    server.requests.clear()
    assert client(server).digest("demo", "1") == GOOD.digest
    assert client(server).digest("demo", "2") is None
    assert server.requests == ["HEAD /v2/demo/manifests/1", "HEAD /v2/demo/manifests/2"]


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"Docker_Content_Digest": "sha256:short"},
        {"Docker_Content_Digest": f"sha256:{'0' * 64}", "Content_Type": "text/html"},
        {"Docker_Content_Digest": f"sha256:{'0' * 64}", "Content_Type": "application/json"},
    ],
)
def test_a_registry_that_names_no_digest_is_asked_for_the_manifest(
    server: RegistryServer, named: dict[str, str]
) -> None:
    client(server).put_manifest("demo", "1", GOOD)
    server.faults.append(Fault("HEAD", "/manifests/1", answers(200, **named)))
    assert client(server).digest("demo", "1") == GOOD.digest


def test_the_proxies_of_the_environment_are_read_once_for_each_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "near.example")
    session = exchange.Session()

    def proxy(url: str) -> str | None:
        found = session.merge_environment_settings(
            url, proxies={}, stream=True, verify=None, cert=None
        )
        proxies: dict[str, str] = found["proxies"]
        return proxies.get("https")

    assert proxy("https://far.example/v2/") == "http://proxy.example:3128"
    assert proxy("https://near.example/v2/") is None
    monkeypatch.delenv("https_proxy")
    assert proxy("https://far.example/v2/a/manifests/1") == "http://proxy.example:3128"
    assert proxy("https://other.example/v2/") is None
