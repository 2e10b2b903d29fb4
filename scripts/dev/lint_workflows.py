"""`make lint`: workflows and actions by schema, actionlint, zizmor; their scripts by shellcheck."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
ACTION = ROOT / "action.yml"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def main() -> None:
    schema(WORKFLOWS, "vendor.github-workflows")
    schema([ACTION], "vendor.github-actions")
    schema([ROOT / ".github/dependabot.yml"], "vendor.dependabot")
    run("actionlint", *map(str, WORKFLOWS))
    run("zizmor", "--offline", "--quiet", "--persona", "pedantic", str(ROOT))
    # actionlint looks into the scripts of workflows, and not of actions.
    for step in yaml.safe_load(ACTION.read_text())["runs"]["steps"]:
        if "run" in step:
            run("shellcheck", "--shell", "bash", "-", text=step["run"])


def schema(files: list[Path], name: str) -> None:
    run("check-jsonschema", "--quiet", "--builtin-schema", name, *map(str, files))


def run(*argv: str, text: str | None = None) -> None:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)}\n{done.stdout}{done.stderr}{text or ''}")


if __name__ == "__main__":
    main()
