"""`make contract-report`: how many mutants the suite kills, how many good images it blames.

With names, only those mutants; with `--only`, only the clause that each has to break; `--good`
is only the image that keeps every clause.
"""

from __future__ import annotations

import sys
import time
from fnmatch import fnmatchcase
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from buildkit import engine
from buildkit.contract.catalogue import clauses
from buildkit.contract.suite import CHECKS
from buildkit.model import Level, Status
from tests.e2e.mutants import factory
from tests.e2e.mutants.all import every_mutant


def main(arguments: list[str]) -> int:
    options = {each for each in arguments if each.startswith("--")}
    patterns = [each for each in arguments if not each.startswith("--")] or ["*"]
    mutants = {
        name: mutant
        for name, mutant in every_mutant().items()
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    alarms = good() if patterns == ["*"] or "--good" in options else 0
    if "--good" in options:
        return 1 if alarms else 0
    verdicts = factory.judge_all(mutants, tell, only_its_clause="--only" in options)
    survivors = [each.name for each in verdicts if not each.killed]
    print(f"\nkilled {len(verdicts) - len(survivors)} of {len(verdicts)} mutants")
    if survivors:
        print(f"survived: {', '.join(survivors)}")
    others = [each for each in verdicts if each.others]
    print(f"{len(others)} mutants were also flagged for a clause that they were not said to break")
    if patterns == ["*"]:
        coverage({each.mutant.clause for each in verdicts if each.killed})
    return 1 if survivors or alarms else 0


def good() -> int:
    """The false alarms on the image that keeps every clause."""
    image = factory.build_good()
    began = time.monotonic()
    report = factory.judge(image, engine.connect())
    passed = sum(1 for each in report.clauses if each.status is Status.PASS)
    alarms = factory.flagged(report)
    print(f"good: {passed} passed, {len(alarms)} false alarms, {time.monotonic() - began:.0f} s")
    for each in report.clauses:
        if each.status is not Status.PASS:
            print(f"  {each.status.value} {each.id}: {each.message[:600]}")
    return len(alarms)


def tell(verdict: factory.Verdict) -> None:
    word = "killed  " if verdict.killed else "SURVIVED"
    also = f"  also {', '.join(verdict.others)}" if verdict.others else ""
    print(
        f"{word} {verdict.mutant.clause:<9} {verdict.name} {verdict.report.seconds:.0f} s{also}",
        flush=True,
    )


def coverage(killed: set[str]) -> None:
    checked = {each.clause for each in CHECKS}
    print(f"{len(checked)} of {len(clauses())} clauses are checked")
    for level in Level:
        of = [each for each in clauses() if clauses()[each].level is level and each in checked]
        without = [each for each in of if each not in killed]
        print(f"  {level.value}: {len(of)} checked, {len(of) - len(without)} with a killed mutant")
        if without and level is Level.REQUIRED:
            print(f"    without one: {', '.join(without)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
