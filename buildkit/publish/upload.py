"""Uploads blobs to one registry: each once, however many images share it."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from buildkit.support.amounts import megabytes
from buildkit.support.errors import ToolError
from buildkit.system import console
from buildkit.system.console import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from buildkit.registry.client import Blob, Registry

SIDE_BY_SIDE = 4
"""Blobs of one image in parallel; `registry.wire` limits the requests of all images."""
WORTH_A_SEARCH = 1_000_000
"""Bytes. For a smaller blob, an upload is cheaper than asking all sister repositories for it."""


@dataclass(kw_only=True)
class Uploader:
    """Uploads blobs to the repositories of one registry.

    A blob that one of `sisters` already holds is mounted from there instead (distribution
    specification, "Mounting a blob from another repository").
    """

    registry: Registry
    sisters: Sequence[str] = ()
    _holders: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _failed: dict[str, ToolError] = field(default_factory=dict)
    _locks: dict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def upload(self, repository: str, blobs: Iterable[Blob], subject: str) -> None:
        """Put all blobs into a repository, the largest first. Raises ToolError."""
        by_size = sorted(blobs, key=lambda blob: blob.size, reverse=True)
        with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
            work = [pool.submit(self._upload, repository, blob, subject) for blob in by_size]
        for each in work:
            each.result()

    def _upload(self, repository: str, blob: Blob, subject: str) -> None:
        with self._lock:
            alone = self._locks[blob.digest]
        with alone:  # a second image mounts the blob that the first one uploaded
            holders = self._holders[blob.digest]
            if repository in holders:
                return
            if not self._present(repository, blob, holders):
                self._send(repository, blob, subject)
            holders.append(repository)

    def _send(self, repository: str, blob: Blob, subject: str) -> None:
        """Upload a blob, unless that already failed for another image, retries included."""
        if before := self._failed.get(blob.digest):
            raise ToolError(before.message, hint=before.hint)
        try:
            self.registry.upload(repository, blob, self._progress(blob, subject))
        except ToolError as error:
            self._failed[blob.digest] = error
            raise

    def _present(self, repository: str, blob: Blob, holders: Sequence[str]) -> bool:
        """Whether the repository holds the blob, perhaps because it was just mounted."""
        if holders:  # mounting a blob that the repository already holds does no harm
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
        """The sisters that held an image before this run. Two threads may both ask for them."""
        with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
            tags = list(pool.map(self.registry.tags, self.sisters))
        return tuple(sister for sister, any_ in zip(self.sisters, tags, strict=True) if any_)

    def _progress(self, blob: Blob, subject: str) -> Callable[[int], None]:
        """A function that prints how much of a blob is uploaded."""
        began, pace = time.monotonic(), Pace()
        name = f"layer {blob.digest[7:19]} to {self.registry.host}"

        def progress(sent: int) -> None:
            speed = megabytes(sent / max(time.monotonic() - began, 0.001), ".3g")
            if sent == blob.size and blob.is_large:
                console.step(subject, f"{name}: {megabytes(sent)}, {speed}/s", dim=True)
            elif pace.due():
                of = f"{megabytes(sent)} of {megabytes(blob.size)}"
                console.step(subject, f"{name}: {of}, {speed}/s", dim=True)

        return progress
