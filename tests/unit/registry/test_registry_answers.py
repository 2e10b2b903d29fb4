"""Whatever a registry answers: what cannot be used is an error that names it, and takes no memory."""

from __future__ import annotations

import gzip
import io
import json
import threading
import time
import tracemalloc
from contextlib import suppress
from copy import deepcopy
from typing import IO, TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildkit.diff import compare, differences
from buildkit.model.login import Login
from buildkit.registry import answers as reading
from buildkit.registry import referrers
from buildkit.registry.client import Blob, Registry
from buildkit.registry.manifests import DOCKER_MANIFEST, Manifest, refusals
from buildkit.registry.referrers import Artifact
from buildkit.registry.wire import Wire
from buildkit.support.errors import ToolError
from tests.support import fakes
from tests.support.distribution import Distribution, layer
from tests.support.registry_server import Fault, Reply, answers, digest, running
from tests.support.thorough import THOROUGH
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.registry_server import Handler

CONTENT = b"layer" * 1000
BLOB = Blob(digest=digest(CONTENT), size=len(CONTENT), open=lambda: io.BytesIO(CONTENT))
MEBIBYTE = 1 << 20
DEEP = "[" * 100_000
SUBJECT = referrers.descriptor(DOCKER_MANIFEST, fakes.DIGEST, 3)
NOTE = Artifact(kind="application/vnd.test", content=b"{}", created="2026-11-30T00:00:00Z")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildkit.registry.wire._pause", lambda _state: 0)


@pytest.fixture
def server() -> Iterator[Distribution]:
    with running(Distribution()) as found:
        yield found


def client(server: Distribution) -> Registry:
    login = Login(user="AWS", password="secret")
    return Registry(wire=Wire(host=server.host, login=lambda: login))


def says(content: bytes, status: int = 200, **headers: str) -> Callable[[Handler], Reply]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _handler: (status, named, content)


