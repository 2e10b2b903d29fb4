"""The local registry under host names of ECR, with TLS that the tool and the engine both verify."""

from __future__ import annotations

import fcntl
import os
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.support.parts import certificate, gateway, private_engine, relay
from tests.e2e.support.real import Local, exports, script
from tests.support.waiting import HANG, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTS = Path("/etc/hosts")


@contextmanager
def ecr_under(
    local: Local, folder: Path, *hosts: str, away: tuple[str, ...] = ()
) -> Iterator[Local]:
    """The tool's environment of a user of ECR, whose registries of these names are all one.

    Those that are `away` have no address until `names` gives them one. Port 443 and the file of
    host names are the machine's: others wait.
    """
    with Path(__file__).open() as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        with _ecr_under(local, folder, hosts, away) as found:
            yield found


@contextmanager
def _ecr_under(
    local: Local, folder: Path, hosts: tuple[str, ...], away: tuple[str, ...]
) -> Iterator[Local]:
    authority = private_engine(local) / "ca"
    leaf, key = certificate(authority, folder, *(f"DNS:{host}" for host in (*hosts, *away)))
    state = str(folder / "ecr")
    try:
        lines = script("registry", "up", "--state", state, "--tls-cert", str(leaf),
                       "--tls-key", str(key), "--listen", "127.0.0.2:443")  # fmt: skip
        found = exports(lines)
        bundle = str(authority / "bundle.crt")
        env = {
            **{name: text for name, text in local.env.items() if name != "BUILDKIT_REGISTRY"},
            "AWS_ENDPOINT_URL": found["AWS_ENDPOINT_URL"],
            "REQUESTS_CA_BUNDLE": bundle,
            "SSL_CERT_FILE": bundle,
            "NO_PROXY": "*",
            "no_proxy": "*",
        }
        with names(local, *hosts) as address, relay("127.0.0.2:443", host=address, port=443):
            yield replace(local, env=env)
    finally:
        script("registry", "down", "--state", state)


def pull(local: Local, host: str) -> str:
    """What docker says to a pull of an image that is not there."""
    argv = ["docker", "pull", f"{host}/nobody:1"]
    return subprocess.run(argv, env=local.env, capture_output=True, text=True, timeout=HANG).stderr


@contextmanager
def names(local: Local, *hosts: str) -> Iterator[str]:
    """ECR's names lead to the engine's own bridge, not to 127.0.0.1: of registries on 127.0.0.0/8
    Docker verifies no certificate."""
    address = gateway(local)
    line = f"{address} {' '.join(hosts)}\n"
    before = HOSTS.read_text()
    _replace(before + ("" if before.endswith("\n") else "\n") + line)
    try:
        # The engine may remember the old file for five seconds.
        wait_until(lambda: not any("no such host" in pull(local, host) for host in hosts))
        yield address
    finally:
        _replace(HOSTS.read_text().replace(line, ""))


def _replace(text: str) -> None:
    new = HOSTS.with_name(f".hosts.{os.getpid()}")
    new.write_text(text)
    new.chmod(HOSTS.stat().st_mode & 0o777)
    new.replace(HOSTS)
