"""Load on a server: wrk in a container beside it, which shares its network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.build import mounts
from buildkit.config import substitution
from scripts.public.public_code import ca_bundle

if TYPE_CHECKING:
    import docker

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CONNECTIONS = 8


@dataclass(frozen=True, kw_only=True)
class Load:
    """`rate` in requests per second, `p50` and `p99` in milliseconds, `failed` in requests."""

    rate: float
    p50: float
    p99: float
    failed: int


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is sent to /invocations."""

    body: str
    content_type: str = "text/csv"
    accept: str = "text/csv"


def ask(
    engine: docker.DockerClient, server: str, request: Request, *, connections: int, seconds: int
) -> Load:
    """Ask a container as often as it answers, after as long a warm-up."""
    image = build("load", base="debian:bookworm-slim")
    for _ in range(2):
        output = engine.containers.run(
            image,
            [
                *("-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=60s", "-s/request.lua"),
                *("http://127.0.0.1:8080", "--"),
                *(request.content_type, request.accept, request.body),
            ],
            network_mode=f"container:{server}",
            remove=True,
        )
    return Load(**json.loads(output.decode().splitlines()[-1]))


@cache
def build(name: str, base: str = "python:3.11-slim-bookworm") -> str:
    """Build a folder of `serving`, with what the network needs as in any build."""
    tag = f"buildkit-bench:{name}"
    rules = substitution.parse(os.environ.get("BUILDKIT_SUBSTITUTE", "").split())
    bundle = ca_bundle()
    wheels = os.environ.get("BUILDKIT_WHEELS")
    network = mounts.Network(
        ca_bundle=Path(bundle) if bundle else None, wheels=Path(wheels) if wheels else None
    )
    with mounts.mounted(network) as pairs:
        run(
            *("docker", "buildx", "build", "--tag", tag, "--load", "--provenance=false"),
            f"--build-arg=BASE={substitution.substitute(base, rules) or base}",
            f"--build-context=wheels={wheels or ROOT / 'templates/nothing'}",
            *(f"--secret=id={key},src={path}" for key, path in pairs),
            str(HERE / "serving" / name),
        )
    return tag


def run(*command: str) -> str:
    """Run a program to its end, and end with it if it fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr[-3000:]}")
    return done.stdout
