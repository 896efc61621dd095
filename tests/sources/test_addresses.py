import pytest

from verdict.core.errors import VerdictError
from verdict.sources.addresses import own_name, redacted, refuse_secrets, scheme_of


@pytest.mark.fault("secrets")
@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://host/a.zip", "https://host/a.zip"),
        ("https://user:secret@host:8443/a.zip", "https://host:8443/a.zip"),
        ("https://host/a.zip?X-Amz-Signature=secret#secret", "https://host/a.zip?…"),
        ("https://user:p@secret@host/a.zip", "https://host/a.zip"),
        ("http://user:secret@[host/a.zip", "http://…"),
        ("s3://key:secret@bucket/a.zip?versionId=1", "s3://bucket/a.zip?…"),
        (
            "hf://datasets/o/n@abc/data/train-?.parquet",
            "hf://datasets/o/n@abc/data/train-?.parquet",
        ),
        ("hf://secret@datasets/o/n", "hf://datasets/o/n"),
        ("kaggle://user:secret@owner/name/versions/1", "kaggle://owner/name/versions/1"),
        ("data/what?.zip", "data/what?.zip"),
        ("file:///data/a.zip", "file:///data/a.zip"),
    ],
)
def test_secrets_are_left_out(address: str, shown: str) -> None:
    assert redacted(address) == shown


@pytest.mark.parametrize(
    ("address", "scheme"),
    [
        ("HTTPS://host/a", "https"),
        ("gs://bucket/a", "gs"),
        ("~/a.zip", "file"),
        ("C:/a.zip", "file"),
        ("/data/a://b", "file"),
    ],
)
def test_scheme(address: str, scheme: str) -> None:
    assert scheme_of(address) == scheme


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://host/folder/a%20b.csv?token=secret#part", "a b.csv"),
        ("https://host/folder/..%2Fa.csv", "a.csv"),
        ("https://host/folder/%2E%2E", ""),
        ("https://host/", ""),
        ("https://[host/a", ""),
        ("s3://bucket/folder/a%20b.csv", "a%20b.csv"),
        ("kaggle://owner/name/versions/1", "name.zip"),
        ("hf://datasets/o/n@abc/data/a?#[1].parquet", "a?#[1].parquet"),
        ("file:///data/a%20b.csv", "a b.csv"),
        ("data/what?%20.csv", "what?%20.csv"),
        ("~a\0b", ""),
        ("file://[/a", "a"),
    ],
)
def test_name_of_the_file(address: str, name: str) -> None:
    assert own_name(address) == name


@pytest.mark.fault("secrets")
@pytest.mark.parametrize(
    "address",
    [
        "https://user:hunter22@host/a.zip",
        "https://bucket.s3.amazonaws.com/a?X-Amz-Credential=c&X-Amz-Signature=hunter22",
        "https://storage.googleapis.com/b/a?X-Goog-Signature=hunter22",
        "https://account.blob.core.windows.net/b/a?sp=r&sig=hunter22",
        "https://host/a.zip?token=hunter22",
        "s3://key:hunter22@bucket/a.zip",
    ],
)
def test_a_secret_in_params_yaml_is_refused_with_another_way(address: str) -> None:
    with pytest.raises(
        VerdictError, match=r"DVC would write it .*~/\.netrc.*environment"
    ) as caught:
        refuse_secrets(address)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["https://host/a.zip?version=2&design=sig", "https://me@host/a", "gs://b/a", "/a:b@c?token=1"],
)
def test_an_address_without_a_secret_is_taken(address: str) -> None:
    refuse_secrets(address)
