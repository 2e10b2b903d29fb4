"""A login stays at its registry, wherever that leads; bodies arrive wherever they are led."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import pytest

from buildkit.model.login import Login
from buildkit.registry import links
from buildkit.registry.client import Blob, Registry
from buildkit.registry.wire import Wire
from buildkit.support.errors import ToolError
from tests.support import fakes
from tests.support.registry_server import Fault, RegistryServer, answers, digest, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOGIN = Login(user="AWS", password="secret")
BASIC = "Basic " + base64.b64encode(b"AWS:secret").decode()
CONTENT = b"layer" * 100_000
BLOB = Blob(digest=digest(CONTENT), size=len(CONTENT), open=lambda: io.BytesIO(CONTENT))
UPLOADS = "/v2/demo/blobs/uploads/"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildkit.registry.wire._pause", lambda _state: 0)


@pytest.fixture
def ours() -> Iterator[RegistryServer]:
    with running(RegistryServer()) as found:
        yield found


@pytest.fixture
def theirs() -> Iterator[RegistryServer]:
    """Another host: the same machine at another port."""
    with running(RegistryServer()) as found:
        yield found


def client(server: RegistryServer, login: Login | None = LOGIN) -> Registry:
    return Registry(wire=Wire(host=server.host, login=lambda: login))


def leads(to: RegistryServer, path: str, status: int = 307) -> Fault:
    return Fault("GET", "/v2/", answers(status, Location=f"http://{to.host}{path}"), times=9)


def challenge(realm: str) -> str:
    return f'Bearer realm="{realm}",service="s"'


def read(there: Registry, digest_: str = BLOB.digest) -> bytes:
    return there.download("demo", digest_, BLOB.size, lambda content: content.read())


def test_a_blob_that_lies_elsewhere_is_read_without_the_login(
    ours: RegistryServer, theirs: RegistryServer
) -> None:
    theirs.blobs["store"] = {BLOB.digest: CONTENT}
    ours.faults.append(leads(theirs, f"/v2/store/blobs/{BLOB.digest}?signature=x"))
    assert read(client(ours)) == CONTENT
    assert (ours.logins, theirs.logins) == ([BASIC], [""])


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("kind", ["Basic", "Bearer"])
def test_who_asks_for_a_login_elsewhere_gets_none(
    ours: RegistryServer, theirs: RegistryServer, status: int, kind: str
) -> None:
    realm = {"Basic": 'Basic realm="x"', "Bearer": challenge(f"http://{theirs.host}/token")}[kind]
    ours.faults.append(leads(theirs, "/x"))
    theirs.faults += [
        Fault("GET", "^/x", answers(status, "token expired", WWW_Authenticate=realm), times=99),
        Fault("GET", "^/token", answers(200, '{"token": "abc"}'), times=99),
    ]
    with pytest.raises(ToolError) as caught:
        client(ours).manifest("demo", "1")
    where = f"http://{theirs.host}/x, where the registry {ours.host} redirects, answered {status}"
    assert where in caught.value.message
    assert "log in" not in (caught.value.hint or "")
    assert set(theirs.logins) == {""}
    assert not any("token" in each for each in theirs.requests)


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda there: there.manifest("demo", "1"), id="manifest"),
        pytest.param(lambda there: there.digest("demo", "1"), id="digest"),
        pytest.param(lambda there: there.has("demo", BLOB.digest), id="blob"),
        pytest.param(lambda there: there.tags("demo"), id="tags"),
        pytest.param(lambda there: there.check(), id="check"),
        pytest.param(read, id="layer"),
    ],
)
def test_what_another_host_lacks_is_not_lacking_in_the_registry(
    ours: RegistryServer, theirs: RegistryServer, ask: Callable[[Registry], object]
) -> None:
    lead = answers(307, Location=f"http://{theirs.host}/login")
    ours.faults += [Fault(method, "", lead, times=9) for method in ("GET", "HEAD")]
    theirs.faults += [Fault(method, "", answers(404), times=9) for method in ("GET", "HEAD")]
    with pytest.raises(ToolError) as caught:
        ask(client(ours))
    where = f"http://{theirs.host}/login, where the registry {ours.host} redirects, answered 404"
    assert caught.value.message == where
    assert caught.value.hint == f"check for a proxy or a login page in front of {ours.host}"
    assert len(theirs.requests) == 1


def test_an_upload_that_its_storage_lost_is_started_again(
    ours: RegistryServer, theirs: RegistryServer
) -> None:
    theirs.uploads.add("u1")
    theirs.faults.append(Fault("PUT", "u1", answers(404)))
    where = f"http://{theirs.host}{UPLOADS}u1?signature=a"
    ours.faults.append(Fault("POST", "uploads", answers(202, Location=where), times=2))
    client(ours).upload("demo", BLOB)
    assert theirs.blobs["demo"][BLOB.digest] == CONTENT


def test_a_way_back_to_the_registry_brings_no_login_along(
    ours: RegistryServer, theirs: RegistryServer
) -> None:
    """Somebody else says then what the registry is asked."""
    theirs.faults.append(leads(ours, "/v2/other/manifests/1"))
    ours.faults.append(Fault("GET", "demo", answers(307, Location=f"http://{theirs.host}/v2/x")))
    assert client(ours).manifest("demo", "1") is None
    assert ours.logins == [BASIC, ""]
    assert theirs.logins == [""]


def test_a_token_goes_nowhere_else(ours: RegistryServer, theirs: RegistryServer) -> None:
    asks = answers(401, WWW_Authenticate=challenge(f"http://{ours.host}/token"))
    ours.faults += [
        Fault("GET", "manifests", asks),
        Fault("GET", "^/token", answers(200, '{"access_token": "abc"}')),
        leads(theirs, "/x"),
    ]
    theirs.faults.append(Fault("GET", "/x", answers(200, '{"manifests": []}')))
    found = client(ours).manifest("demo", "1")
    assert found is not None
    assert found.content == b'{"manifests": []}'
    assert ours.logins[-1] == "Bearer abc"
    assert set(theirs.logins) == {""}


def test_a_token_server_elsewhere_does_not_get_the_login(
    ours: RegistryServer, theirs: RegistryServer
) -> None:
    asks = answers(401, WWW_Authenticate=challenge(f"http://{theirs.host}/token?x=y"))
    ours.faults.append(Fault("GET", "manifests", asks, times=9))
    with pytest.raises(ToolError, match=f"another host, http://{theirs.host}/token") as no:
        client(ours).manifest("demo", "1")
    assert no.value.hint
    assert theirs.requests == []


def test_nobody_s_token_may_come_from_elsewhere(
    ours: RegistryServer, theirs: RegistryServer
) -> None:
    asks = answers(401, WWW_Authenticate=challenge(f"http://{theirs.host}/token?x=y"))
    ours.faults.append(Fault("GET", "manifests", asks))
    theirs.faults.append(Fault("GET", "^/token", answers(200, '{"token": "abc"}')))
    assert client(ours, None).manifest("demo", "1") is None
    assert theirs.requests[0].startswith("GET /token?x=y&service=s&scope=")
    assert (ours.logins[-1], theirs.logins) == ("Bearer abc", [""])


def test_a_token_server_that_leads_elsewhere_takes_no_login_along(
    ours: RegistryServer, theirs: RegistryServer
) -> None:
    asks = answers(401, WWW_Authenticate=challenge(f"http://{ours.host}/token"))
    ours.faults += [
        Fault("GET", "manifests", asks, times=9),
        Fault("GET", "^/token", answers(302, Location=f"http://{theirs.host}/t"), times=9),
    ]
    with pytest.raises(ToolError):
        client(ours).manifest("demo", "1")
    assert set(theirs.logins) == {""}


def test_tags_do_not_go_on_at_another_host(ours: RegistryServer, theirs: RegistryServer) -> None:
    link = f'<http://{theirs.host}/v2/demo/tags/list?last=a>; rel="next"'
    ours.faults.append(Fault("GET", "tags", answers(200, '{"tags": ["a"]}', Link=link)))
    with pytest.raises(ToolError, match=f"next page at http://{theirs.host}.*another host"):
        client(ours).tags("demo")
    assert theirs.requests == []


def test_an_upload_elsewhere_goes_there_without_the_login(
    ours: RegistryServer, theirs: RegistryServer
) -> None:
    theirs.uploads.add("u1")
    where = f"http://{theirs.host}{UPLOADS}u1?signature=a%2Fb&empty="
    ours.faults.append(Fault("POST", "uploads", answers(202, Location=where)))
    client(ours).upload("demo", BLOB)
    assert theirs.blobs["demo"][BLOB.digest] == CONTENT
    assert theirs.logins == [""]
    assert "?signature=a%2Fb&empty=&digest=" in theirs.requests[0]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_an_upload_that_is_led_on_arrives_whole_and_with_its_method(
    ours: RegistryServer, theirs: RegistryServer, status: int
) -> None:
    theirs.uploads.add("u1")
    where = f"http://{theirs.host}{UPLOADS}u1?digest={BLOB.digest}"
    ours.faults.append(Fault("PUT", "uploads", answers(status, Location=where)))
    client(ours).upload("demo", BLOB)
    assert theirs.blobs["demo"][BLOB.digest] == CONTENT
    assert [each.partition(" ")[0] for each in ours.requests] == ["POST", "PUT"]
    assert theirs.logins == [""]


def test_a_manifest_that_is_led_on_within_the_registry_keeps_login_and_type(
    ours: RegistryServer,
) -> None:
    good = fakes.manifest()
    ours.faults.append(Fault("PUT", "demo", answers(307, Location="/v2/real/manifests/1")))
    client(ours).put_manifest("demo", "1", good)
    assert ours.manifests["real:1"] == (good.media_type, good.content)
    assert ours.logins == [BASIC, BASIC]


def test_see_other_stores_nothing_and_says_so(ours: RegistryServer) -> None:
    ours.faults.append(Fault("PUT", "demo", answers(303, Location="/v2/")))
    with pytest.raises(ToolError, match="answered 303"):
        client(ours).put_manifest("demo", "1", fakes.manifest())
    assert len(ours.requests) == 1


def test_redirections_without_an_end_are_an_error(ours: RegistryServer) -> None:
    ours.faults.append(Fault("GET", "demo", answers(307, Location="/v2/demo/x"), times=99))
    with pytest.raises(ToolError, match="redirections in a row"):
        client(ours).manifest("demo", "1")
    assert len(ours.requests) == 6


def test_cookies_of_a_registry_are_not_kept(ours: RegistryServer) -> None:
    """They know no ports, and may stand for a login."""
    seen: list[str | None] = []
    ours.faults += [
        Fault("GET", "/v2/$", answers(200, Set_Cookie="sid=login; Path=/")),
        Fault("GET", "manifests", lambda handler: seen.append(handler.headers.get("Cookie"))),
    ]
    there = client(ours)
    there.check()
    there.manifest("demo", "1")
    assert seen == [None]


HTTPS, HTTP = "https://registry.example/v2/", "http://127.0.0.1:5000/v2/"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("demo/tags/list", "https://registry.example/v2/demo/tags/list"),
        ("/x?y=%2F#z", "https://registry.example/x?y=%2F"),
        ("https://store.example:8443/a", "https://store.example:8443/a"),
        ("//store.example/a", "https://store.example/a"),
    ],
)
def test_where_an_address_leads(text: str, found: str) -> None:
    assert links.resolved(HTTPS, text) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "http://registry.example/v2/",
        "ftp://registry.example/",
        "file:///etc/passwd",
        "https://",
        "https:///v2/",
        "https://user:password@registry.example/",
        "https://registry.example\\@evil.example/",
        "https://registry.example%40evil.example/",
        "https://registry.example:99999/",
        "https://registry.example:x/",
        "https://[::1/",
        "https://[x]/",
        "https://a..b/",
        "https://.../",
        "/a b",
        "/a\tb",
        "/ä",
        "/a\r\nX: y",
        "x" * 20_000,
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        links.resolved(HTTPS, text)


@pytest.mark.parametrize(
    ("registry", "realm", "may"),
    [
        (HTTPS, "https://registry.example/token", True),
        (HTTPS, "https://REGISTRY.example:443/token", True),
        (HTTPS, "https://registry.example:444/token", False),
        (HTTPS, "https://auth.registry.example/token", False),
        ("https://gitlab.example:5050/v2/", "https://gitlab.example/jwt/auth", True),
        ("https://gitlab.example:5050/v2/", "https://gitlab.example:5051/jwt/auth", False),
        ("https://gitlab.example:5050/v2/", "http://gitlab.example/jwt/auth", False),
        ("https://10.0.0.1:5000/v2/", "https://10.0.0.1/token", True),
        (HTTPS, "https://example/token", False),
        (HTTPS, "https://evil-registry.example/token", False),
        ("https://registry.gitlab.example/v2/", "https://gitlab.example/jwt/auth", True),
        ("https://registry.gitlab.example/v2/", "https://auth.gitlab.example/jwt/auth", False),
        ("https://registry.gitlab.example/v2/", "https://gitlab.example:8443/jwt/auth", False),
        ("https://registry.gitlab.example/v2/", "http://gitlab.example/jwt/auth", False),
        ("https://registry-1.docker.io/v2/", "https://auth.docker.io/token", True),
        ("https://registry.docker.io/v2/", "https://auth.docker.io/token", False),
        ("https://10.0.0.1/v2/", "https://0.0.1/token", False),
        (HTTP, "http://127.0.0.1:5000/token", True),
        (HTTP, "http://127.0.0.1:5001/token", False),
        (HTTP, "http://localhost:5000/token", False),
        (HTTP, "https://127.0.0.1:5000/token", False),
        (HTTP, "https://127.0.0.1/token", False),
    ],
)
def test_which_token_server_may_have_the_login(registry: str, realm: str, may: bool) -> None:
    assert links.may_have_login(registry, realm) is may
