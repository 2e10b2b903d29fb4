"""Download an object from S3, with the job's role (TTK-04)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from buildkit_runtime.failure import JobFailure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Without a route to S3, a job should fail soon, not after minutes (ISO-03).
_LIMITS = Config(connect_timeout=10, retries={"max_attempts": 3})


def download(location: str, path: Path, variables: Mapping[str, str]) -> None:
    """Raises JobFailure with the message of S3."""
    bucket, _, key = location[len("s3://") :].partition("/")
    client: Any = boto3.client(
        "s3",
        region_name=variables.get("AWS_REGION") or variables.get("SAGEMAKER_REGION"),
        endpoint_url=variables.get("S3_ENDPOINT_URL"),
        config=_LIMITS,
    )
    try:
        # A download begins with HEAD, whose errors have no reason.
        client.get_object(Bucket=bucket, Key=key)["Body"].close()
        client.download_file(bucket, key, os.fspath(path))
    except (BotoCoreError, Boto3Error, ClientError) as error:
        raise JobFailure(f"cannot download {location}: {error}") from error
