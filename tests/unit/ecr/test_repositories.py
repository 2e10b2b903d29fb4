"""What a repository should be, and how it differs from what ECR shows: no AWS here."""

from __future__ import annotations

import json
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest

from buildkit.config.schema import RepositoriesTable
from buildkit.ecr import policies
from buildkit.ecr.drift import Aspect, Change, Found, drift
from buildkit.ecr.wanted import Wanted, repositories, repository
from buildkit.model import tag_filters
from buildkit.support.errors import ConfigError, ToolError
from tests.support.projects import MINIMAL, parse, targets

if TYPE_CHECKING:
    from collections.abc import Sequence

ACCOUNT = "210987654321"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service-role/SageMaker"
ARN = "arn:aws:ecr:eu-west-1:123456789012:repository/demo"
FIXED = ("cache-*", "sha256-*")
THEIRS: dict[str, Any] = {
    "rulePriority": 1,
    "description": "keep ten",
    "selection": {
        "tagStatus": "tagged",
        "tagPrefixList": ["dev-"],
        "countType": "imageCountMoreThan",
        "countNumber": 10,
    },
    "action": {"type": "expire"},
}
STATEMENT = {"Sid": "Auditors", "Effect": "Allow", "Principal": "*", "Action": "ecr:ListImages"}


def table(**keys: Any) -> RepositoriesTable:
    return RepositoriesTable.model_validate({k.replace("_", "-"): v for k, v in keys.items()})


def want(*, aliases: Sequence[str] = (), **keys: Any) -> Wanted:
    return repository("demo", table(**keys), tags=["1.0-cpu-py311"], aliases=aliases)


def kept(asked: Wanted, before: Found | None = None, **changes: Any) -> Found:
    """What ECR shows after all changes were made, spelt out here once more."""
    before = before or Found(
        arn=ARN,
        mutability="MUTABLE",
        filters=(),
        scan_on_push=False,
        encryption=asked.table.encryption,
        kms_key=asked.table.kms_key,
        tags=(),
    )
    lifecycle = policies.lifecycle_with(
        before.lifecycle, policies.rules(asked.table, before.lifecycle)
    )
    policy = policies.policy_with(before.policy, policies.statements(asked.table, "aws"))
    after = replace(
        before,
        mutability=asked.mutability,
        filters=tuple(reversed(asked.filters)),
        scan_on_push=asked.table.scan_on_push,
        tags=(*before.tags, *asked.tags),
        lifecycle=json.loads(lifecycle) if lifecycle else None,
        policy=json.loads(policy) if policy else None,
    )
    return replace(after, **changes)


# exclusions


@pytest.mark.parametrize(
    ("tags", "aliases", "more"),
    [
        pytest.param(["1.7.2-cpu-py311"], [], [], id="no alias"),
        pytest.param(
            ["1.7.2-cpu-py311", "1.7.2-gpu-py313"],
            ["1.7-cpu-py311", "1.7-gpu-py313", "latest-cpu-py311", "latest-gpu-py313"],
            ["1.7-*", "latest-*"],
            id="a filter for each version",
        ),
        pytest.param(
            ["1.7-1-cpu-py311"], ["1.7-cpu-py311"], ["1.7-cpu-*"], id="a revision is in the way"
        ),
        pytest.param(
            ["cpu-1.7.2", "cpu-1.7.3"], ["cpu-1.7"], ["cpu-1.7"], id="the version comes last"
        ),
        pytest.param(["1.0"], ["latest"], ["latest"], id="one word"),
        pytest.param(
            [f"1.{n}.0-cpu" for n in range(9)],
            [f"stable-1.{n}-cpu" for n in range(9)],
            ["stable-*"],
            id="a word of their own",
        ),
    ],
)
def test_aliases_move_and_exact_tags_do_not(
    tags: list[str], aliases: list[str], more: list[str]
) -> None:
    found = tag_filters.filters(tags, aliases)
    assert found == tuple(sorted([*FIXED, *more]))
    assert all(any(fnmatchcase(alias, each) for each in found) for alias in aliases)
    assert not any(fnmatchcase(tag, each) for tag in tags for each in found)


