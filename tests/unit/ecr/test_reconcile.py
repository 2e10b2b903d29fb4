"""`buildkit repo` and the repositories that a push makes, on moto's ECR in this process.

moto keeps what it is told; that a tag cannot be overwritten, that an image expires and that a
principal exists is ECR's business, and proven nowhere here.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from buildkit import cli
from buildkit.config.schema import RepositoriesTable
from buildkit.ecr import reconcile
from buildkit.ecr.drift import drift
from buildkit.ecr.places import Api, Place
from buildkit.ecr.reconcile import State
from buildkit.ecr.repositories import Repositories
from buildkit.ecr.wanted import Wanted, repository
from buildkit.support.errors import Exit, ToolError, UnavailableError
from tests.support.projects import MINIMAL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mypy_boto3_ecr import ECRClient

    from buildkit.ecr.drift import Found

ACCOUNT = "123456789012"
HOST = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"
COPY = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
PLACE = Place(host=HOST, api=Api.ECR, account=ACCOUNT, region="eu-west-1")
TWO_PLACES = f"""
[registry]
account = "{ACCOUNT}"
region = "eu-west-1"
copies = [{{ region = "us-east-1" }}]
"""
KEPT = """
[registry.repositories]
pull-accounts = ["210987654321"]
pull-sagemaker = true
tags = { team = "forecasting" }
"""
DEMO = MINIMAL + "template = 'basic'\n"
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECR", "AWS_PROFILE", "BUILDKIT_REGISTRY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(reconcile, "PAUSE_SECONDS", 0)
    with mock_aws():
        yield


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "images.toml"
    path.write_text(DEMO + TWO_PLACES + KEPT)
    monkeypatch.chdir(tmp_path)
    return path


@cache
def aws_client(region: str = "eu-west-1") -> ECRClient:
    """One for all tests: boto3 reads the API's model for each."""
    return boto3.client("ecr", region_name=region)


def want(**keys: Any) -> Wanted:
    table = RepositoriesTable.model_validate(keys)
    return repository("demo", table, tags=["1.0"], aliases=["latest"])


def read(region: str = "eu-west-1") -> Found:
    found = Repositories(place=replace(PLACE, region=region)).read("demo")
    assert found is not None
    return found


# a push


def test_a_push_makes_a_repository_that_is_as_wanted_and_leaves_one_that_is_there() -> None:
    asked = want(**{"pull-accounts": ["210987654321"], "tags": {"team": "forecasting"}})
    assert Repositories(place=PLACE).ensure(asked)
    found = read()
    assert drift(asked, found) == ()
    assert found.filters == ("cache-*", "latest", "sha256-*")
    assert found.tags == (("managed-by", "buildkit"), ("team", "forecasting"))
    assert found.lifecycle is not None
    assert not Repositories(place=PLACE).ensure(want(**{"scan-on-push": False}))
    assert read() == found


def test_a_push_to_a_repository_that_is_there_only_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    aws_client().create_repository(repositoryName="demo")
    monkeypatch.setattr(Repositories, "create", lambda *_: pytest.fail("it may not be allowed to"))
    assert not Repositories(place=PLACE).ensure(want())


def test_a_push_that_fails_names_the_repository() -> None:
    too_short = replace(want(), name="x")
    with pytest.raises(
        ToolError, match="repository `x`: checking whether the repository exists: "
    ) as caught:
        Repositories(place=PLACE).ensure(too_short)
    assert caught.value.hint


def test_arns_are_of_the_partition() -> None:
    host = f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn"
    place = Place(host=host, api=Api.ECR, account=ACCOUNT, region="cn-north-1")
    assert Repositories(place=place).ensure(want(**{"pull-accounts": ["210987654321"]}))
    assert "arn:aws-cn:iam::210987654321:root" in json.dumps(read("cn-north-1").policy)


def test_encryption_is_settled_by_the_push() -> None:
    asked = want(encryption="KMS", **{"kms-key": "alias/mine"})
    assert Repositories(place=PLACE).ensure(asked)
    assert (read().encryption, read().kms_key) == ("KMS", "alias/mine")


