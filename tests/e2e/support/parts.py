"""Parts that a test may stop, fill, slow down or kill: engines, relays, certificates, processes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.support.real import Local, exports, script
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK = 64 * 1024


def private_engine(local: Local) -> Path:
    """The state of the engine that `scripts/dev/engine` started. Skips where Docker is the user's own."""
    state = Path(local.env.get("DOCKER_CONFIG", "/")).parent
    if os.geteuid() != 0 or not (state / "prefix").is_dir():
        pytest.skip("needs root and the private engine of scripts/dev/engine")
    return state


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A second private engine, to which bad things may happen."""

    cache: Path
    store: str

    @property
    def state(self) -> Path:
        return self.cache / ("engine-classic" if self.store == "classic" else "engine")

    def up(self) -> dict[str, str]:
        found = exports(self._script("up"))
        return {key: found[key] for key in ("DOCKER_HOST", "DOCKER_CONFIG", "PATH")}

    def stop(self) -> None:
        self._script("stop")

    def kill(self) -> None:
        """As a power cut would."""
        number = int((self.state / "run" / "docker.pid").read_text())
        os.kill(number, signal.SIGKILL)

    def down(self) -> None:
        self._script("down")

    def _script(self, command: str) -> str:
        cache = {"BUILDKIT_CACHE": str(self.cache)}
        return script("engine", command, "--store", self.store, env=cache)


@contextmanager
def another_engine(
    local: Local, store: str, data: Path | None = None
) -> Iterator[tuple[Engine, Local]]:
    """An engine with the Python 3.11 base. Its packages are the first engine's, by hard links.

    `data` is where it keeps images, instead of a folder of its own.
    """
    engine = Engine(cache=engine_folder(local), store=store)
    cache = engine.cache
    try:
        if data is not None:
            engine.state.mkdir(exist_ok=True)
            (engine.state / "data").symlink_to(data)
        env = {**local.env, **engine.up()}
        bases = script("bases", "3.11", env={**env, "BUILDKIT_CACHE": str(cache)})
        env["BUILDKIT_SUBSTITUTE"] = " ".join(bases.split())
        yield engine, replace(local, env=env)
    finally:
        engine.down()
        shutil.rmtree(cache)


def engine_folder(local: Local, fits: Callable[[Path], bool] = lambda _: True) -> Path:
    """A new folder, of a name that `fits`, with the packages and bases of the first engine."""
    first = private_engine(local)
    while not fits(cache := Path(tempfile.mkdtemp(prefix="bk."))):  # short: sockets are below it
        cache.rmdir()
    for name in ("engine/prefix", "bases"):
        if (source := first.parent / name).is_dir():
            shutil.copytree(source, cache / name, symlinks=True, copy_function=_link)
    return cache


@contextmanager
def small_disk(local: Local, folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own that soon is full."""
    private_engine(local)
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


@dataclass(kw_only=True)
class Relay:
    """A TCP relay. `rate` is bytes per second of each connection towards `target`, None for as fast
    as can be; `delay` is how many seconds each answer takes longer."""

    target: tuple[str, int]
    rate: float | None = None
    delay: float = 0
    passed: int = 0
    _server: socket.socket = field(default_factory=socket.socket)
    _open: list[socket.socket] = field(default_factory=list)

    @property
    def address(self) -> str:
        host, port = self._server.getsockname()
        return f"{host}:{port}"

    def start(self, host: str, port: int) -> None:
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._server.bind((host, port))
        self._server.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        for each in (self._server, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed by stop()
            while True:
                near, _ = self._server.accept()
                self._open.append(near)
                try:
                    far = socket.create_connection(self.target, timeout=HANG)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                self._open.append(far)
                threading.Thread(target=self._pump, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._pump, args=(far, near, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, forward: bool) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                if forward:
                    self.passed += len(data)
                    if self.rate is not None:
                        time.sleep(len(data) / self.rate)
                elif self.delay:
                    time.sleep(self.delay)
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def relay(
    target: str,
    *,
    rate: float | None = None,
    delay: float = 0,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[Relay]:
    name, _, number = target.rpartition(":")
    made = Relay(target=(name, int(number)), rate=rate, delay=delay)
    made.start(host, port)
    try:
        yield made
    finally:
        made.stop()


def certificate(authority: Path, folder: Path, *names: str) -> tuple[Path, Path]:
    """A leaf of the private engine's own authority: certificate and key."""
    key, request, leaf = (folder / f"tls.{kind}" for kind in ("key", "csr", "crt"))
    extensions = folder / "tls.ext"
    extensions.write_text(f"subjectAltName={','.join(names)}\n")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for argv in (
        ("req", *curve, "-subj", "/CN=leaf", "-keyout", key, "-out", request),
        ("x509", "-req", "-in", request, "-CA", authority / "ca.crt", "-CAkey", authority / "ca.key",
         "-CAserial", folder / "tls.srl", "-CAcreateserial", "-days", "2",
         "-extfile", extensions, "-out", leaf),
    ):  # fmt: skip
        subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True)
    return leaf, key


def gateway(local: Local) -> str:
    """An address of this machine that builds reach, and that no other machine does."""
    return local.docker(
        "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"
    )


def processes_with(text: str) -> list[str]:
    """The command lines of all processes that have `text` in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (
                int(folder.name) != os.getpid()
                and text.encode() in (folder / "environ").read_bytes()
            ):
                found.append((folder / "cmdline").read_text().replace("\0", " "))
    return found