@pytest.mark.parametrize(
    ("tags", "aliases", "said"),
    [
        pytest.param(
            [f"1.{n}.0-cpu" for n in range(4)],
            [f"1.{n}-cpu" for n in range(4)],
            "need 6 filters, 1.0-*, 1.1-*, 1.2-*, 1.3-*, cache-*, sha256-*, but ECR allows 5",
            id="too many",
        ),
        pytest.param(["1.7-cpu"], ["1.7-cpu"], "`1.7-cpu` is also the exact tag", id="a tag"),
        pytest.param(["cache-1"], [], "tag `cache-1` is reserved", id="a cache"),
        pytest.param(["sha256-1"], [], "tag `sha256-1` is reserved", id="a signature"),
    ],
)
def test_what_cannot_be_kept_apart_is_refused(
    tags: list[str], aliases: list[str], said: str
) -> None:
    with pytest.raises(ValueError, match=r"`|mutable") as caught:
        tag_filters.filters(tags, aliases)
    assert said in str(caught.value)


def test_a_mutable_repository_needs_no_filter() -> None:
    many = [f"1.{n}-cpu" for n in range(99)]
    asked = want(aliases=many, mutability="mutable")
    assert (asked.mutability, asked.filters) == ("MUTABLE", ())


# drift


def test_nothing_is_left_to_do_after_everything_was_done() -> None:
    asked = want(
        aliases=["1-cpu"], pull_accounts=[ACCOUNT], pull_roles=[ROLE], tags={"team": "forecasting"}
    )
    assert drift(asked, kept(asked)) == ()


TEXT = {
    "policy": json.loads('{"Version": "2008-10-17", "Statement": [{"Sid": "BuildkitPullAccounts", '
    '"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::210987654321:root"}, "Action": '
    '["ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage", "ecr:BatchCheckLayerAvailability"]}]}'),
}  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "changes", "said"),
    [
        pytest.param(
            {},
            {"mutability": "MUTABLE", "filters": ()},
            "tag immutability: MUTABLE -> IMMUTABLE_WITH_EXCLUSION (cache-*, sha256-*)",
            id="mutable",
        ),
        pytest.param(
            {},
            {"filters": ("cache-*", "sha256-*", "1.0-*")},
            "tag immutability: IMMUTABLE_WITH_EXCLUSION (1.0-*, cache-*, sha256-*) -> "
            "IMMUTABLE_WITH_EXCLUSION (cache-*, sha256-*)",
            id="a filter too many",
        ),
        pytest.param({}, {"scan_on_push": False}, "scan on push: off -> on", id="no scan"),
        pytest.param(
            {"encryption": "KMS", "kms_key": "alias/mine"},
            {"encryption": "AES256", "kms_key": None},
            "encryption: AES256 -> KMS (alias/mine) (cannot be changed: recreate the "
            "repository)",
            id="encryption",
        ),
        pytest.param(
            {"encryption": "KMS", "kms_key": f"mrk-{'a' * 32}"},
            {"kms_key": "arn:aws:kms:eu-west-1:123456789012:key/another"},
            f"encryption: KMS (arn:aws:kms:eu-west-1:123456789012:key/another) -> KMS (mrk-"
            f"{'a' * 32}) (cannot be changed: recreate the repository)",
            id="another key",
        ),
        pytest.param(
            {},
            {"lifecycle": None},
            "lifecycle: none -> untagged after 30 days, cache-* after 30 days",
            id="no lifecycle",
        ),
        pytest.param(
            {"untagged_days": 0},
            {"lifecycle": json.loads(policies.lifecycle_with(None, policies.rules(table(), None)) or "")},
            "lifecycle: untagged after 30 days, cache-* after 30 days -> cache-* after 30 days",
            id="a rule too many",
        ),
        pytest.param(
            {"pull_accounts": [ACCOUNT]},
            {"policy": None},
            f"pull policy: none -> arn:aws:iam::{ACCOUNT}:root",
            id="no policy",
        ),
        pytest.param({}, TEXT, f"pull policy: arn:aws:iam::{ACCOUNT}:root -> none", id="a guest too many"),
        pytest.param(
            {"tags": {"team": "new", "cost": "1"}},
            {"tags": (("managed-by", "buildkit"), ("team", "old"), ("other", "stays"))},
            "tags: team=old -> team=new, cost=1",
            id="tags",
        ),
    ],
)  # fmt: skip
def test_each_difference_is_told(keys: dict[str, Any], changes: dict[str, Any], said: str) -> None:
    asked = want(**keys)
    (change,) = drift(asked, kept(asked, **changes))
    assert str(change) == said


