import pytest

from verdict.sources.addresses import own_name, redacted, scheme_of


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
    ],
)
def test_name_of_the_file(address: str, name: str) -> None:
    assert own_name(address) == name
