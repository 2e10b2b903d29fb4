"""What a user of the SageMaker Python SDK writes to try an image in local mode: train, deploy, predict.

The SDK's own Python runs it in a folder: `job.json` holds the image, the estimator's other arguments
and a request per media type; `training/` is the data. The answers go to `answers.json`.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from sagemaker.deserializers import CSVDeserializer, JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.local import LocalSession
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer, JSONSerializer

ENDPOINT = "endpoint"
FORMATS = {
    "text/csv": (CSVSerializer(), CSVDeserializer()),
    "application/json": (JSONSerializer(), JSONDeserializer()),
}
NO_TELEMETRY = {
    "SchemaVersion": "1.0",
    "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
}


def main(folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text())
    containers = folder / "containers"
    containers.mkdir()
    local = {"container_root": str(containers), "local_code": True}
    session = LocalSession(sagemaker_config=NO_TELEMETRY)
    session.config = {"local": local}
    estimator = Estimator(
        image_uri=job["image"],
        role="arn:aws:iam::123456789012:role/any",
        instance_count=1,
        instance_type="local",
        output_path=f"file://{folder}/output",
        sagemaker_session=session,
        **job["estimator"],
    )
    estimator.fit({"training": f"file://{folder}/training"})

    # Only now, because nobody keeps a free port for us.
    session.config = {"local": {**local, "serving_port": free_port()}}
    try:
        # It ends when /ping is answered; waiting for the service as well is 30 seconds of sleep.
        estimator.deploy(1, "local", endpoint_name=ENDPOINT, wait=False)
        answers = {
            media_type: predict(session, media_type, data)
            for media_type, data in job["requests"].items()
        }
    finally:
        # After a failure too: this process does not end before its endpoint.
        session.delete_endpoint(ENDPOINT)
    (folder / "answers.json").write_text(json.dumps(answers))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def predict(session: LocalSession, media_type: str, data: Any) -> Any:
    return Predictor(ENDPOINT, session, *FORMATS[media_type]).predict(data)


if __name__ == "__main__":
    main(Path.cwd())
