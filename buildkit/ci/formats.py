"""Shards -> the format of CI: GitHub's matrix, GitLab's child pipeline, CodeBuild's batch. Pure.

GitHub: "Using a matrix for your jobs". GitLab: "Downstream pipelines", dynamic child pipelines.
AWS: "Batch build buildspec reference". The last two are YAML, which includes JSON.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from buildkit.support.amounts import count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from buildkit.ci.shards import Shard

MOST = {"github": 256, "gitlab": 200, "buildspec": 99}
"""The limits of each CI; CodeBuild's hundredth build is the one that publishes."""
MERGE = "buildkit merge $TARGETS --from shards"
PUBLISH = "buildkit push $TARGETS --complete"
BUILD = "buildkit build $TARGETS --stage --dist shards/$SHARD"


def github(shards: Sequence[Shard]) -> str:
    """Lines for `$GITHUB_OUTPUT`: the matrix for `fromJSON`, and all target ids in it."""
    cells = [
        {"shard": each.number, "targets": each.ids, "minutes": round(each.seconds / 60, 1)}
        for each in shards
    ]
    matrix = json.dumps({"include": cells}, separators=(",", ":"))
    return f"matrix={matrix}\ntargets={_all(shards)}"


def gitlab(shards: Sequence[Shard]) -> str:
    """The jobs; `default` and other settings are in the file that includes them."""
    jobs: dict[str, Any] = {"stages": ["build", "publish"]}
    for each in shards:
        jobs[f"build {each.number}/{len(shards)}"] = {
            "stage": "build",
            "variables": {"TARGETS": each.ids, "SHARD": str(each.number)},
            "script": [BUILD],
            "artifacts": {"paths": ["shards/"], "when": "always", "expire_in": "1 week"},
        }
    if shards:
        jobs["publish"] = {
            "stage": "publish",
            "variables": {"TARGETS": _all(shards)},
            "script": [MERGE, PUBLISH],
            "artifacts": {"paths": ["releases.jsonl"]},
        }
    else:
        jobs["nothing to build"] = {"stage": "build", "script": ["true"]}
    return json.dumps(jobs, indent=2)


def buildspec(shards: Sequence[Shard]) -> str:
    """A complete buildspec, for the shards and for the build that publishes.

    The records are kept in S3, at `$RECORDS`, in between.
    """
    graph = [_build(f"shard_{each.number}", each.ids, str(each.number)) for each in shards]
    if shards:
        publish = _build("publish", _all(shards), "publish")
        graph.append({**publish, "depend-on": [each["identifier"] for each in graph]})
    else:
        graph.append(_build("nothing", "", "nothing"))
    shard = (BUILD, 'aws s3 cp --recursive shards "$RECORDS/shards"')
    fetch = 'aws s3 cp --recursive "$RECORDS/shards" shards'
    keep = 'aws s3 cp releases.jsonl "$RECORDS/releases.jsonl"'
    last = (fetch, MERGE, PUBLISH, keep)
    command = (
        f'case "$SHARD" in publish) {" && ".join(last)} ;; nothing) echo "nothing to build" ;; '
        f"*) {' && '.join(shard)} ;; esac"
    )
    document = {
        "version": 0.2,
        "batch": {"fast-fail": False, "build-graph": graph},
        "phases": {"build": {"commands": [command]}},
    }
    return json.dumps(document, indent=2)


def _build(identifier: str, targets: str, shard: str) -> dict[str, Any]:
    return {
        "identifier": identifier,
        "env": {"variables": {"TARGETS": targets, "SHARD": shard}},
    }


def markdown(shards: Sequence[Shard]) -> str:
    """The matrix as a table."""
    if not shards:
        return "Nothing to build: all selected targets are released or unchanged."
    rows = [
        f"| `{target.id}` | `{target.image}` | {target.base} | {shard.number} |"
        for shard in shards
        for target in shard.targets
    ]
    longest = max(1, *(round(each.seconds / 60) for each in shards))
    parts = count(len(shards), "shard")
    return "\n".join(
        (
            f"{count(len(rows), 'target')} in {parts} of at most {count(longest, 'minute')}.",
            "",
            "| Target | Image | Base | Shard |",
            "| --- | --- | --- | --- |",
            *rows,
        )
    )


FORMATS: dict[str, Callable[[Sequence[Shard]], str]] = {
    "github": github,
    "gitlab": gitlab,
    "buildspec": buildspec,
    "markdown": markdown,
}


def _all(shards: Sequence[Shard]) -> str:
    return " ".join(each.ids for each in shards)
