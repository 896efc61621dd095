import pytest

from verdict.sources.addresses import redacted, scheme_of


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://host/a.zip", "https://host/a.zip"),
        ("https://user:secret@host:8443/a.zip", "https://host:8443/a.zip"),
        ("https://host/a.zip?X-Amz-Signature=secret#secret", "https://host/a.zip?…"),
        ("https://user:p@secret@host/a.zip", "https://host/a.zip"),
        ("http://user:secret@[host/a.zip", "http://…"),
        ("s3://key:secret@bucket/a.zip?versionId=1", "s3://bucket/a.zip?…"),
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
