"""The image `script-mode-s3` against a real S3 API: what it loads from there, and what it refuses."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests

from tests.e2e.support.parts import gateway, relay
from tests.e2e.support.real import ROOT
from tests.support.waiting import HANG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.support.real import Local

TARGET = "script-mode-s3-1.0-cpu-py311"
EXAMPLES = ROOT / "examples"
BUCKET = "code"
SOURCE = f"s3://{BUCKET}/sourcedir.tar.gz"
KEYS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


@dataclass(frozen=True)
class Ended:
    code: int
    log: str
    failure: str


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Objects in the bucket, and jobs whose containers reach it."""

    local: Local
    image: str
    endpoint: str
    s3: Any
    scratch: Path

    def put(self, key: str, *members: tuple[tarfile.TarInfo, bytes]) -> str:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for member, content in members:
                tar.addfile(member, io.BytesIO(content))
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=packed.getvalue())
        return f"s3://{BUCKET}/{key}"

    def train(
        self, location: str, *options: str, program: str = "train.py", **variables: str
    ) -> Ended:
        tree = self.scratch / uuid.uuid4().hex
        (tree / "input" / "config").mkdir(parents=True)
        hyperparameters = {
            "sagemaker_program": json.dumps(program),
            "sagemaker_submit_directory": json.dumps(location),
            "scale": "1.0",
        }
        config = {"hyperparameters": hyperparameters, "inputdataconfig": {"training": {}}}
        for name, value in config.items():
            (tree / "input" / "config" / f"{name}.json").write_text(json.dumps(value))
        env = {"AWS_ENDPOINT_URL_S3": self.endpoint, "AWS_EC2_METADATA_DISABLED": "true"}
        given = [f"--env={name}={value}" for name, value in {**env, **variables}.items()]
        job = self.local.docker("create", *given, *options, self.image, "train")
        try:
            self.local.docker("cp", f"{tree}/.", f"{job}:/opt/ml")
            data = EXAMPLES / "iris" / "training"
            (tree / "data").mkdir()
            self.local.docker("cp", str(tree / "data"), f"{job}:/opt/ml/input")
            self.local.docker("cp", str(data), f"{job}:/opt/ml/input/data/training")
            done = subprocess.run(
                ["docker", "start", "--attach", job],
                env=self.local.env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=HANG,
            )
            return Ended(done.returncode, done.stdout, self.failure(job))
        finally:
            self.local.docker("rm", "--force", "--volumes", job)

    def failure(self, job: str) -> str:
        done = subprocess.run(
            ["docker", "cp", f"{job}:/opt/ml/output/failure", "-"],
            env=self.local.env,
            capture_output=True,
        )
        if done.returncode:
            return ""
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
            file = tar.extractfile("failure")
            assert file is not None
            return file.read().decode()


@pytest.fixture(scope="module")
def bench(local: Local, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    scratch = tmp_path_factory.mktemp("jobs")
    dist = str(scratch / "dist")
    done = local.buildkit("build", TARGET, "--json", "--dist", dist, folder=ROOT)
    assert done.code == 0, done.stderr
    (target,) = done.json["targets"]
    s3 = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=local.env["AWS_ENDPOINT_URL"],
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    s3.create_bucket(Bucket=BUCKET)
    address = local.env["AWS_ENDPOINT_URL"].removeprefix("http://")
    with relay(address, host=gateway(local)) as road:
        made = Bench(
            local=local,
            image=target["image"],
            endpoint=f"http://{road.address}",
            s3=s3,
            scratch=scratch,
        )
        code = sorted((EXAMPLES / "script-mode").glob("*.py"))
        made.put("sourcedir.tar.gz", *(member(path.name, path.read_bytes()) for path in code))
        yield made


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    found = tarfile.TarInfo(name)
    found.size = len(content)
    for field, value in fields.items():
        setattr(found, field, value)
    return found, content


@contextmanager
def only_known_keys(local: Local) -> Iterator[None]:
    """The API refuses access keys that nobody made, as AWS does."""
    address = f"{local.env['AWS_ENDPOINT_URL']}/moto-api/reset-auth"
    requests.post(address, data="0", timeout=HANG).raise_for_status()
    try:
        yield
    finally:
        requests.post(address, data="inf", timeout=HANG).raise_for_status()


def test_a_script_and_what_it_imports_come_from_s3_and_train(bench: Bench) -> None:
    ended = bench.train(SOURCE, **KEYS)
    assert (ended.code, ended.failure) == (0, ""), ended.log
    accuracy = float(ended.log.partition("accuracy=")[2].split()[0])
    assert accuracy > 0.8


def test_a_single_file_may_be_the_source(bench: Bench) -> None:
    bench.s3.put_object(Bucket=BUCKET, Key="alone/hello.py", Body=b"print('hello from S3')\n")
    ended = bench.train(f"s3://{BUCKET}/alone/hello.py", program="hello.py", **KEYS)
    assert (ended.code, "hello from S3" in ended.log) == (0, True), ended.log


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        pytest.param("s3://nobodys-bucket/a.tar.gz", "NoSuchBucket", id="bucket"),
        pytest.param(f"s3://{BUCKET}/absent.tar.gz", "NoSuchKey", id="key"),
    ],
)
def test_a_wrong_place_is_told_as_s3_tells_it(bench: Bench, location: str, reason: str) -> None:
    ended = bench.train(location, **KEYS)
    assert ended.code == 1
    assert ended.failure.startswith(f"cannot download {location}: ")
    assert reason in ended.failure
    assert len(ended.failure.splitlines()) == 1
    assert "Traceback" not in ended.log


def test_wrong_and_missing_credentials_are_told(bench: Bench) -> None:
    with only_known_keys(bench.local):
        ended = bench.train(SOURCE, AWS_ACCESS_KEY_ID="unknown", AWS_SECRET_ACCESS_KEY="wrong")
    assert ended.code == 1
    assert ended.failure.startswith(f"cannot download {SOURCE}: ")
    assert "InvalidAccessKeyId" in ended.failure
    ended = bench.train(SOURCE)
    assert ended.code == 1
    assert ended.failure == f"cannot download {SOURCE}: Unable to locate credentials"


@pytest.mark.parametrize(
    ("hostile", "reason"),
    [
        pytest.param(
            member("../train.py", b"print('out')"),
            "holds `../train.py`, which would be unpacked outside the code folder",
            id="parent",
        ),
        pytest.param(
            member("train.py", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
            "holds `train.py`, a link to `/etc/passwd`, which is not in it",
            id="link",
        ),
        pytest.param(
            member("train.py", bytes(64 << 20)),
            f"holds `train.py` of {64 << 20} bytes, more than the {16 << 20} that are free in /opt/ml/code",
            id="huge",
        ),
    ],
)
def test_a_hostile_archive_is_refused(
    bench: Bench, hostile: tuple[tarfile.TarInfo, bytes], reason: str
) -> None:
    location = bench.put("hostile.tar.gz", hostile)
    ended = bench.train(location, "--tmpfs=/opt/ml/code:size=16m", **KEYS)
    assert (ended.code, ended.failure) == (1, f"{location} {reason}")
    assert "Traceback" not in ended.log