@pytest.mark.parametrize(
    ("keys", "changes"),
    [
        pytest.param({"pull_accounts": [ACCOUNT]}, TEXT, id="a policy in other words"),
        pytest.param(
            {"encryption": "KMS"},
            {"kms_key": "arn:aws:kms:eu-west-1:123456789012:key/of-aws"},
            id="AWS's own key",
        ),
        pytest.param(
            {"encryption": "KMS", "kms_key": "alias/mine"},
            {"kms_key": "arn:aws:kms:eu-west-1:123456789012:key/behind-the-alias"},
            id="an alias of a key",
        ),
        pytest.param({}, {"policy": {"Version": "2012-10-17", "Statement": [STATEMENT]}}, id="theirs"),
    ],
)  # fmt: skip
def test_what_means_the_same_is_no_difference(
    keys: dict[str, Any], changes: dict[str, Any]
) -> None:
    asked = want(**keys)
    assert drift(asked, kept(asked, **changes)) == ()


def test_a_rule_of_ours_that_somebody_edited_is_told_and_mended() -> None:
    asked = want()
    edited = kept(asked).lifecycle
    assert edited is not None
    edited["rules"][0]["selection"]["countNumber"] = 1
    found = kept(asked, lifecycle=edited)
    assert [change.aspect for change in drift(asked, found)] == [Aspect.LIFECYCLE]
    assert drift(asked, kept(asked, found)) == ()


# documents


def rules_of(text: str | None) -> list[tuple[int, str]]:
    assert text is not None
    found = [(r["rulePriority"], r.get("description", "")) for r in json.loads(text)["rules"]]
    assert len({priority for priority, _ in found}) == len(found)
    return found


UNTAGGED = "buildkit: untagged images expire after 30 days"
CACHES = "buildkit: cache-* expire after 30 days"
ANY = {
    "rulePriority": 2,
    "description": "any",
    "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 999},
    "action": {"type": "expire"},
}


@pytest.mark.parametrize(
    ("theirs", "after"),
    [
        pytest.param([], [(1, UNTAGGED), (2, CACHES)], id="alone"),
        pytest.param([THEIRS], [(1, "keep ten"), (2, UNTAGGED), (3, CACHES)], id="theirs is first"),
        pytest.param(
            [{**THEIRS, "rulePriority": 2}],
            [(1, UNTAGGED), (2, "keep ten"), (3, CACHES)],
            id="in between",
        ),
        pytest.param(
            [THEIRS, ANY],
            [(1, "keep ten"), (3, UNTAGGED), (4, CACHES), (5, "any")],
            id="any stays last",
        ),
        pytest.param(
            [{**THEIRS, "selection": {**THEIRS["selection"], "tagPrefixList": ["cache-"]}}],
            [(1, "keep ten"), (2, UNTAGGED)],
            id="caches are theirs",
        ),
        pytest.param(
            [{**ANY, "selection": {**ANY["selection"], "tagStatus": "untagged"}}],  # type: ignore[dict-item]
            [(1, CACHES), (2, "any")],
            id="untagged are theirs",
        ),
    ],
)
def test_rules_of_others_stay(theirs: list[dict[str, Any]], after: list[tuple[int, str]]) -> None:
    lifecycle = {"rules": theirs}
    text = policies.lifecycle_with(lifecycle, policies.rules(table(), lifecycle))
    assert rules_of(text) == after
    again = json.loads(text or "")
    once_more = policies.lifecycle_with(again, policies.rules(table(), again))
    assert [rule for _, rule in rules_of(once_more)] == [rule for _, rule in after]


def test_no_rule_ever_touches_a_tag_of_an_image() -> None:
    for rule in policies.rules(table(), None):
        selection = rule["selection"]
        assert selection["tagStatus"] == "untagged" or selection["tagPrefixList"] == ["cache-"]


def test_without_rules_of_anybody_there_is_no_lifecycle() -> None:
    nothing = table(untagged_days=0, cache_days=0)
    ours = json.loads(policies.lifecycle_with(None, policies.rules(table(), None)) or "")
    assert policies.lifecycle_with(ours, policies.rules(nothing, ours)) is None


