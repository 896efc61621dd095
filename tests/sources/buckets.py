"""Buckets behind real emulators of Google Cloud Storage and S3."""

import socket
from collections.abc import Callable, Iterator

import pytest

#: Writes the named object into the bucket of a source, over what is there.
Put = Callable[..., None]


@pytest.fixture(scope="module")
def google() -> Iterator[Put]:
    from gcp_storage_emulator.server import create_server
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    with socket.socket() as unused:
        unused.bind(("localhost", 0))
        port = unused.getsockname()[1]
    server = create_server("localhost", port, in_memory=True, default_bucket="data")
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://localhost:{port}")
        client = storage.Client(project="test", credentials=AnonymousCredentials())
        yield lambda name, content: client.bucket("data").blob(name).upload_from_string(content)
    server.stop()


@pytest.fixture(scope="module")
def amazon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Put]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        nowhere = str(tmp_path_factory.mktemp("aws") / "none")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", nowhere)
        patch.setenv("AWS_CONFIG_FILE", nowhere)
        client = boto3.client("s3")
        client.create_bucket(Bucket="data")

        def put(name: str, content: bytes, **options: str) -> None:
            client.put_object(Bucket="data", Key=name, Body=content, **options)

        yield put
    server.stop()
