from __future__ import annotations

import botocore.loaders
import pytest

from buildkit.config.schema import PlaceTable, RegistryTable
from buildkit.ecr.places import FIPS_REGIONS, Api, Place, domain_of, places, private, problems
from buildkit.model.hosts import ECR_HOST, SUFFIXES
from buildkit.support.errors import UsageError

ACCOUNT = "123456789012"
HOST = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"


@pytest.fixture(autouse=True)
def no_local_api(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_ECR",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_REGION",
    ):
        monkeypatch.delenv(name, raising=False)


def the_place(registry: RegistryTable, *hosts: str) -> Place:
    (found,) = places(registry, hosts)
    return found


def test_no_registry_is_taken_for_granted() -> None:
    """Nothing is ever pushed to the caller's own account because nobody said where to."""
    with pytest.raises(UsageError, match="no registry is configured"):
        places(RegistryTable(), ())
    with pytest.raises(UsageError, match="no registry is configured"):
        places(RegistryTable(account=ACCOUNT), ())


@pytest.mark.parametrize(
    ("region", "domain"),
    [
        ("us-east-1", "amazonaws.com"),
        ("cn-north-1", "amazonaws.com.cn"),
        ("us-gov-west-1", "amazonaws.com"),
        ("us-iso-east-1", "c2s.ic.gov"),
        ("us-isob-east-1", "sc2s.sgov.gov"),
        ("eu-isoe-west-1", "cloud.adc-e.uk"),
        ("us-isof-south-1", "csp.hci.ic.gov"),
        ("eusc-de-east-1", "amazonaws.eu"),
        pytest.param("eu-west-97", "amazonaws.com", id="a region of tomorrow"),
    ],
)
def test_the_host_of_an_account_comes_from_its_partition(region: str, domain: str) -> None:
    found = the_place(RegistryTable(account=ACCOUNT, region=region))
    assert found == Place(
        host=f"{ACCOUNT}.dkr.ecr.{region}.{domain}", api=Api.ECR, account=ACCOUNT, region=region
    )
    assert private(found.host) == found


@pytest.mark.parametrize(
    ("region", "options", "host"),
    [
        ("us-east-1", {"fips": True}, "dkr.ecr-fips.us-east-1.amazonaws.com"),
        ("us-east-1", {"dual-stack": True}, "dkr-ecr.us-east-1.on.aws"),
        ("us-gov-west-1", {"dual-stack": True, "fips": True}, "dkr-ecr-fips.us-gov-west-1.on.aws"),
        ("cn-north-1", {"dual-stack": True}, "dkr-ecr.cn-north-1.on.amazonwebservices.com.cn"),
    ],
)
def test_other_endpoints_by_option(region: str, options: dict[str, bool], host: str) -> None:
    table = RegistryTable.model_validate({"account": ACCOUNT, "region": region, **options})
    found = the_place(table)
    assert found.host == f"{ACCOUNT}.{host}"
    assert (found.fips, found.dual_stack) == ("fips" in options, "dual-stack" in options)
    assert private(found.host) == found


def test_the_regions_with_fips_are_those_of_botocore() -> None:
    found = botocore.loaders.create_loader().load_data("endpoints")["partitions"]
    assert {
        region
        for partition in found
        for region, facts in partition["services"]["api.ecr"]["endpoints"].items()
        if region in partition["regions"]
        and any("fips" in each["tags"] for each in facts.get("variants", ()))
    } == FIPS_REGIONS


def test_the_ends_of_ecr_s_hosts_are_those_of_aws_s_partitions() -> None:
    outputs = [
        each["outputs"]
        for each in botocore.loaders.create_loader().load_data("partitions")["partitions"]
    ]
    plain = {each["dnsSuffix"] for each in outputs}
    assert plain | {each["dualStackDnsSuffix"].replace("api.", "on.", 1) for each in outputs} == {
        *SUFFIXES
    }
    for suffix in SUFFIXES:
        host = f"{ACCOUNT}.dkr.ecr.eu-west-1.{suffix}"
        assert ECR_HOST.fullmatch(host)
        for foreign in (f"{host}.evil.com", f"{host}x", f"{host}.", f"x{host}"):
            assert ECR_HOST.fullmatch(foreign) is None


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (
            {"host": f"{ACCOUNT}.dkr.ecr.mars-9.amazonaws.com"},
            ("registry.host", "`mars-9` is not an AWS region"),
        ),
        ({"host": f"{ACCOUNT}.dkr.ecr.us-east-1.evil.example"}, ("registry.host", "looks like an")),
        ({"account": ACCOUNT, "region": "mars-9"}, ("registry.region", "`mars-9` is not an AWS")),
        (
            {"account": ACCOUNT, "region": "us-east-1", "copies": [{}, {"region": "moon-1"}]},
            ("registry.copies.1.region", "`moon-1` is not"),
        ),
        (
            {"host": "a.example", "copies": [{"host": f"{ACCOUNT}.dkr.ecr.xx-y-1.amazonaws.com"}]},
            ("registry.copies.0.host", "`xx-y-1` is not an AWS region"),
        ),
    ],
)
def test_a_registry_in_no_region_is_a_problem_of_the_file(
    table: dict[str, object], problem: tuple[str, str]
) -> None:
    (found,) = problems(RegistryTable.model_validate(table))
    assert (".".join(map(str, found.path))) == problem[0]
    assert problem[1] in found.message


