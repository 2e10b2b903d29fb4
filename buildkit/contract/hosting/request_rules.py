"""Clauses of hosting on the contents of requests and answers (SERVE-09 to SERVE-19)."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path

from buildkit.contract.checks import Broken, Doubtful, Unseen, check
from buildkit.contract.comparison import is_text
from buildkit.contract.hosting.client import OK, TOO_LARGE, Answer
from buildkit.contract.hosting.content import friendly, is_strict
from buildkit.contract.hosting.parallel import alike
from buildkit.contract.hosting.traffic import Loaded, exchange, hang_up, post, under_load
from buildkit.contract.logs import last_lines
from buildkit.contract.signs import Sign

SIZES = (6_291_456, 26_214_400)
FILLER = b" " * 1023 + b"\n"
"""Padding that makes a sample large: JSON and most CSV remain valid."""
EXPECTATION_FAILED = 417
SLOW_SECONDS = 25
"""Seconds after which a broken connection may be a time limit, and not the size."""
SHORT_ERROR = 2048
"""Characters of an error that a client sees (SERVE-13)."""
TRACEBACK = re.compile(
    rb"Traceback \(most recent call last\)|\n\s+at [\w.$<>]+\(|File \"[^\"]+\", line"
)
BAD_BODIES = (b'{"instances": [[1,', b"\x00\xff\xfe\x81 <no such thing")
SETTLE_SECONDS = 0.3
"""Until a server has noticed that a client disconnected."""
JSON = "application/json"
STRANGE = "application/x-nobody-knows"
ATTRIBUTES = "trace=buildkit;batch=7"
HEADERS = {
    "X-Amzn-SageMaker-Custom-Attributes": ATTRIBUTES,
    "X-Amzn-SageMaker-Target-Model": "some-model.tar.gz",
    "X-Amzn-SageMaker-Target-Variant": "AllTraffic",
    "X-Amzn-SageMaker-Target-Container-Hostname": "container-1",
    "X-Amzn-SageMaker-Inference-Id": "11111111-2222-3333-4444-555555555555",
    "X-Amzn-SageMaker-Enable-Explanations": "`true`",
    "X-Amzn-SageMaker-Inference-Component": "some-component",
    "X-Amzn-SageMaker-Prefix-Aware-Id": "some-prefix",
    "X-Amzn-SageMaker-Forwarded-Api": "InvokeEndpoint",
    "X-Amzn-SageMaker-Not-Yet-Known": "1",
    "X-Amzn-SageMaker-Buildkit": 'odd "value"; q=0.5, \\ (too)',
}
VISIBLE = bytes(range(0x21, 0x7F)).decode()
LONGEST = {
    "X-Amzn-SageMaker-Custom-Attributes": (VISIBLE * 11)[:1024],
    "X-Amzn-SageMaker-Target-Model": f"{'some-folder/' * 84}model.tar.gz",
    "X-Amzn-SageMaker-Target-Variant": "v" * 63,
    "X-Amzn-SageMaker-Target-Container-Hostname": "c" * 63,
    "X-Amzn-SageMaker-Inference-Id": "i" * 64,
    "X-Amzn-SageMaker-Inference-Component": "c" * 63,
}
"""The longest values that InvokeEndpoint takes (its page in the API reference)."""
NEW_SESSION = {"X-Amzn-SageMaker-Session-Id": "NEW_SESSION"}


@check("SERVE-04", under_load)
def first_request_succeeds(loaded: Loaded) -> None:
    """The first sample, sent right after the first 200 of /ping, is answered like a later one."""
    loaded.need_life()
    payload = loaded.serving.a_payload()
    if loaded.works:
        return
    if loaded.serving.invoke(payload).status != OK:
        raise Unseen("the first sample is not answered with 200 later either (SERVE-06)")
    evidence = loaded.first.shown() if isinstance(loaded.first, Answer) else loaded.first
    raise Broken(f"/ping answered 200, and the request right after it failed: {evidence}")


@check("SERVE-10", under_load)
def headers_are_tolerated(loaded: Loaded) -> None:
    """The first sample with and without all headers of the API, longest values, unknown headers."""
    payload = loaded.need_sample()
    plain = loaded.serving.invoke(payload)
    again = loaded.serving.invoke(payload)
    for added, named in (
        (HEADERS, "the headers X-Amzn-SageMaker-*"),
        (NEW_SESSION, "a session id"),
        *(({name: text}, f"{len(text)} characters in {name}") for name, text in LONGEST.items()),
    ):
        answer = loaded.serving.invoke(payload, added)
        if plain.status == OK != answer.status:
            raise Broken(f"with {named} the first sample was answered with {answer.shown()}")
        if added is not NEW_SESSION and alike(again, plain) and not alike(answer, plain):
            raise Broken(f"{named} change the answer from {plain.shown()} to {answer.shown()}")


@check("SERVE-11", under_load)
def attributes_come_back(loaded: Loaded) -> None:
    """The answer has the header X-Amzn-SageMaker-Custom-Attributes, even with 1024 characters."""
    payload = loaded.need_sample()
    name = "X-Amzn-SageMaker-Custom-Attributes"
    answer = loaded.serving.invoke(payload, {name: ATTRIBUTES})
    if name.lower() not in answer.headers:
        raise Broken(f"the answer lacks the header, and has only {', '.join(answer.headers)}")
    longest = loaded.serving.invoke(payload, {name: LONGEST[name]})
    if longest.status == OK and name.lower() not in longest.headers:
        raise Broken("the answer lacks the header when its value has 1024 characters")


@check("SERVE-12", under_load, decides=True)
def odd_types_are_handled(loaded: Loaded) -> None:
    """Accept: none, */*, several, unknown; Content-Type: none, unknown, parameters: 2xx or 4xx."""
    payload = loaded.need_sample()
    body = Path(payload.body).read_bytes()
    kind = payload.content_type
    wish = payload.accept or kind
    for content_type, accept in (
        (kind, ""),
        (kind, "*/*"),
        (kind, f"{wish}, application/json;q=0.5, */*;q=0.1"),
        (kind, STRANGE),
        (f"{kind.partition(';')[0]}; charset=utf-8", wish),
        (STRANGE, wish),
        ("", wish),
    ):
        answer = post(loaded.serving, body, content_type, accept)
        asked = _types(content_type, accept)
        if not _is_polite(answer):
            raise Broken(f"{asked} got {answer.shown()}{last_lines(loaded.serving.log)}")
        if content_type == STRANGE and (why := friendly(answer, loaded.answers())):
            raise Doubtful(f"{asked} got {answer.shown()}: {why}")


