"""`make contract-report`: how many mutants the suite kills, how often it blames good images.

With names (patterns), only those mutants, and no good image. `--good` is only the good images,
`--only` judges just the clause that each mutant has to break.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path

from buildkit.contract import suite
from buildkit.contract.clauses import clauses
from buildkit.engine import engine
from buildkit.model.image import Level
from tests.e2e.mutants import factory
from tests.e2e.mutants.all import every_mutant

ROOT = Path(__file__).resolve().parents[3]
BUILDKIT = Path(sys.executable).with_name("buildkit")
RUNS = 3
"""Good images are tried so often: a false alarm may be a matter of luck."""
PROJECTS = {
    ROOT / "tests/e2e/good": ("*",),
    ROOT: ("sklearn-*-py311", "basic-*-py311"),
}
ELSEWHERE = {"IMG-02", "IMG-03"}
"""No Dockerfile can break these: tests/e2e/verify/test_mutants.py does, with a registry and a name."""


def main(arguments: list[str]) -> int:
    options = {each for each in arguments if each.startswith("--")}
    patterns = [each for each in arguments if not each.startswith("--")]
    alarms = 0 if patterns else good()
    survivors = 0 if "--good" in options else kill(patterns or ["*"], only="--only" in options)
    return 1 if alarms or survivors else 0


def good() -> int:
    """The false alarms on good images: what keeps every clause, others, and our own."""
    everything = factory.build_good()
    alarms = 0
    for number in range(1, RUNS + 1):
        with engine.connect() as docker:
            report = factory.judge(everything, docker)
        document = [(each.id, each.status.value, each.message) for each in report.clauses]
        alarms += told("everything", number, document)
    for folder, targets in PROJECTS.items():
        with tempfile.TemporaryDirectory() as dist:
            _run("build", *targets, "--dist", dist, folder=folder)
            for number in range(1, RUNS + 1):
                found = _run("test", *targets, "--dist", dist, "--json", folder=folder)
                for target in json.loads(found)["targets"]:
                    report = target["report"]
                    document = [
                        (each["id"], each["status"], each["message"]) for each in report["clauses"]
                    ]
                    alarms += told(target["id"], number, document)
    print(f"{alarms} false alarms on good images, in {RUNS} runs of each\n")
    return alarms


def told(name: str, number: int, document: list[tuple[str, str, str]]) -> int:
    """Print how a good image fared; the number of clauses that blame it."""
    alarms = [each for each in document if each[1] in ("fail", "warn")]
    passed = sum(1 for each in document if each[1] == "pass")
    print(f"good {name}, run {number}: {passed} passed, {len(alarms)} false alarms")
    for id_, status, message in alarms:
        print(f"  {status} {id_}: {message[:500]}")
    sys.stdout.flush()
    return len(alarms)


def _run(*arguments: str, folder: Path) -> str:
    done = subprocess.run(
        [BUILDKIT, *arguments], cwd=folder, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode not in (0, 6):
        sys.exit(f"`buildkit {' '.join(arguments)}` in {folder} ended with {done.returncode}")
    return done.stdout


def kill(patterns: list[str], *, only: bool) -> int:
    """The mutants that survive."""
    mutants = {
        name: mutant
        for name, mutant in every_mutant().items()
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    verdicts = factory.judge_all(mutants, tell, only_its_clause=only)
    survivors = [each.name for each in verdicts if not each.killed]
    print(f"\nkilled {len(verdicts) - len(survivors)} of {len(verdicts)} mutants")
    if survivors:
        print(f"survived: {', '.join(survivors)}")
    others = [each for each in verdicts if each.others]
    print(f"{len(others)} mutants were also flagged for a clause that they were not said to break")
    if patterns == ["*"]:
        coverage({each.mutant.clause for each in verdicts if each.killed})
    return len(survivors)


def tell(verdict: factory.Verdict) -> None:
    word = "killed  " if verdict.killed else "SURVIVED"
    also = f"  also {', '.join(verdict.others)}" if verdict.others else ""
    seconds = f"{verdict.report.seconds:.0f} s"
    print(f"{word} {verdict.mutant.clause:<9} {verdict.name}  {seconds}{also}", flush=True)


def coverage(killed: set[str]) -> None:
    checked = {each.clause for each in suite.checks()}
    print(f"{len(checked)} of {len(clauses())} clauses are checked")
    for level in Level:
        of = [each for each in clauses() if clauses()[each].level is level and each in checked]
        without = [each for each in of if each not in killed | ELSEWHERE]
        print(f"  {level.value}: {len(of)} checked, {len(of) - len(without)} with a killed mutant")
        if without:
            print(f"    without one: {', '.join(without)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
