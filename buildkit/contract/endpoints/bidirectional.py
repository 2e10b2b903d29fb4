"""Clauses of bidirectional streaming (STREAM-02 to STREAM-04): a WebSocket beside `/ping`."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful, Unseen, check
from buildkit.contract.hosting import starting
from buildkit.contract.hosting.client import hung_up_after
from buildkit.contract.image import basics
from buildkit.contract.logs import last_lines
from buildkit.contract.machine import Limit
from buildkit.contract.signs import Sign
from buildkit.model.features import Feature

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from websockets.sync.client import ClientConnection

    from buildkit.contract.hosting.server import Serving
    from buildkit.contract.image.basics import StillImage

PATH = "/invocations-bidirectional-stream"
OPEN_SECONDS = 120
REPLY_SECONDS = 60
"""Limits that only end a hang."""
SILENCE_SECONDS = 1
"""Seconds of silence that end a reply; later messages are not read."""
PONG_SECONDS = 2
PONG_TRIES = 3
PAUSE = 0.05
"""Seconds between two looks for a pong."""
PATIENCE = 60
"""SageMaker sends a ping every 60 s, and gives up after 5 missing pongs."""
CONNECTION_SECONDS = 600
"""Only ends a hang of one connection."""
LARGEST_MESSAGE = 4 * 1024**2
LARGEST_SENT = 16 * 1024
MESSAGES = 16
BUSY = 3
SERVED = starting.of("`serve` with the model, and a WebSocket")


@dataclass(frozen=True, kw_only=True)
class Talk:
    """The replies to one message, and how the connection ended if it did."""

    replies: tuple[str | bytes, ...]
    ended: str = ""

    @property
    def text(self) -> bytes:
        return b"".join(each.encode() if isinstance(each, str) else each for each in self.replies)

    @property
    def evidence(self) -> str:
        replies = "no message"
        if self.replies:
            replies = f"{len(self.replies)} messages, first {str(self.replies[0])[:80]!r}"
        return replies + (self.ended and f", and {self.ended}")


@check("STREAM-02", basics.still)
def has_label(image: StillImage) -> None:
    """The image's label for bidirectional streaming is `true`."""
    image.need_label(Feature.BIDIRECTIONAL_STREAMING)


@check("STREAM-02", SERVED, decides=True)
def opens(serving: Serving) -> None:
    """A WebSocket handshake on that path gets 101; GET /ping remains plain HTTP meanwhile."""
    serving.need_health()
    with connected(serving):
        serving.need_ping("while a WebSocket was open ")