@pytest.mark.parametrize(
    ("table", "path", "message"),
    [
        ({"account": ACCOUNT}, "registry", "no `region`"),
        ({"account": ACCOUNT, "copies": [{"region": "us-east-1"}]}, "registry", "no `region`"),
        (
            {"region": "us-east-1", "copies": [{"host": "a.example"}]},
            "registry",
            "no `account`",
        ),
        (
            {"host": "a.example", "copies": [{"region": "us-east-1"}]},
            "registry.copies.0",
            "no `account`",
        ),
        ({"host": "a.example", "copies": [{"account": ACCOUNT}]}, "registry.copies.0", "no `reg"),
        (
            {"account": ACCOUNT, "region": "us-east-1", "copies": [{"profile": "other"}]},
            "registry.copies.0",
            "named twice",
        ),
        ({"host": "a.example", "copies": [{"host": "A.example"}]}, "registry.copies.0", "twice"),
        *(
            (
                {"account": ACCOUNT, "region": "us-east-1", "copies": [{"host": host}]},
                "registry.copies.0",
                "named twice",
            )
            for host in (
                f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com",
                f"{ACCOUNT}.dkr-ecr.us-east-1.on.aws",
            )
        ),
        (
            {"account": ACCOUNT, "region": "us-east-1", "copies": [{"fips": True}]},
            "registry.copies.0",
            "named twice",
        ),
        (
            {"host": HOST, "account": "210987654321"},
            "registry.account",
            f"`210987654321` contradicts `host`, which is in account `{ACCOUNT}`",
        ),
        (
            {"host": "a.example", "copies": [{"host": HOST, "region": "eu-west-1"}]},
            "registry.copies.0.region",
            "`eu-west-1` contradicts `host`, which is in region `us-east-1`",
        ),
        (
            {"account": ACCOUNT, "region": "cn-north-1", "fips": True},
            "registry.fips",
            "botocore knows no FIPS endpoint of ECR in `cn-north-1`",
        ),
        (
            {
                "account": ACCOUNT,
                "region": "eu-west-1",
                "copies": [{"account": "210987654321", "fips": True}],
            },
            "registry.copies.0.fips",
            "in `eu-west-1`",
        ),
    ],
)
def test_a_table_without_a_registry_of_its_own_is_a_problem_of_the_file(
    table: dict[str, object], path: str, message: str
) -> None:
    (found,) = problems(RegistryTable.model_validate(table))
    assert ".".join(map(str, found.path)) == path
    assert message in found.message


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"region": "us-east-1"},
        {"host": "a.example", "region": "us-east-1"},
        {"host": "a.example", "account": ACCOUNT, "copies": [{"region": "us-east-1"}]},
        {"account": ACCOUNT, "region": "us-east-1", "copies": [{"account": "210987654321"}]},
        {"account": ACCOUNT, "region": "us-gov-west-1", "fips": True},
        {"host": HOST, "account": ACCOUNT, "region": "us-east-1"},
        {"host": HOST, "copies": [{"host": f"{ACCOUNT}.dkr.ecr-fips.eu-west-1.amazonaws.com"}]},
    ],
)
def test_a_table_that_names_a_registry_or_only_a_region_is_no_problem(
    table: dict[str, object],
) -> None:
    assert [*problems(RegistryTable.model_validate(table))] == []


def test_every_region_of_aws_is_one() -> None:
    for partition in botocore.loaders.create_loader().load_data("partitions")["partitions"]:
        for region in (each for each in partition["regions"] if not each.endswith("-global")):
            table = RegistryTable(account=ACCOUNT, region=region)
            assert [*problems(table)] == []
    assert [*problems(RegistryTable(host="public.ecr.aws"))] == []
    assert [*problems(RegistryTable(host="127.0.0.1:5000"))] == []


def test_an_ecr_host_names_its_own_region_and_account() -> None:
    host = "210987654321.dkr.ecr.eu-west-1.amazonaws.com"
    found = the_place(RegistryTable(account=ACCOUNT, region="us-east-1", profile="mine"), host)
    assert (found.host, found.account, found.region) == (host, "210987654321", "eu-west-1")
    assert found.profile == "mine"