# plan and apply


def test_apply_makes_a_plan_of_nothing(project: Path, capsys: Captured) -> None:
    assert cli.run(["repo", "plan", "--check"]) == Exit.DRIFT
    assert capsys.readouterr().out == f"{HOST}/demo  missing\n{COPY}/demo  missing\n"
    assert cli.run(["repo", "apply"]) == Exit.DONE
    assert capsys.readouterr().out == f"{HOST}/demo  created\n{COPY}/demo  created\n"
    assert cli.run(["repo", "plan", "--check"]) == Exit.DONE
    assert capsys.readouterr().out == f"{HOST}/demo  up to date\n{COPY}/demo  up to date\n"
    assert cli.run(["repo", "apply"]) == Exit.DONE
    assert capsys.readouterr().out == f"{HOST}/demo  up to date\n{COPY}/demo  up to date\n"


def test_drift_is_shown_and_mended_and_what_others_added_stays(
    project: Path, capsys: Captured
) -> None:
    assert cli.run(["repo", "apply"]) == Exit.DONE
    theirs = {"Sid": "Auditors", "Effect": "Allow", "Principal": "*", "Action": "ecr:ListImages"}
    there = aws_client()
    before = read()
    policy = {**(before.policy or {}), "Statement": [theirs]}
    there.set_repository_policy(repositoryName="demo", policyText=json.dumps(policy))
    there.put_image_tag_mutability(repositoryName="demo", imageTagMutability="MUTABLE")
    there.tag_resource(
        resourceArn=before.arn,
        tags=[{"Key": "team", "Value": "old"}, {"Key": "more", "Value": "stays"}],
    )
    capsys.readouterr()

    told = [
        f"{HOST}/demo  differs",
        "  tag immutability: MUTABLE -> IMMUTABLE_WITH_EXCLUSION (cache-*, sha256-*)",
        "  pull policy: none -> arn:aws:iam::210987654321:root, sagemaker.amazonaws.com",
        "  tags: team=old -> team=forecasting",
        f"{COPY}/demo  up to date",
    ]
    assert cli.run(["repo", "plan"]) == Exit.DONE
    assert capsys.readouterr() == ("\n".join([*told, ""]), "")
    assert cli.run(["repo", "plan", "--check"]) == Exit.DRIFT
    capsys.readouterr()

    assert cli.run(["repo", "apply"]) == Exit.DONE
    told[0] = f"{HOST}/demo  changed"
    assert capsys.readouterr().out == "\n".join([*told, ""])
    after = read()
    assert after.policy is not None
    assert theirs in after.policy["Statement"]
    assert ("more", "stays") in after.tags
    assert cli.run(["repo", "plan", "--check"]) == Exit.DONE


def test_what_is_not_ours_is_left_until_it_is_adopted(project: Path, capsys: Captured) -> None:
    aws_client().create_repository(repositoryName="demo")
    before = read()
    assert cli.run(["repo", "apply"]) == Exit.DONE
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{HOST}/demo  not managed"
    assert "`buildkit repo apply --adopt demo` would take over this repository" in said[1]
    assert said[-1] == f"{COPY}/demo  created"
    assert read() == before
    assert cli.run(["repo", "plan", "--check"]) == Exit.DONE

    assert cli.run(["repo", "apply", "--adopt", "demo"]) == Exit.DONE
    assert read().ours
    capsys.readouterr()
    assert cli.run(["repo", "plan", "--check"]) == Exit.DONE
    assert capsys.readouterr().out.splitlines()[0] == f"{HOST}/demo  up to date"


def test_nobody_adopts_what_is_not_selected(project: Path, capsys: Captured) -> None:
    assert cli.run(["repo", "apply", "--adopt", "other"]) == Exit.NOTHING_SELECTED
    assert "hint: the repositories are: `demo`" in capsys.readouterr().err
    assert aws_client().describe_repositories()["repositories"] == []