@check("STREAM-03", SERVED)
def joins_fragments(serving: Serving) -> None:
    """A message that gets a reply also gets one in fragments, with valid frames."""
    serving.need_health()
    for message in messages(serving):
        whole = talk(serving, (message,))
        if not whole.replies:
            continue
        again = talk(serving, (message,))
        third = max(1, len(message) // 3)
        parts = (message[:third], message[third : 2 * third], message[2 * third :])
        joined = talk(serving, parts)
        if not joined.replies or joined.text != whole.text:
            joined = talk(serving, parts)
        evidence = (
            f"a message got {whole.evidence}; the same in three fragments got {joined.evidence}"
        )
        if not joined.replies:
            raise Broken(f"{evidence}{last_lines(serving.log)}")
        if whole.text == again.text != joined.text:
            raise Doubtful(evidence)
        return
    raise Unseen("no message of the samples gets a reply, whole or in fragments")


@check("STREAM-04", SERVED, decides=True)
def answers_pings(serving: Serving) -> None:
    """A WebSocket ping, idle and right after three messages, gets a pong (a warning after 2 s)."""
    serving.need_health()
    for when, number in (("while idle", 0), (f"after {BUSY} messages", BUSY)):
        waited = _soonest_pong(serving, number)
        if waited == PATIENCE:
            raise Broken(f"a WebSocket ping {when} got no pong in {PATIENCE} s, {PONG_TRIES} times")
        if waited > 0:
            raise Doubtful(f"a WebSocket ping {when} got its pong only after {waited:.0f} s")


@check("STREAM-04", SERVED, decides=True)
def answers_a_close(serving: Serving) -> None:
    """A close frame gets a close frame, within two tries, and the server keeps running."""
    serving.need_health()
    for _ in range(2):
        with connected(serving) as socket:
            socket.close(1000)
            closed = socket.protocol.close_rcvd is not None
        if closed:
            return serving.still_good("the close of a WebSocket")
    raise Broken("a close frame got no close frame in return")


@contextmanager
def connected(serving: Serving) -> Iterator[ClientConnection]:
    """A WebSocket. Raises Broken if it does not open, or violates the protocol."""
    from websockets.exceptions import ConnectionClosed, WebSocketException  # noqa: PLC0415 - slow
    from websockets.sync.client import connect  # noqa: PLC0415

    client = serving.client
    request = f"WebSocket {PATH}"
    try:
        with (
            connect(
                f"ws://{client.host}:{client.port}{PATH}",
                proxy=None,
                compression=None,
                open_timeout=OPEN_SECONDS,
                close_timeout=REPLY_SECONDS,
                ping_interval=None,
                max_size=LARGEST_MESSAGE,
                additional_headers=serving.headers,
            ) as socket,
            hung_up_after(Limit(seconds=CONNECTION_SECONDS), socket.socket),
        ):
            yield socket
    except ConnectionClosed as error:
        raise Broken(f"{request} was closed: {error}{last_lines(serving.log)}") from error
    except (OSError, EOFError, WebSocketException) as error:
        reason = str(error) or type(error).__name__
        evidence = f"{request} did not open: {reason}{last_lines(serving.log)}"
        raise Broken(evidence, Sign.NO_WEBSOCKET) from error


def messages(serving: Serving) -> list[str | bytes]:
    """The short samples, as text if possible, and one other word."""
    found: list[str | bytes] = []
    for payload in serving.payloads:
        body = Path(payload.body).read_bytes()
        if 0 < len(body) <= LARGEST_SENT:
            found.append(_text(body))
    return [*found, "buildkit"]


def _text(body: bytes) -> str | bytes:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body


def talk(serving: Serving, parts: Sequence[str | bytes]) -> Talk:
    """Send one message, in fragments if there are several parts, and read the replies."""
    from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 - slow

    replies: list[str | bytes] = []
    with connected(serving) as socket:
        try:
            socket.send(parts[0] if len(parts) == 1 else iter(parts))
            while len(replies) < MESSAGES:
                wait = SILENCE_SECONDS if replies else REPLY_SECONDS
                replies.append(socket.recv(timeout=wait))
        except TimeoutError:
            pass
        except ConnectionClosed as error:
            if _is_invalid(error):
                raise Broken(f"the server sent an invalid frame: {error}") from error
            return Talk(replies=tuple(replies), ended=f"the connection was closed: {error}")
    return Talk(replies=tuple(replies))


def _is_invalid(error: Exception) -> bool:
    """Whether this side closed the connection because of an invalid frame."""
    sent = getattr(error, "sent", None)
    theirs = getattr(error, "rcvd_then_sent", None)
    return sent is not None and not theirs and sent.code in (1002, 1007)


def _soonest_pong(serving: Serving, number: int) -> float:
    """Seconds until a late pong, in the best of some tries; 0 if one was in time."""
    waited = float(PATIENCE)
    for _ in range(PONG_TRIES):
        waited = min(waited, _pong_after(serving, number))
        if not waited:
            break
    return waited


def _pong_after(serving: Serving, number: int) -> float:
    """Seconds until a late pong, PATIENCE if none came, 0 if it was in time.

    A server that disconnects after messages that it does not understand need not answer a ping.
    """
    from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 - slow

    with connected(serving) as socket:
        try:
            for _ in range(number):
                socket.send(messages(serving)[0])
            began = time.monotonic()
            limit = serving.machine.limit(serving.container, PONG_SECONDS)
            pong = socket.ping()
            while (waited := time.monotonic() - began) < PATIENCE:
                if pong.wait(PAUSE):
                    return waited if limit.passed else 0
                limit.expired()
                with suppress(TimeoutError):
                    socket.recv(timeout=0)
        except ConnectionClosed:
            if number:
                return 0
            raise
    return PATIENCE