def test_copies_take_the_account_of_the_first_and_their_own_profile() -> None:
    registry = RegistryTable(
        account=ACCOUNT,
        region="us-east-1",
        profile="world",
        copies=(
            PlaceTable(region="eu-west-1"),
            PlaceTable(account="210987654321", region="cn-north-1", profile="china"),
        ),
    )
    assert [(each.host, each.profile) for each in places(registry, ())] == [
        (f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com", "world"),
        (f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com", None),
        ("210987654321.dkr.ecr.cn-north-1.amazonaws.com.cn", "china"),
    ]


def test_two_names_of_one_registry_are_refused() -> None:
    other = f"{ACCOUNT}.dkr-ecr.us-east-1.on.aws"
    with pytest.raises(UsageError, match=f"{other} and {HOST} are one registry"):
        places(RegistryTable(), (HOST, other))


def test_a_copy_that_is_no_copy_is_refused() -> None:
    registry = RegistryTable(account=ACCOUNT, region="us-east-1", copies=(PlaceTable(),))
    with pytest.raises(UsageError, match="is named twice"):
        places(registry, ())


@pytest.mark.parametrize(
    "host",
    [
        "123456789012.dkr.ecr.us-east-1.evil.example",
        "123456789012.dkr.ecr.us-east-1.amazonaws.com.evil.example",
        "123456789012.dkr-ecr.us-east-1.amazonaws.com",
        "123456789012.dkr.ecr.us-east-1.localhost.localstack.cloud.evil.example",
        "docker.io",
        "index.docker.io",
        "http://127.0.0.1:5000",
        "127.0.0.1:5000/path",
        "127.0.0.1:99999",
        "-r.example",
        "r-.example",
        "r.-example:5000",
    ],
)
def test_what_is_nearly_a_registry_is_refused(host: str) -> None:
    with pytest.raises(UsageError) as caught:
        places(RegistryTable(), (host,))
    assert caught.value.hint


@pytest.mark.parametrize(
    "host", ["registry.example", "127.evil.example", "localhost.localdomain:5000"]
)
def test_ecr_s_login_goes_to_ecr_alone(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert the_place(RegistryTable(account=ACCOUNT, region="us-east-1"), host) == Place(host=host)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:5000",
        "localhost:5000",
        "127.3.2.1",
        "000000000000.dkr.ecr.us-east-1.localhost.localstack.cloud:4566",
    ],
)
def test_a_registry_on_this_machine_stands_in_for_ecr_if_the_api_is_here_too(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not [*problems(RegistryTable(host=host))]
    assert the_place(RegistryTable(region="eu-west-1"), host) == Place(host=host)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    found = the_place(RegistryTable(region="eu-west-1"), host)
    assert (found.api, found.region) == (Api.ECR, "eu-west-1")


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_ENDPOINT_URL": "https://vpce-0a1b.api.ecr.eu-west-1.vpce.amazonaws.com"},
        {"AWS_ENDPOINT_URL_ECR": "https://api.ecr.eu-west-1.amazonaws.com"},
        {"AWS_ENDPOINT_URL_ECR": "https://ecr.example", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1.evil.example:1"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1@evil.example:1"},
        {"AWS_ENDPOINT_URL": "127.0.0.1:4566"},
        {"AWS_ENDPOINT_URL": "http://[::1"},
        {"AWS_ENDPOINT_URL": "http://localhost:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
    ],
)
def test_a_login_of_aws_s_own_api_goes_to_no_registry_on_this_machine(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    host = "127.0.0.1:9999"
    assert the_place(RegistryTable(account=ACCOUNT, region="eu-west-1"), host) == Place(host=host)


@pytest.mark.parametrize(
    "address", ["http://localhost:1", "http://[::1]:4566", "https://127.1.2.3"]
)
def test_an_api_on_this_machine_by_any_of_its_names(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://ecr.example")
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", address)
    assert the_place(RegistryTable(region="eu-west-1"), "localhost:5000").api is Api.ECR


def test_an_api_on_this_machine_has_the_region_of_the_file_or_of_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert the_place(RegistryTable(), "localhost:5000").region is None
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert the_place(RegistryTable(), "localhost:5000").region == "eu-west-1"
    assert the_place(RegistryTable(region="us-east-2"), "localhost:5000").region == "us-east-2"


def test_ecr_public() -> None:
    found = the_place(RegistryTable(), "public.ecr.aws")
    assert (found.api, found.region) == (Api.ECR_PUBLIC, "us-east-1")


def test_a_profile_that_does_not_exist_is_no_matter_of_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    assert private("123456789012.dkr.ecr.eu-west-1.amazonaws.com") is not None


def test_a_region_of_nowhere() -> None:
    assert domain_of("moon-base-1") is None
    with pytest.raises(UsageError, match="not an AWS region"):
        places(RegistryTable(account=ACCOUNT, region="moon-base-1"), ())