@check("SERVE-12", under_load)
def types_mean_the_same_in_any_form(loaded: Loaded) -> None:
    """A sample's text type with `; charset=utf-8` gets 200 if it does without.

    So do Accept headers that begin with an accepted type, and */* if no Accept header does.
    """
    loaded.need_sample()
    for payload in loaded.serving.payloads:
        body, kind = Path(payload.body).read_bytes(), payload.content_type
        wish = payload.accept or kind
        forms = [((kind, wish), (kind, f"{wish}, {STRANGE};q=0.1")), ((kind, ""), (kind, "*/*"))]
        if ";" not in kind and is_text(kind):
            forms.append(((kind, wish), (f"{kind}; charset=utf-8", wish)))
            forms.append(((kind, ""), (f"{kind}; charset=utf-8", "")))
        for usual, other in forms:
            if post(loaded.serving, body, *usual).status != OK:
                continue
            answer = post(loaded.serving, body, *other)
            if answer.status != OK:
                raise Broken(
                    f"{_types(*other)} got {answer.shown()}, though {_types(*usual)} gets 200"
                )


def _types(content_type: str, accept: str) -> str:
    return f"Content-Type: {content_type or 'none'}, Accept: {accept or 'none'}"


@check("SERVE-13", under_load, decides=True)
def errors_are_short(loaded: Loaded) -> None:
    """A malformed body gets 4xx, less than 2 kB, without a traceback."""
    loaded.need_life()
    content_type, sample = _sample(loaded)
    for body in (*BAD_BODIES, sample[:-1] + b"\xff", b""):
        answer = post(loaded.serving, body, content_type)
        if answer.status < 400:  # noqa: PLR2004 - no error
            continue
        if TRACEBACK.search(answer.body):
            raise Broken(f"a bad body is answered with a traceback: {answer.shown()}")
        if len(answer.body) > SHORT_ERROR:
            raise Broken(f"a bad body is answered with {len(answer.body)} bytes: {answer.shown()}")
        if answer.status >= 500:  # noqa: PLR2004 - the server's fault
            raise Broken(f"a bad body is answered with {answer.shown()}")
        return
    raise Unseen("the server accepts any body")