def endless(handler: Handler) -> None:
    """A body that goes on until nobody listens."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    try:
        while True:
            handler.wfile.write(b" " * MEBIBYTE)
            handler.server.sent = getattr(handler.server, "sent", 0) + 1  # type: ignore[attr-defined]
    except OSError:
        handler.close_connection = True
        handler.connection.detach()


@pytest.mark.parametrize(
    ("path", "content", "ask", "wrong"),
    [
        ("tags", b'{"tags": {}}', "tags", r"tags: \{\} is not a list"),
        ("tags", b'{"tags": [1]}', "tags", r"tags\[0\]: 1 is not text"),
        ("tags", b'{"tags": ["../../x"]}', "tags", "is not a tag"),
        ("tags", b"[]", "tags", r"\[\] is not an object"),
        ("tags", b'{"tags": ["a"', "tags", "not JSON"),
        ("tags", b'{"tags": ["\\ud800"]}', "tags", "unpaired surrogate"),
        ("tags", b'\xff{"tags": []}', "tags", "not JSON"),
        ("tags", DEEP.encode(), "tags", "deeper than 64"),
        ("tags", (DEEP[:70] + DEEP[:70].replace("[", "]")).encode(), "tags", "deeper than 64"),
        ("manifests", b"[]", "manifest", r"\[\] is not an object"),
        ("manifests", DEEP.encode(), "manifest", "deeper than 64"),
        ("manifests", b'{"layers": [7]}', "manifest", r"layers\[0\]: 7 is not an object"),
        ("manifests", b'{"layers": {}}', "manifest", "layers"),
        ("manifests", b'{"config": "sha256:x"}', "manifest", "config"),
        ("manifests", b'{"config": {"digest": "sha256:../x", "size": 1}}', "manifest", "digest"),
        (
            "manifests",
            f'{{"config": {{"digest": "{fakes.DIGEST}", "size": -1}}}}'.encode(),
            "manifest",
            "not a whole number from 0",
        ),
        (
            "manifests",
            f'{{"config": {{"digest": "{fakes.DIGEST}", "size": {"9" * 5000}}}}}'.encode(),
            "manifest",
            "config.size: inf is not a whole number",
        ),
        (
            "manifests",
            f'{{"config": {{"digest": "{fakes.DIGEST}", "size": 1e3}}}}'.encode(),
            "manifest",
            "not a whole number",
        ),
        ("manifests", b'{"manifests": [{"digest": 1, "size": 1}]}', "manifest", "not text"),
    ],
)
def test_another_shape_is_an_error_that_names_registry_question_and_answer(
    server: Distribution, path: str, content: bytes, ask: str, wrong: str
) -> None:
    server.faults.append(Fault("GET", path, says(content), times=99))
    there = client(server)
    with pytest.raises(ToolError, match=wrong) as caught:
        there.tags("demo") if ask == "tags" else there.manifest("demo", "1")
    asked = "GET /v2/demo/tags/list" if ask == "tags" else "GET /v2/demo/manifests/1"
    assert (
        f"the registry {server.host} returned an invalid response to `{asked}`"
        in caught.value.message
    )
    assert caught.value.hint
    assert len(caught.value.message) < 500


@pytest.mark.parametrize(
    ("content", "kind", "wrong"),
    [
        (b"{}", "application/json", "`application/json`, which is no manifest"),
        (b'{"errors": []}', "application/json", "`application/json`, which is no manifest"),
        (b"<html>log in</html>", "text/html", "a web page: <html>log in</html>"),
        (b"<html>log in</html>", DOCKER_MANIFEST, "a web page: <html>log in</html>"),
        ("café".encode("latin-1"), "text/html; charset=latin-1", "a web page"),
    ],
)
def test_a_digest_of_something_else_than_a_manifest_does_not_count(
    server: Distribution, content: bytes, kind: str, wrong: str
) -> None:
    """With a well-formed digest: whether that of the content, or another one."""
    for named in (digest(content), fakes.DIGEST):
        says_so = says(content, Content_Type=kind, Docker_Content_Digest=named)
        if kind == DOCKER_MANIFEST:  # a HEAD cannot know better
            server.faults.append(Fault("HEAD", "manifests", says(b"", Content_Type="text/html")))
        else:
            server.faults.append(Fault("HEAD", "manifests", says_so, times=99))
        server.faults.append(Fault("GET", "manifests", says_so, times=99))
        with pytest.raises(ToolError) as caught:
            client(server).digest("demo", "1")
        if named == digest(content):
            assert wrong in caught.value.message
        assert "proxy" in (caught.value.hint or "")


def test_a_manifest_of_an_unusual_type_is_one(server: Distribution) -> None:
    made = server.image("demo", "1", layers=[CONTENT])
    server.faults.append(
        Fault("GET", "manifests", says(made.content, Content_Type="application/json"))
    )
    server.faults.append(Fault("HEAD", "manifests", says(b"", Content_Type="application/json")))
    assert client(server).digest("demo", "1") == made.digest


@pytest.mark.parametrize("kind", ["text/html", "application/json", ""])
def test_a_page_at_the_root_is_no_registry(server: Distribution, kind: str) -> None:
    page = says(b" <!doctype html><title>log in</title>", Content_Type=kind)
    server.faults.append(Fault("GET", "/v2/", page))
    with pytest.raises(ToolError, match="`GET /v2/`: a web page") as caught:
        client(server).check()
    assert "that no proxy answers for it" in (caught.value.hint or "")


def test_an_answer_in_json_is_a_registry_s_whatever_its_type(server: Distribution) -> None:
    """Quay answers `true`, as text/html."""
    server.faults.append(Fault("GET", "/v2/", says(b"true", Content_Type="text/html")))
    client(server).check()


def test_a_cut_manifest_has_a_hint(server: Distribution) -> None:
    server.faults.append(Fault("GET", "manifests", says(b'{"layers": ['), times=99))
    with pytest.raises(ToolError, match="broken manifest") as caught:
        client(server).manifest("demo", "1")
    assert "proxy" in (caught.value.hint or "")


@pytest.mark.parametrize(("status", "word"), [(407, "HTTPS_PROXY"), (511, "browser")])
def test_a_status_of_the_network_has_its_own_hint(
    server: Distribution, status: int, word: str
) -> None:
    server.faults.append(Fault("GET", "manifests", answers(status), times=99))
    with pytest.raises(ToolError, match=str(status)) as caught:
        client(server).manifest("demo", "1")
    assert word in (caught.value.hint or "")
    assert "uploads" not in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("407 Proxy Authentication Required", "refuses the connection to", "HTTPS_PROXY"),
        ("403 Forbidden", "refuses the connection to", "allow registry.example in the proxy"),
        ("502 Bad Gateway", "refuses the connection to", "HTTPS_PROXY or NO_PROXY"),
        ("", "the proxy on the way to the registry registry.example does not", "HTTPS_PROXY"),
    ],
)
def test_a_proxy_that_refuses_is_named(
    monkeypatch: pytest.MonkeyPatch, line: str, said: str, hint: str
) -> None:
    class Proxy(Distribution):
        def reply(self, *_: object) -> Reply:
            raise NotImplementedError

    with running(Proxy()) as proxy:
        for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(
            "tests.support.registry_server.Handler.do_CONNECT",
            lambda handler: handler.send_error(int(line[:3]), line[4:]),
            raising=False,
        )
        host = proxy.host if line else "127.0.0.1:9"
        monkeypatch.setenv("HTTPS_PROXY", f"http://{host}")
        with pytest.raises(ToolError) as caught:
            Registry(wire=Wire(host="registry.example", login=lambda: None)).manifest("a", "1")
    assert said in caught.value.message
    assert (": " + line if line else "refused") in caught.value.message
    assert "Error" not in caught.value.message
    assert hint in (caught.value.hint or "")


def test_null_is_no_tag(server: Distribution) -> None:
    server.faults.append(Fault("GET", "tags", answers(200, '{"name": "demo", "tags": null}')))
    assert client(server).tags("demo") == ()


@pytest.mark.parametrize(
    "content", [b"[]", b'{"config": []}', b'{"history": [1]}', b'{"config": {"Env": {"a": 1}}}']
)
def test_a_configuration_of_another_shape(server: Distribution, content: bytes) -> None:
    server.blobs["demo"] = {digest(content): content}
    with pytest.raises(
        ToolError, match=f"invalid response to `GET /v2/demo/blobs/{digest(content)}`"
    ):
        client(server).config("demo", digest(content))


@pytest.mark.parametrize(
    ("headers", "wrong"),
    [
        ({}, "unusable `Location`: not an address"),
        ({"Location": "http://[::1"}, "not an address"),
        ({"Location": "ftp://x/y"}, "not an HTTP address"),
    ],
)
def test_an_upload_that_begins_nowhere(
    server: Distribution, headers: dict[str, str], wrong: str
) -> None:
    server.faults.append(Fault("POST", "uploads", answers(202, **headers), times=9))
    with pytest.raises(ToolError, match=wrong) as caught:
        client(server).upload("demo", BLOB)
    assert "invalid response to `POST /v2/demo/blobs/uploads/`" in caught.value.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b'{"errors": [{"code": "DENIED", "message": "no\\nerror: x\\r\\n\\u2028hint: run it"}]}',
            "DENIED, no error: x hint: run it",
        ),
        (b"no\nhint: run it", "no hint: run it"),
        (
            b'{"errors": [{"code": "DENIED", "message": "see https://h.example/x?sig=abc"}]}',
            "DENIED, see https://h.example/x?…",
        ),
        (b'<a href="/x?sig=abc">', '<a href="/x?…">'),
        (b"see https://u:p@h.example/#token=abc now", "see https://…@h.example/#… now"),
        (
            b"x " * 85 + b"see https://user:password" + b"d" * 30 + b"@h.example/",
            "x " * 85 + "see https://…@h.example/",
        ),
    ],
)
def test_words_of_a_registry_are_one_line_without_secrets(
    server: Distribution, content: bytes, said: str
) -> None:
    server.faults.append(Fault("GET", "manifests", says(content, status=418)))
    with pytest.raises(ToolError) as caught:
        client(server).manifest("demo", "1")
    assert caught.value.message == f"the registry {server.host} answered 418: {said}"


def test_a_redirection_to_what_is_no_address(server: Distribution) -> None:
    server.faults.append(Fault("GET", "manifests", answers(307, Location="http://[x")))
    with pytest.raises(ToolError, match="a redirection to `http://"):
        client(server).manifest("demo", "1")


@pytest.mark.parametrize(
    "content", [b"", b"null", b'{"token": 1}', b'{"token": ""}', b'{"token": "a\\nX: y"}', b"{}"]
)
def test_a_token_that_is_none(server: Distribution, content: bytes) -> None:
    asks = answers(401, WWW_Authenticate=f'Bearer realm="http://{server.host}/token"')
    server.faults += [
        Fault("GET", "manifests", asks, times=9),
        Fault("GET", "^/token", says(content), times=9),
    ]
    with pytest.raises(ToolError, match="invalid response to `GET /token`"):
        client(server).manifest("demo", "1")


@pytest.mark.parametrize("first", ["[]", "null", '["a"]', '["a", "z"]'])
def test_all_pages_of_tags_are_read_also_after_one_without_new_tags(
    server: Distribution, first: str
) -> None:
    second = '</v2/demo/tags/list?n=1000&last=a>; rel="next"'
    third = '</v2/demo/tags/list?n=1000&last=b>; rel="next"'
    server.faults += [
        Fault("GET", "tags", answers(200, f'{{"tags": {first}}}', Link=second)),
        Fault("GET", "tags", answers(200, f'{{"tags": {first}}}', Link=third)),
        Fault("GET", "tags", answers(200, '{"tags": ["z"]}')),
    ]
    assert client(server).tags("demo") == tuple(sorted({*(json.loads(first) or ()), "z"}))


@pytest.mark.parametrize("last", ["[]", '["a"]', '["b"]'])
def test_a_page_of_tags_that_leads_to_itself_is_the_last(server: Distribution, last: str) -> None:
    second = '</v2/demo/tags/list?n=1000&last=a>; rel="next"'
    server.faults += [
        Fault("GET", "tags", answers(200, '{"tags": ["a"]}', Link=second)),
        Fault("GET", "tags", answers(200, f'{{"tags": {last}}}', Link=second), times=99),
    ]
    assert client(server).tags("demo") == tuple(sorted({"a", *json.loads(last)}))
    assert len(server.requests) == 2


def test_a_page_of_tags_that_leads_to_an_earlier_one_is_an_error(server: Distribution) -> None:
    to_second = '</v2/demo/tags/list?n=1000&last=a>; rel="next"'
    back = '</v2/demo/tags/list?n=1000>; rel="next"'
    server.faults += [
        Fault("GET", "tags", answers(200, '{"tags": ["a"]}', Link=to_second)),
        Fault("GET", "tags", answers(200, '{"tags": ["b"]}', Link=back), times=99),
    ]
    with pytest.raises(ToolError, match="a next page that was read already"):
        client(server).tags("demo")
    assert len(server.requests) == 2


def test_a_page_of_tags_that_is_gone_is_no_end_of_the_list(server: Distribution) -> None:
    more = '</v2/demo/tags/list?n=1000&last=a>; rel="next"'
    server.faults += [
        Fault("GET", "tags", answers(200, '{"tags": ["a"]}', Link=more)),
        Fault("GET", "tags", answers(404)),
    ]
    with pytest.raises(ToolError, match="answered 404"):
        client(server).tags("demo")


def test_tags_without_an_end_are_an_error(
    server: Distribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildkit.registry.client.MOST_TAGS", 5)
    numbers = iter(range(99))

    def page(_handler: Handler) -> Reply:
        tag = f"t{next(numbers)}"
        link = f'</v2/demo/tags/list?last={tag}>; rel="next"'
        return 200, {"Link": link}, json.dumps({"tags": [tag]}).encode()

    server.faults.append(Fault("GET", "tags", page, times=99))
    with pytest.raises(ToolError, match="more than 5 tags"):
        client(server).tags("demo")


def test_tags_on_pages_without_an_end_are_an_error(
    server: Distribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildkit.registry.client.PAGE", 1)
    monkeypatch.setattr("buildkit.registry.client.MOST_PAGES", 3)
    for number in range(3):
        client(server).put_manifest("demo", str(number), fakes.manifest())
    assert client(server).tags("demo") == ("0", "1", "2")
    client(server).put_manifest("demo", "3", fakes.manifest())
    with pytest.raises(ToolError, match="more than 3 pages of tags"):
        client(server).tags("demo")


def test_many_small_parts_take_no_memory_here(server: Distribution) -> None:
    """Of 16 MB of empty lists Python makes 400 MB."""
    content = b"[" + b"[]," * 5_000_000 + b"0]"
    server.blobs["demo"] = {digest(content): content}
    tracemalloc.start()
    try:
        with pytest.raises(ToolError, match="more than 1000000 parts"):
            client(server).config("demo", digest(content))
        assert tracemalloc.get_traced_memory()[1] < 5 * reading.CONFIG_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("head", ["Content-Length: 99", "Transfer-Encoding: chunked"])
def test_an_answer_that_comes_byte_by_byte_is_not_waited_for_for_ever(
    server: Distribution, monkeypatch: pytest.MonkeyPatch, head: str
) -> None:
    monkeypatch.setattr("buildkit.registry.exchange.WHOLE_SECONDS", 0)
    given_up = threading.Event()

    def drips(handler: Handler) -> None:
        byte = b" " if "Length" in head else b"1\r\n \r\n"
        handler.wfile.write(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + byte)
        handler.wfile.flush()
        given_up.wait(HANG)
        handler.close_connection = True

    server.faults.append(Fault("GET", "manifests", drips, times=99))
    try:
        with pytest.raises(ToolError, match="the answer took more than 0 s"):
            client(server).manifest("demo", "1")
    finally:
        given_up.set()


@pytest.fixture(scope="module")
def bomb() -> bytes:
    return gzip.compress(b" " * (64 * MEBIBYTE), 1)


@pytest.mark.parametrize("kind", ["manifest", "configuration", "tags", "error", "upload"])
def test_what_is_small_on_the_wire_takes_no_memory_here(
    server: Distribution, bomb: bytes, kind: str
) -> None:
    status = 400 if kind == "error" else 202 if kind == "upload" else 200
    reply = says(bomb, status, Content_Encoding="gzip", Location="/v2/demo/blobs/uploads/u0")
    server.faults.append(Fault("POST" if kind == "upload" else "GET", "", reply, times=99))
    there = client(server)
    asks: dict[str, Callable[[], object]] = {
        "manifest": lambda: there.manifest("demo", "1"),
        "configuration": lambda: there.config("demo", fakes.DIGEST),
        "tags": lambda: there.tags("demo"),
        "error": lambda: there.manifest("demo", "1"),
        "upload": lambda: there.mount("demo", BLOB.digest, "other"),
    }
    tracemalloc.start()
    try:
        if kind == "upload":
            assert asks[kind]() is False
        else:
            with pytest.raises(ToolError, match="answered 400" if kind == "error" else "more than"):
                asks[kind]()
        assert tracemalloc.get_traced_memory()[1] < 3 * reading.CONFIG_BYTES
    finally:
        tracemalloc.stop()


def test_an_answer_without_an_end_is_not_read_to_it(server: Distribution) -> None:
    server.faults.append(Fault("GET", "manifests", endless, times=99))
    with pytest.raises(ToolError, match=f"more than {reading.MANIFEST_BYTES} bytes"):
        client(server).manifest("demo", "1")


def test_a_layer_without_an_end_is_not_read_to_it(server: Distribution) -> None:
    server.faults.append(Fault("GET", "blobs", endless, times=99))
    with pytest.raises(ToolError, match="instead of sha256"):
        client(server).download("demo", BLOB.digest, BLOB.size, lambda c: c.read())


def test_what_breaks_in_the_reader_s_hands_is_not_the_registry_s(server: Distribution) -> None:
    server.faults.append(Fault("GET", "blobs", says(CONTENT), times=99))

    def fill_the_disk(_content: IO[bytes]) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        client(server).download("demo", BLOB.digest, BLOB.size, fill_the_disk)
    assert len(server.requests) == 1  # it is not asked again


@pytest.mark.parametrize(
    "first", [None, 0, 7], ids=["one member", "an empty member", "two members"]
)
@pytest.mark.parametrize("padding", [b"", b"\0" * 700], ids=["no padding", "padding"])
def test_what_came_as_gzip_is_understood(
    server: Distribution, first: int | None, padding: bytes
) -> None:
    good = fakes.manifest()
    content = gzip.compress(good.content)
    if first is not None:
        content = gzip.compress(good.content[:first]) + gzip.compress(good.content[first:])
    packed = says(content + padding, Content_Encoding="gzip", Content_Type=good.media_type)
    server.faults.append(Fault("GET", "manifests", packed))
    assert client(server).manifest("demo", "1") == good


def test_members_of_gzip_are_read_in_chunks_of_any_size() -> None:
    packed = gzip.compress(b"a") + gzip.compress(b"b") + b"\0\0"
    assert reading.content((bytes([byte]) for byte in packed), "gzip", 9) == b"ab"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        pytest.param(b"{}", "br", id="not asked for"),
        pytest.param(b"{}", "gzip", id="not packed"),
        pytest.param(gzip.compress(b"{}", mtime=0)[:-9], "gzip", id="cut off"),
        pytest.param(gzip.compress(b"{}") + gzip.compress(b" ")[:-9], "gzip", id="half a member"),
        pytest.param(gzip.compress(b"{}") + b"\x1f\x8b{}", "gzip", id="a broken member"),
        pytest.param(b"{}", "gzip, gzip", id="twice"),
    ],
)
def test_what_cannot_be_unpacked_is_an_error(
    server: Distribution, content: bytes, encoding: str
) -> None:
    server.faults.append(Fault("GET", "manifests", says(content, Content_Encoding=encoding), 99))
    with pytest.raises(ToolError, match="GET /v2/demo/manifests/1"):
        client(server).manifest("demo", "1")


@pytest.mark.parametrize("after", ["²", "9" * 400, "Mon, 99 Foo 99999 99:99:99 -9999", "-1", "x"])
def test_a_pause_that_cannot_be_read(server: Distribution, after: str) -> None:
    server.faults.append(Fault("GET", "manifests", answers(429, Retry_After=after)))
    assert client(server).manifest("demo", "1") is None


def test_an_upload_that_meets_another_one_of_the_blob_is_made_again(server: Distribution) -> None:
    """Two names may lead to one registry."""
    met = answers(400, '{"errors": [{"code": "DIGEST_INVALID", "message": "not that"}]}')
    server.faults.append(Fault("PUT", "uploads", met))
    client(server).upload("demo", BLOB)
    assert server.blobs["demo"][BLOB.digest] == CONTENT


def test_what_the_other_upload_has_brought_is_not_sent_again(server: Distribution) -> None:
    def met(_handler: Handler) -> Reply:
        server.blobs["demo"] = {BLOB.digest: CONTENT}
        return 400, {}, b'{"errors": [{"code": "DIGEST_INVALID"}]}'

    server.faults.append(Fault("PUT", "uploads", met))
    client(server).upload("demo", BLOB)
    assert [each.partition(" ")[0] for each in server.requests] == ["POST", "PUT", "HEAD"]


def test_content_that_is_another_one_is_sent_three_times_more_and_no_more(
    server: Distribution,
) -> None:
    wrong = Blob(digest=digest(b"x"), size=len(CONTENT), open=lambda: io.BytesIO(CONTENT))
    with pytest.raises(ToolError, match="DIGEST_INVALID"):
        client(server).upload("demo", wrong)
    assert len([each for each in server.requests if each.startswith("PUT")]) == 4


# ---- any answer at all

ODD: list[object] = [
    None, True, 0, -1, 1.5, 1e999, 2**70, "", "x", "é", "\x00", "\x1b[2J", "../../..",
    "sha256:", fakes.DIGEST, [], [[]], {}, {"digest": 1}, [None], [1], [{}], {"a": {"b": []}},
]  # fmt: skip
NAMES = ["Location", "Link", "Content-Type", "Content-Encoding", "WWW-Authenticate", "Retry-After",
         "Docker-Content-Digest", "OCI-Subject", "Content-Range", "Transfer-X"]  # fmt: skip
TEXTS = [
    "", " ", "/", "//", "/v2/", "http://", "http://[", "http://[::1", "https://h:99999/", "\\", "ftp://x/",
    "HOST/v2/x", "http://u:p@HOST/", "x" * 5000, "<>; rel=next", '<HOST/v2/demo/tags/list>; rel="next"',
    '<http://[>; rel="next"', '<>; rel="next"', ";;;,,,<<>>", "gzip", "br", "gzip, gzip", "deflate",
    'Bearer realm="HOST/token"', 'Bearer realm="http://["', 'Bearer realm=""', "Bearer", "Basic", "²", "1" * 99,
    "Thu, 01 Jan 1970 00:00:00 GMT", fakes.DIGEST, "é", "application/json; charset=nonsense",
]  # fmt: skip
STATUSES = [200, 200, 200, 201, 202, 204, 206, 299, 300, 301, 302, 303, 304, 307, 308, 400, 401, 403,
            404, 405, 409, 416, 418, 429, 500, 503, 599]  # fmt: skip
IMAGE = json.loads(fakes.manifest().content)
DOCUMENTS: list[Any] = [
    IMAGE,
    {"tags": ["1", "2"], "name": "demo"},
    {"schemaVersion": 2, "manifests": [{"digest": fakes.DIGEST, "size": 3, "mediaType": "x"}]},
    {"os": "linux", "architecture": "amd64", "created": "x", "history": [{"comment": "y"}],
     "config": {"Env": ["A=b"], "Labels": {"a": "b"}, "Cmd": ["x"], "Volumes": {"/v": {}}, "User": "u"}},
    {"errors": [{"code": "X", "message": "y"}]},
    {"token": "abc"},
    {},
]  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a document, as its holder and key."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [
        found
        for key in keys
        for found in (
            (value, key),
            *(places(value[key]) if isinstance(value[key], (dict, list)) else ()),
        )
    ]


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """A document with some places changed, perhaps spoilt as text, perhaps packed."""
    document = json.loads(json.dumps(draw(st.sampled_from(DOCUMENTS))))
    for _ in range(draw(st.integers(0, 3))):
        if not (found := places(document)):
            break
        holder, key = draw(st.sampled_from(found))
        if draw(st.booleans()):
            holder[key] = deepcopy(draw(st.sampled_from(ODD)))
        else:
            del holder[key]
    text = json.dumps(document, allow_nan=True).encode()
    deep = draw(st.sampled_from([b"[", b'{"a":'])) * draw(st.sampled_from([70, 990, 50_000]))
    spoilt = [
        text[: draw(st.integers(0, len(text)))],
        draw(st.binary(max_size=40)),
        deep,
        gzip.compress(text, mtime=0),
        gzip.compress(text, mtime=0)[:-5],
        text.replace(b"linux", b"\\ud800").replace(b'"1"', b'"\\udfff"'),
    ]
    return draw(st.sampled_from([text] * len(spoilt) + spoilt))


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    names = draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True))
    headers = {name: draw(st.sampled_from(TEXTS)) for name in names}
    return draw(st.sampled_from(STATUSES)), headers, draw(contents())


def questions(there: Registry, content: bytes) -> dict[str, Callable[[], object]]:
    """All that a registry is asked."""

    def looked_at(found: Manifest | None) -> object:
        return found and (refusals(found), found.layers_size, found.config_digest)

    def compared() -> object:
        subject = compare.Subject(registry=there, repository="demo", digest=fakes.manifest().digest)
        config, _ = compare._parts(subject)
        return differences.configuration(config, config)

    def configured() -> object:
        found = there.config("demo", digest(content))
        return differences.configuration(found, found)

    return {
        "check": there.check,
        "manifest": lambda: looked_at(there.manifest("demo", "1")),
        "by digest": lambda: looked_at(there.manifest("demo", digest(content))),
        "tags": lambda: there.tags("demo"),
        "config": configured,
        "has": lambda: there.has("demo", BLOB.digest),
        "mount": lambda: there.mount("demo", BLOB.digest, "other"),
        "upload": lambda: there.upload("demo", BLOB),
        "put": lambda: there.put_manifest("demo", "1", fakes.manifest()),
        "download": lambda: there.download("demo", BLOB.digest, 5000, lambda c: c.read()),
        "attach": lambda: referrers.attach(there, "demo", SUBJECT, [NOTE]),
        "compare": compared,
    }


@settings(
    max_examples=200 if THOROUGH else 30,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    reply=replies(),
    second=replies(),
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE"]),
    times=st.sampled_from([1, 2, 99]),
)
def test_no_answer_breaks_the_tool(
    server: Distribution, reply: Reply, second: Reply, method: str, times: int
) -> None:
    """A usable answer, or an error that is told; never an exception of another kind."""
    server.image("demo", "1", layers=[layer({"a": "a"})])

    def at_home(reply: Reply) -> Reply:
        status, headers, content = reply
        told = {
            name: text.replace("HOST", f"http://{server.host}") for name, text in headers.items()
        }
        return status, told, content

    for name, ask in questions(client(server), reply[2]).items():
        first, later = at_home(reply), at_home(second)
        server.faults = [
            Fault(method, "", lambda _h, first=first: first, times),  # type: ignore[misc]
            Fault("GET", "", lambda _h, later=later: later, 1),  # type: ignore[misc]
        ]
        server.requests.clear()
        with suppress(ToolError):
            ask()
        assert len(server.requests) < 60, name


def holds(length: str, status: int = 200) -> Callable[[Handler], None]:
    """Some of a body, and then nothing, while the connection stays open."""

    def does(handler: Handler) -> None:
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n[]"
        handler.wfile.write(head.encode())
        handler.close_connection = True
        let_go.wait(HANG)

    let_go = threading.Event()
    does.let_go = let_go  # type: ignore[attr-defined]
    return does


@pytest.mark.parametrize("status", [200, 401, 404, 307])
@pytest.mark.parametrize(
    ("length", "wrong"),
    [
        ("-5", "Content-Length is '-5', not a number of bytes"),
        ("9" * 5000, "Content-Length has 5000 digits"),
        ("1e3", "not a number of bytes"),
        ("+5", "not a number of bytes"),
        ("", "not a number of bytes"),
        ("0x5", "not a number of bytes"),
    ],
)
def test_a_length_that_is_none_is_refused_at_once(
    server: Distribution, length: str, wrong: str, status: int
) -> None:
    fault = holds(length, status)
    server.faults.append(Fault("GET", "tags", fault, times=99))
    begun = time.monotonic()
    with pytest.raises(ToolError, match=wrong):
        client(server).tags("demo")
    assert time.monotonic() - begun < HANG / 4
    fault.let_go.set()  # type: ignore[attr-defined]


def test_a_length_above_the_limit_of_its_kind_is_refused_at_once(server: Distribution) -> None:
    ask: dict[str, Callable[[Registry], object]] = {
        "tags": lambda there: there.tags("demo"),
        "manifests": lambda there: there.manifest("demo", "1"),
        "blobs": lambda there: there.download(
            "demo", BLOB.digest, BLOB.size, lambda content: content.read()
        ),
    }
    most = {
        "tags": reading.TAGS_BYTES,
        "manifests": reading.MANIFEST_BYTES,
        "blobs": BLOB.size,
    }
    for path, question in ask.items():
        fault = holds(str(most[path] + 1))
        server.faults[:] = [Fault("GET", path, fault, times=99)]
        begun = time.monotonic()
        with pytest.raises(
            ToolError, match=f"has {most[path] + 1} bytes, the limit is {most[path]}"
        ):
            question(client(server))
        assert time.monotonic() - begun < HANG / 4
        fault.let_go.set()  # type: ignore[attr-defined]


@pytest.mark.parametrize("length", ["7", "007", "7, 7", "0" * 5000 + "7"])
def test_a_length_is_one_however_it_is_written(length: str) -> None:
    reading.check_length({"Content-Length": length}, 7)
    reading.check_length({})
    with pytest.raises(ValueError, match="not a number"):
        reading.check_length({"Content-Length": "5, 6"})
    with pytest.raises(reading.TooLargeError):
        reading.check_length({"Content-Length": length}, 6)
