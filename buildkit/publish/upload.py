"""Blobs on their way into one registry: each is sent once, whatever number of images has it."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from buildkit.support.errors import ToolError
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from buildkit.registry.client import Blob, Registry

SIDE_BY_SIDE = 4
"""Blobs of one image at a time; the registry's wire has the limit of all."""
PROGRESS_SECONDS = 10
"""Between two lines that say how far it is."""
WORTH_A_SEARCH = 1_000_000
"""Bytes of a blob from which on it is cheaper to ask all sisters for it than to send it."""


@dataclass(kw_only=True)
class Transfer:
    """Brings blobs into the repositories of one registry.

    `sisters` are repositories that may hold what another one lacks: a blob is mounted from there
    (distribution specification, "Mounting a blob from another repository").
    """

    registry: Registry
    sisters: Sequence[str] = ()
    _holders: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _failed: dict[str, ToolError] = field(default_factory=dict)
    _locks: dict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def bring(self, repository: str, blobs: Iterable[Blob], subject: str) -> None:
        """Have all blobs in a repository, the largest first. Raises ToolError."""
        by_size = sorted(blobs, key=lambda blob: blob.size, reverse=True)
        with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
            work = [pool.submit(self._bring, repository, blob, subject) for blob in by_size]
        for each in work:
            each.result()

    def _bring(self, repository: str, blob: Blob, subject: str) -> None:
        with self._lock:
            alone = self._locks[blob.digest]
        with alone:  # who comes second mounts what the first has sent
            holders = self._holders[blob.digest]
            if repository in holders:
                return
            if not self._there(repository, blob, holders):
                self._send(repository, blob, subject)
            holders.append(repository)

    def _send(self, repository: str, blob: Blob, subject: str) -> None:
        """A blob that could not be sent for one image is not sent for others: patience is over."""
        if before := self._failed.get(blob.digest):
            raise ToolError(before.message, hint=before.hint)
        try:
            self.registry.upload(repository, blob, self._teller(blob, subject))
        except ToolError as error:
            self._failed[blob.digest] = error
            raise

    def _there(self, repository: str, blob: Blob, holders: Sequence[str]) -> bool:
        """Whether the repository has the blob, or has it now, from a sister."""
        if holders:  # to mount what is there already does no harm
            return self.registry.mount(repository, blob.digest, holders[0])
        if self.registry.has(repository, blob.digest):
            return True
        return blob.size >= WORTH_A_SEARCH and any(
            self.registry.has(sister, blob.digest)
            and self.registry.mount(repository, blob.digest, sister)
            for sister in self._lenders
            if sister != repository
        )

    @cached_property
    def _lenders(self) -> tuple[str, ...]:
        """The sisters that held an image before this run; twice asked for at worst."""
        with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
            tags = list(pool.map(self.registry.tags, self.sisters))
        return tuple(sister for sister, any_ in zip(self.sisters, tags, strict=True) if any_)

    def _teller(self, blob: Blob, subject: str) -> Callable[[int], None]:
        """Tells from time to time how much of a large blob is on its way."""
        began = said = time.monotonic()
        name = f"layer {blob.digest[7:19]} to {self.registry.host}"

        def tell(sent: int) -> None:
            nonlocal said
            now = time.monotonic()
            speed = sent / max(now - began, 0.001) / 1e6
            if sent == blob.size and blob.is_large:
                console.step(subject, f"{name}: {sent / 1e6:.0f} MB, {speed:.1f} MB/s", dim=True)
            elif now - said > PROGRESS_SECONDS:
                of = f"{sent / 1e6:.1f} of {blob.size / 1e6:.1f} MB"
                console.step(subject, f"{name}: {of}, {speed:.3g} MB/s", dim=True)
            else:
                return
            said = now

        return tell
