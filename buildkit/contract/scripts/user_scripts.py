"""The suite's own scripts, for images that run users' scripts: each records its input."""

from __future__ import annotations

import io
import tarfile

PROGRAM = "buildkit_probe.py"
LEFT = "model/buildkit_probe.json"
SAW_ALL = b"""\
import json, os, sys
what = {"argv": sys.argv[1:], "environ": dict(os.environ), "cwd": os.getcwd()}
with open("/opt/ml/model/buildkit_probe.json", "w") as file:
    json.dump(what, file)
print("buildkit_probe: done")
"""
"""A Python script that writes its arguments, variables and working directory to `LEFT`."""

DECOY = b"""\
print("buildkit_decoy: this is not the script that was asked for")
raise SystemExit(17)
"""
FAILS = b"""\
import sys
open("/opt/ml/model/buildkit_began", "w").close()
print("buildkit_probe: failing on purpose")
sys.exit(9)
"""
BEGAN = "model/buildkit_began"
STOPS = b"""\
import signal, sys, time
def stop(number, frame):
    open("/opt/ml/model/buildkit_stopped", "w").close()
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
open("/opt/ml/model/buildkit_began", "w").close()
print("buildkit_probe: waiting for SIGTERM")
sys.stdout.flush()
for _ in range(6000):
    time.sleep(0.1)
"""
"""Writes `BEGAN` once it handles SIGTERM, and `STOPPED` on SIGTERM."""
STOPPED = "model/buildkit_stopped"

SHELL = "buildkit_probe.sh"
WORDS = "model/buildkit_words"
SHELL_SAW_WORDS = b"""\
#!/bin/sh
printf '%s\\n' "$@" > /opt/ml/model/buildkit_words
echo "buildkit_probe: done"
"""
"""A shell script that writes its arguments to `WORDS`, one per line."""


def source_archive(name: str, content: bytes) -> bytes:
    """A sourcedir.tar.gz as an SDK makes it, with one script."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), 0o644
        tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