def test_statements_of_others_stay() -> None:
    policy = {"Version": "2008-10-17", "Id": "x", "Statement": [STATEMENT]}
    statements = policies.statements(table(pull_accounts=[ACCOUNT], pull_sagemaker=True), "aws")
    text = policies.policy_with(policy, statements)
    assert json.loads(text or "") == {
        "Version": "2008-10-17",
        "Id": "x",
        "Statement": [
            STATEMENT,
            {
                "Sid": "BuildkitPullAccounts",
                "Effect": "Allow",
                "Principal": {"AWS": [f"arn:aws:iam::{ACCOUNT}:root"]},
                "Action": list(policies.PULL),
            },
            {
                "Sid": "BuildkitPullSageMaker",
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": list(policies.PULL),
            },
        ],
    }
    assert policies.policy_with(json.loads(text or ""), ()) == json.dumps(policy)


def test_nobody_is_let_in_across_partitions() -> None:
    (accounts, *rest) = policies.statements(
        table(pull_accounts=[ACCOUNT], pull_roles=[ROLE]), "aws-cn"
    )
    assert accounts["Principal"] == {"AWS": [f"arn:aws-cn:iam::{ACCOUNT}:root"]}
    assert rest == []


def test_a_policy_that_is_too_long_for_ecr_is_refused_before_it_is_asked() -> None:
    many = table(pull_accounts=[f"{n:012}" for n in range(400)])
    with pytest.raises(ToolError, match="limit is 10240"):
        policies.policy_with(None, policies.statements(many, "aws"))


# images.toml

KEY = "encryption = 'KMS'\nkms-key = 'arn:aws:kms:eu-west-1:123456789012:alias/x'\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("untagged-days = -1", "images.toml:6: registry.repositories.untagged-days: "),
        ("mutability = 'frozen'", "`frozen` is not one of `immutable` or `mutable`"),
        ("kms-key = 'alias/mine'", 'registry.repositories.kms-key: a key needs `encryption = "KMS"`'),
        ("encryption = 'KMS'\nkms-key = 'mine'", "images.toml:7: registry.repositories.kms-key: 'mine' is not a KMS key"),
        ("pull-accounts = ['123']", "'123' is not an AWS account of 12 digits"),
        (f"pull-accounts = ['{ACCOUNT}', '{ACCOUNT}']", "is listed twice"),
        ("pull-roles = ['SageMaker']", "'SageMaker' is not the ARN of a role"),
        ("tags = { managed-by = 'me' }", "the tag `managed-by` is reserved for buildkit"),
        ("tags = { 'aws:x' = 'me' }", "is not a tag"),
        ("tags = { team = 'a;b' }", "is not a tag"),
        (f"tags = {{ team = '{'x' * 257}' }}", "a value up to 256"),
        ("tags = { " + ", ".join(f"t{n} = ''" for n in range(50)) + " }", "50 tags are too many"),
        ("scan = true", "did you mean `scan-on-push`?"),
        (f"{KEY}[registry]\nregion = 'eu-west-1'\n[[registry.copies]]\nregion = 'us-east-1'",
         "registry.repositories: `kms-key` is in eu-west-1 and does not work in us-east-1"),
    ],
)  # fmt: skip
def test_mistakes_are_found_before_aws_is_asked(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        targets(f"{MINIMAL}[registry.repositories]\n{text}\n")
    assert said in caught.value.details


def test_a_change_is_words_for_people() -> None:
    assert str(Change(aspect=Aspect.SCAN, before="off", after="on")) == "scan on push: off -> on"


def test_exact_tags_of_an_older_file_do_not_begin_to_move() -> None:
    """`2.1-*` is enough for what images.toml has now; the repository has `2.1-1-cpu-py311`, too."""
    text = '[registry]\naliases = ["{major}.{minor}-{device}-{py}"]\n' + MINIMAL.replace(
        '"1.0"', '"2.1.5"'
    )
    (now,) = repositories(parse(text), targets(text))
    assert now.filters == ("2.1-*", "cache-*", "sha256-*")
    (found,) = repositories(parse(text), targets(text), lambda _name: {"2.1-1-cpu-py311"})
    assert found.filters == ("2.1-cpu-*", "cache-*", "sha256-*")