def test_encryption_that_cannot_be_changed_is_told_by_words_and_code(
    project: Path, capsys: Captured
) -> None:
    assert cli.run(["repo", "apply"]) == Exit.DONE
    project.write_text(DEMO + TWO_PLACES + KEPT.replace("]\n", ']\nencryption = "KMS"\n', 1))
    capsys.readouterr()
    assert cli.run(["repo", "plan"]) == Exit.DONE
    assert cli.run(["repo", "apply"]) == Exit.DRIFT
    said = capsys.readouterr().out
    assert "  encryption: AES256 -> KMS (cannot be changed: recreate" in said
    assert f"{HOST}/demo  differs\n" in said
    assert read().encryption == "AES256"


def test_the_encryption_of_what_is_adopted_is_told_too(project: Path, capsys: Captured) -> None:
    kms: Any = {"encryptionType": "KMS"}
    aws_client().create_repository(repositoryName="demo", encryptionConfiguration=kms)
    assert cli.run(["repo", "apply"]) == Exit.DONE
    capsys.readouterr()
    assert cli.run(["repo", "apply", "--adopt", "demo"]) == Exit.DRIFT
    said = capsys.readouterr().out
    assert f"{HOST}/demo  changed\n" in said
    assert ") -> AES256 (cannot be changed" in said


def test_json_says_the_same(project: Path, capsys: Captured) -> None:
    aws_client().create_repository(
        repositoryName="demo", tags=[{"Key": "managed-by", "Value": "buildkit"}]
    )
    assert cli.run(["repo", "plan", "--json"]) == Exit.DONE
    first, second = json.loads(capsys.readouterr().out)["repositories"]
    assert (first["registry"], first["region"], first["name"]) == (HOST, "eu-west-1", "demo")
    assert first["state"] == "differs"
    assert {"what": "scan on push", "before": "off", "after": "on", "fixable": True} in first[
        "changes"
    ]
    assert second["state"] == "missing"
    assert second["changes"] == []


def test_only_the_selected_repositories_are_touched(project: Path, capsys: Captured) -> None:
    more = "\n[image.other]\nversions = ['1.0']\nbase = 'b'\n"
    project.write_text(DEMO + more + TWO_PLACES)
    assert cli.run(["repo", "apply", "other*"]) == Exit.DONE
    assert capsys.readouterr().out == f"{HOST}/other  created\n{COPY}/other  created\n"
    with pytest.raises(aws_client().exceptions.RepositoryNotFoundException):
        aws_client().describe_repositories(repositoryNames=["demo"])


def test_targets_that_are_not_selected_count_in_their_repository(project: Path) -> None:
    more = "\n[image.other]\nversions = ['2.0']\nbase = 'b'\nrepository = 'demo'\n"
    latest = "aliases = ['{name}-latest']\ntag = 'v-{name}-{version}'\n"
    project.write_text(DEMO + latest + more + latest + TWO_PLACES)
    assert cli.run(["repo", "apply", "demo*"]) == Exit.DONE
    assert read().filters == ("cache-*", "demo-*", "other-*", "sha256-*")


def test_a_place_that_fails_stops_no_other(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    project.write_text(project.read_text().replace('"us-east-1"', '"us-east-1", profile = "gone"'))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(project.with_name("none")))
    assert cli.run(["repo", "apply"]) == Exit.TOOL
    said = capsys.readouterr()
    assert said.out == f"{HOST}/demo  created\n"
    assert f"error: {COPY}: demo: connecting to AWS" in said.err
    assert "1 of 2 repositories failed" in said.err
    assert cli.run(["repo", "plan", "--json"]) == Exit.TOOL
    _, failed = json.loads(capsys.readouterr().out)["repositories"]
    assert (failed["state"], failed["error"]["code"]) == ("failed", 5)


def test_a_registry_that_does_not_answer_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def read(_there: Repositories, name: str) -> None:
        asked.append(name)
        raise UnavailableError("ECR does not answer")

    monkeypatch.setattr(Repositories, "read", read)
    found = reconcile.plan([PLACE], [replace(want(), name=name) for name in ("one", "two")])
    assert [(each.name, each.state, str(each.error)) for each in found] == [
        ("one", State.FAILED, "ECR does not answer"),
        ("two", State.FAILED, "ECR does not answer"),
    ]
    assert asked == ["one"]


