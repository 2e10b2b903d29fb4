"""Measure `buildkit uri` against the SageMaker SDK and bare Python, in turn, and judge it.

    .venv/bin/python scripts/bench/bench_uri.py "$(scripts/dev/sdk core)"

Ends with 1 if a bound does not hold.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.ledger import ledger
from buildkit.ledger.record import Action, Image, Release, Verdict
from buildkit.prebuilt import facts
from buildkit.prebuilt.lookup import look_up
from buildkit.prebuilt.question import Query

if TYPE_CHECKING:
    from collections.abc import Sequence

ATTEMPTS = 2
SDK_RUNS = 7
RUNS = 21
SECOND = 1.0
TURN = 0.1
"""Seconds of lookups at a time."""
BY_THE_SDK = 1 / 30
BY_PYTHON = 6
LOOKUPS = 50_000
IMPORT = 0.030
RECORDS = 100
LONG = 20_000
"""Records of a ledger of 14 MiB."""
BY_JSON = 3.0
LONG_RUNS = 5
SDK = (
    "from sagemaker.core import image_uris; print(image_uris.retrieve('pytorch', 'cn-north-1', "
    "version='2.3', py_version='py311', instance_type='ml.g5.xlarge', image_scope='training'))"
)
API = (
    "import time; start = time.perf_counter(); from buildkit import image_uri; "
    "print(time.perf_counter() - start)"
)
AWS = (
    "uri", "pytorch", "--prebuilt", "--version=2.3", "--purpose=training", "--device=gpu",
    "--python=py311", "--region=cn-north-1",
)  # fmt: skip
OWN = ("uri", "demo", "--version=1.99", "--device=cpu", "--python=3.11")


def main() -> int:
    for attempt in range(ATTEMPTS):
        lines, good = measure(sys.argv[1])
        print("\n".join(lines))
        if good:
            return 0
        if attempt + 1 < ATTEMPTS:
            print("measuring again: the machine may have been busy")
    return 1


def measure(sdk: str) -> tuple[list[str], bool]:
    """What was found, line by line, and whether all bounds hold."""
    here = sys.executable
    tool = str(Path(here).with_name("buildkit"))
    # Without compiled modules, each run would compile the tool again.
    env = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        write_ledger(Path(folder), RECORDS)
        bare, aws, own, theirs = (
            Command(each, Path(folder), env)
            for each in ([here, "-c", "pass"], [tool, *AWS], [tool, *OWN], [sdk, "-c", SDK])
        )
        for number in range(RUNS):
            for each in (bare, aws, own, *((theirs,) if number < SDK_RUNS else ())):
                each.run()
        api = [float(Command([here, "-c", API], Path(folder), env).run()) for _ in range(RUNS)]
    lookups = [LOOKUPS / speed() for _ in range(RUNS)]
    lines = [f"bare Python {bare.median * 1000:.0f} ms, the SDK {theirs.median * 1000:.0f} ms"]
    good = [
        judge(lines, f"{name}, by bare Python", each.by(bare), BY_PYTHON)
        for name, each in (("AWS's", aws), (f"own of {RECORDS} records", own))
    ]
    good += [
        judge(lines, "AWS's, by the SDK", aws.by(theirs), BY_THE_SDK),
        judge(lines, f"own of {LONG} records, by their JSON", of_a_long_ledger(), BY_JSON),
        judge(
            lines, "seconds of the import of the API", (statistics.median(api), min(api)), IMPORT
        ),
        judge(
            lines,
            "seconds of 50,000 lookups in a process",
            (statistics.median(lookups), min(lookups)),
            SECOND,
        ),
    ]
    return lines, all(good)


class Command:
    """A command that is run again and again."""

    def __init__(self, argv: list[str], folder: Path, env: dict[str, str]) -> None:
        self.argv, self.folder, self.env = argv, folder, env
        self.seconds: list[float] = []
        self.run()  # to have its files in memory
        self.seconds.clear()

    def run(self) -> str:
        start = time.perf_counter()
        done = subprocess.run(
            self.argv, cwd=self.folder, env=self.env, check=True, capture_output=True, text=True
        )
        self.seconds.append(time.perf_counter() - start)
        return done.stdout

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def by(self, other: Command) -> tuple[float, float]:
        """By the medians, and by the quickest turns, which a busy machine leaves as they are."""
        return self.median / other.median, min(self.seconds) / min(other.seconds)


def judge(lines: list[str], what: str, found: Sequence[float], most: float) -> bool:
    """Either will do: the median, or the quickest turn."""
    good = min(found) <= most
    shown = ", fastest ".join(f"{each:.4f}" for each in found)
    lines.append(f"{what}: {shown}, at most {most:.4f}{'' if good else ': TOO MUCH'}")
    return good


def speed() -> float:
    """Lookups a second, of one image of every framework and version."""
    queries = []
    for framework in facts.frameworks():
        for names in dict.fromkeys(entry.names for entry in facts.entries(framework)):
            entry = next(each for each in facts.entries(framework) if each.names == names)
            queries.append(
                Query(
                    framework,
                    region=min(entry.regions),
                    version=names[0] or None,
                    python=entry.python,
                    device=entry.device,
                    purpose=None if entry.purpose == facts.ANY else entry.purpose,
                    base_framework=next(iter(entry.bases), None),
                )
            )
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < TURN:
        for query in queries:
            look_up(query)
        count += len(queries)
    return count / (time.perf_counter() - start)


def of_a_long_ledger() -> tuple[float, float]:
    """Processor time to read a ledger for one version, by that to parse its lines as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        write_ledger(Path(folder), LONG)
        path = Path(folder) / ledger.NAME
        parsing, reading = [], []
        for _ in range(LONG_RUNS):
            start = time.process_time()
            for line in path.read_text().split("\n"):
                json.loads(line)
            middle = time.process_time()
            if len(ledger.read_file(str(path), ["demo", f"1.{LONG - 1}"])) != 1:
                raise SystemExit("the record was not found")
            parsing.append(middle - start)
            reading.append(time.process_time() - middle)
    return statistics.median(reading) / statistics.median(parsing), min(reading) / min(parsing)


def write_ledger(folder: Path, records: int) -> None:
    lines = []
    for number in range(records):
        tag = f"1.{number}-cpu-py311"
        image = Image(
            target=f"demo-{tag}", name="demo", version=f"1.{number}", device="cpu", python="3.11",
            purpose="both", repository="demo", tag=tag, digest=f"sha256:{number:064x}",
            config_digest=f"sha256:{number:064x}", size=1, locations=(f"r.example/demo:{tag}",),
            origin=None, verdict=Verdict(
                profile="smoke", suite="s", passed=1, warned=0, skipped=0, seconds=1.0
            ),
        )  # fmt: skip
        lines.append(
            ledger.text(
                Release(
                    id=f"20261121T161654-{number:08x}",
                    time="2026-11-21T16:16:54Z",
                    action=Action.PUBLISH,
                    tool="0",
                    commit=None,
                    images=(image,),
                )
            )
        )
    (folder / ledger.NAME).write_text("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
