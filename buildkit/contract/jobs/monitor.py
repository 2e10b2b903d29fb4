"""The clause of containers for Model Monitor: variables in, three JSON files out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Unseen, check
from buildkit.contract.engine import Start
from buildkit.contract.jobs import endings, processing, processing_job, training_job, training_runs
from buildkit.contract.scenario import observation

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.scenario import Bench

FILES = ("statistics.json", "constraints.json", "constraints_violations.json")
RESULTS = "processing/resultdata"
METRICS = "output/metrics/cloudwatch"
CAPTURE = f"{processing_job.INPUT}/capture"
CAPTURED = "endpoint/AllTraffic/2026/11/20/00/00-00-000-buildkit.jsonl"
HEAD = 64 * 1024


@observation("`docker run IMAGE` with Model Monitor's variables")
def monitored(bench: Bench) -> Run:
    processing.need_words(bench)
    if found := processing.interpreter(bench.engine.view(bench.subject.image)):
        raise Unseen(f"the image starts `{found}`, and each job passes its own script")
    work = processing_job.of(bench.subject.image, bench.subject.samples)
    work = replace(work, outputs=(RESULTS,))
    if work.inputs:
        name, path = work.inputs[0]
        work = replace(work, inputs=work.inputs[:1])
        source, kind = f"{processing_job.INPUT}/{name}", _kind(path)
    else:
        work = replace(work, files=((f"{CAPTURE}/{CAPTURED}", capture()),))
        source, kind = CAPTURE, _CAPTURE_KIND
    variables = {
        "dataset_format": json.dumps(kind),
        "dataset_source": f"/opt/ml/{source}",
        "output_path": f"/opt/ml/{RESULTS}",
        "publish_cloudwatch_metrics": "Enabled",
        "sagemaker_endpoint_name": "buildkit-endpoint",
        "sagemaker_monitoring_schedule_name": "buildkit-schedule",
        "start_time": "2026-11-20T00:00:00Z",
        "end_time": "2026-11-20T01:00:00Z",
    }
    work = replace(work, environment={**work.environment, **variables})
    return training_runs.train(bench, work, start=Start(), then=endings.to_its_end)


_CAPTURE_KIND: dict[str, object] = {
    "sagemakerCaptureJson": {"captureIndexNames": ["endpointInput", "endpointOutput"]}
}


def _kind(path: Path) -> dict[str, object]:
    """Model Monitor's name of the format of the samples, as far as file names show it."""
    files = training_job.files_of(path)
    if not files or files[0].suffix not in (".csv", ".json", ".jsonl"):
        return _CAPTURE_KIND
    with files[0].open("rb") as file:
        beginning = file.read(HEAD)
    if files[0].suffix == ".csv":
        return {"csv": {"header": any(byte >= ord("A") for byte in beginning.partition(b"\n")[0])}}
    return _CAPTURE_KIND if b'"captureData"' in beginning else {"json": {"line": True}}


def capture() -> bytes:
    """A file as data capture of an endpoint writes it."""
    return b"".join(
        json.dumps(
            {
                "captureData": {
                    "endpointInput": _side("INPUT", f"{number},{number * 2}"),
                    "endpointOutput": _side("OUTPUT", str(number % 2)),
                },
                "eventMetadata": {
                    "eventId": f"00000000-0000-0000-0000-{number:012}",
                    "inferenceTime": "2026-11-20T00:00:00Z",
                },
                "eventVersion": "0",
            }
        ).encode()
        + b"\n"
        for number in range(100)
    )


def _side(mode: str, data: str) -> dict[str, str]:
    return {"observedContentType": "text/csv", "mode": mode, "data": data, "encoding": "CSV"}


@check("MON-01", monitored)
def writes_three_files(run: Run) -> None:
    """The container ends with 0; the three files and each line of metrics are JSON."""
    if not run.good:
        raise Broken(f"with the variables of Model Monitor `docker run IMAGE` {run.evidence}")
    for name in FILES:
        found = [each for each in run.below(RESULTS) if each.name == f"{RESULTS}/{name}"]
        if not found or found[0].kind != "file":
            raise Broken(f"the container wrote no {name} to output_path, /opt/ml/{RESULTS}")
        if found[0].content is not None and not _is_json(found[0].content):
            raise Broken(f"{name} is not JSON: {found[0].content[:200]!r}")
    for each in run.below(METRICS):
        for line in (each.content or b"").splitlines():
            if line.strip() and not _is_json(line):
                raise Broken(f"/opt/ml/{each.name} has a line that is not JSON: {line[:200]!r}")


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except RecursionError:
        return True  # nested too deeply to parse here
    except ValueError:
        return False
    return True