def test_a_registry_without_repositories_of_ecr_is_refused(project: Path, capsys: Captured) -> None:
    assert cli.run(["repo", "plan", "--registry", "public.ecr.aws"]) == Exit.USAGE
    assert "public.ecr.aws is not a private ECR registry" in capsys.readouterr().err


# others at the same time


def test_a_repository_that_somebody_else_makes_first_is_left_to_him() -> None:
    there = Repositories(place=PLACE)
    assert there.create(want())
    before = read()
    assert not there.create(want(**{"scan-on-push": False}))
    assert read() == before


def test_a_repository_that_is_gone_meanwhile_is_made_again() -> None:
    class Deleting(Repositories):
        """Somebody deletes it once, between the reading and the mending."""

        def update(self, *arguments: Any) -> None:
            if not seen:
                seen.append(self.client.delete_repository(repositoryName="demo"))
            super().update(*arguments)

    seen: list[object] = []
    aws_client().create_repository(repositoryName="demo")
    found = reconcile._reconcile(Deleting(place=PLACE), want(), adopted=True)
    assert (len(seen), found.state) == (1, State.CREATED)
    assert drift(want(), read()) == ()


def test_a_repository_that_is_gone_before_it_is_read_to_the_end_is_none() -> None:
    class Vanishing(Repositories):
        def _describe(self, name: str) -> Any:
            found = super()._describe(name)
            self.client.delete_repository(repositoryName=name)
            return found

    Repositories(place=PLACE).create(want())
    assert Vanishing(place=PLACE).read("demo") is None


def test_whoever_changes_it_all_the_time_is_told_of() -> None:
    class Meddling(Repositories):
        def read(self, name: str) -> Found | None:
            self.client.put_image_tag_mutability(repositoryName=name, imageTagMutability="MUTABLE")
            return super().read(name)

    Repositories(place=PLACE).create(want())
    with pytest.raises(ToolError, match="still differs after 3 updates"):
        reconcile._reconcile(Meddling(place=PLACE), want(), adopted=False)


def test_a_lifecycle_that_somebody_else_removed_first_is_gone() -> None:
    there = Repositories(place=PLACE)
    there.create(want())
    found = read()
    there.client.delete_lifecycle_policy(repositoryName="demo")
    nothing = want(**{"untagged-days": 0, "cache-days": 0})
    there.update(nothing, found, drift(nothing, found))
    assert read().lifecycle is None


# refusals


@pytest.mark.parametrize(
    ("message", "action"),
    [
        ("me is not authorized to perform: ecr:ListTagsForResource on x", "ecr:ListTagsForResource"),
        ("no", "ecr:DescribeRepositories"),
    ],
)  # fmt: skip
def test_a_denied_action_is_named(message: str, action: str) -> None:
    there = Repositories(place=PLACE)
    with Stubber(there.client) as stub:
        stub.add_client_error("describe_repositories", "AccessDeniedException", message)
        with pytest.raises(ToolError) as caught:
            there.read("demo")
    assert f"`{action}`" in (caught.value.hint or "")


def test_a_principal_that_ecr_does_not_know_is_guessed() -> None:
    there = Repositories(place=PLACE)
    there.create(want())
    asked, found = want(**{"pull-accounts": ["210987654321"]}), read()
    with Stubber(there.client) as stub:
        stub.add_client_error("set_repository_policy", "InvalidParameterException", "bad policy")
        with pytest.raises(ToolError) as caught:
            there.update(asked, found, drift(asked, found))
    assert "`pull-accounts` and `pull-roles`" in (caught.value.hint or "")


def test_aliases_that_ecr_cannot_keep_apart_are_a_problem_of_the_file(
    project: Path, capsys: Captured
) -> None:
    aliases = "aliases = ['a-latest', 'b-latest', 'c-latest', 'd-latest']\n"
    project.write_text(DEMO + aliases + TWO_PLACES)
    assert cli.run(["repo", "plan"]) == Exit.USAGE
    said = capsys.readouterr().err
    assert "registry.repositories: `demo`: the aliases need 6 filters" in said