@check("SERVE-13", under_load, gap="no answer to garbage was compared with one to a sample")
def errors_do_not_say_200(loaded: Loaded) -> None:
    """Garbage of each sample's type, and as JSON, gets no 200 with an answer of another form.

    Where the type is JSON or the sample is a table of numbers, garbage gets no 200 at all.
    """
    loaded.need_life()
    good = loaded.answers()
    if not good:
        raise Unseen("no sample is answered with 200, so there is nothing to compare with")
    kinds = dict.fromkeys([*(each.content_type for each in loaded.serving.payloads), JSON])
    strict = {
        each.content_type
        for each in loaded.serving.payloads
        if is_strict(each.content_type, Path(each.body).read_bytes())
    }
    for kind in kinds:
        for body in BAD_BODIES:
            answer = post(loaded.serving, body, kind)
            if why := friendly(answer, good):
                raise Doubtful(f"{body[:30]!r} as {kind} got {answer.shown()}: {why}")
            if kind in strict and answer.status == OK and answer.body.strip():
                raise Doubtful(
                    f"{body[:30]!r} as {kind} got {answer.shown()}: garbage gets an "
                    "answer like a sample's",
                    Sign.TAKES_GARBAGE,
                )


@check("SERVE-14", under_load)
def survives_rough_clients(loaded: Loaded) -> None:
    """Aborted connections and 1 MB of noise, then GET /ping and a good request."""
    loaded.need_life()
    content_type, _ = loaded.sample
    for number in range(6):
        hang_up(loaded.serving, content_type, head=number % 2 == 0)
    time.sleep(SETTLE_SECONDS)
    loaded.still_good("aborted connections")
    exchange(loaded.serving, hashlib.shake_256(b"noise").digest(1024 * 1024), content_type)
    loaded.still_good("1 MB of noise")


@check("SERVE-19", under_load)
def unknown_paths_are_not_found(loaded: Loaded) -> None:
    """GET / and /nope answer 404, or another 4xx."""
    loaded.need_life()
    for path in ("/", "/nope"):
        answer = loaded.serving.client.ask("GET", path)
        if not 400 <= answer.status < 500:  # noqa: PLR2004 - the client's error
            raise Broken(f"GET {path} answered {answer.shown()}")


@check("SERVE-09", under_load, decides=True)
def large_bodies_are_taken(loaded: Loaded) -> None:
    """Bodies of 6 and 25 MiB (the sample, padded): no 413, no reset; also Expect: 100-continue."""
    loaded.need_life()
    content_type, body = _sample(loaded)
    for size in SIZES:
        large = body + FILLER * (max(size - len(body), 0) // len(FILLER) + 1)
        _take(loaded, large[: max(size, len(body))], content_type)
    _take(loaded, body, content_type, expect=True)


def _take(loaded: Loaded, body: bytes, content_type: str, *, expect: bool = False) -> None:
    """Send a body again after a reset: only a second reset counts against the image."""
    asked = "`Expect: 100-continue`" if expect else f"a body of {len(body)} bytes"
    sent = 0
    for _ in range(2):
        found = exchange(loaded.serving, body, content_type, expect=expect)
        sent = found.sent
        if found.status == TOO_LARGE or (expect and found.status == EXPECTATION_FAILED):
            signs = (Sign.TOO_LARGE,) if found.status == TOO_LARGE else ()
            raise Broken(f"{asked} got {found.status}", *signs)
        if found.status is not None or (found.timed_out and found.sent == len(body)):
            return
        if found.timed_out or found.seconds > SLOW_SECONDS:
            raise Doubtful(f"{asked} got no answer in {found.seconds:.0f} s")
    end, _ = loaded.serving.gone()
    evidence = f"{sent} bytes sent{end}{last_lines(loaded.serving.log)}"
    raise Broken(f"{asked}: the connection ended without an answer, {evidence}")


def _sample(loaded: Loaded) -> tuple[str, bytes]:
    """The first sample rather than the largest, whose type may have a lower limit."""
    for payload in loaded.serving.payloads:
        return payload.content_type, Path(payload.body).read_bytes()
    return loaded.sample


def _is_polite(answer: Answer) -> bool:
    return 200 <= answer.status < 300 or 400 <= answer.status < 500  # noqa: PLR2004
