"""The remote's settings, and what a person is told when the bucket cannot be used."""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.tools.google import TOKEN, Google
from tools import remote_access
from tools.remote import check, configure, main
from verdict.core.errors import VerdictError


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    with Google() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)  # where gcsfs looks for Google
        try:
            yield server
        finally:
            server.shutdown()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, google: Google) -> Path:
    """A DVC project on a machine without any credentials."""
    from gcsfs import GCSFileSystem

    GCSFileSystem.clear_instance_cache()  # instances hold the credentials of an earlier test
    root = tmp_path / "project"
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    monkeypatch.chdir(root)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    return root


@pytest.fixture
def key_file(tmp_path: Path, google: Google, private_key: str) -> Path:
    path = tmp_path / "key.json"
    account = {
        "type": "service_account", "project_id": "p", "private_key_id": "1",
        "private_key": private_key, "client_email": "me@x", "client_id": "1",
        "token_uri": f"{google.address}/token",
    }  # fmt: skip
    path.write_text(json.dumps(account))
    return path


@pytest.fixture
def logged_in(project: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file))


def config_of(project: Path) -> str:
    return (project / ".dvc" / "config").read_text("utf-8")


@pytest.mark.usefixtures("logged_in")
def test_what_is_written(project: Path, google: Google, private_key: str) -> None:
    told = configure("private", "verdict/melanoma")
    assert config_of(project) == (
        "[core]\n    analytics = false\n    remote = gcs\n"
        "['remote \"gcs\"']\n    url = gs://private/verdict/melanoma\n    verify = true\n"
    )
    assert not (project / ".dvc" / "config.local").exists()
    assert "git add .dvc/config" in told
    assert "\n  dvc push" in told
    assert "-r gcs-push" not in told
    assert set(google.asked) == {("private", True)}


@pytest.mark.usefixtures("logged_in")
def test_anonymous_read_beside_a_remote_for_pushing(project: Path, google: Google) -> None:
    told = configure("public", anonymous_read=True)
    assert config_of(project) == (
        "[core]\n    analytics = false\n    remote = gcs\n"
        "['remote \"gcs\"']\n    url = gs://public\n    verify = true\n"
        "    allow_anonymous_login = true\n"
        "['remote \"gcs-push\"']\n    url = gs://public\n    verify = true\n"
    )
    assert "dvc push -r gcs-push" in told
    assert google.asked[0] == ("public", False)  # as a judge would, without credentials
    assert check() == "gcs: gs://public can be read, by everybody."
    assert check("gcs-push") == "gcs-push: gs://public can be read and written."
    configure("private")
    assert "anonymous" not in config_of(project)
    assert "gcs-push" not in config_of(project)


def test_credentials_of_the_local_configuration(
    project: Path, google: Google, key_file: Path
) -> None:
    (project / ".dvc" / "config").write_text("['remote \"gcs\"']\n    url = gs://public\n")
    local = project / ".dvc" / "config.local"
    local.write_text(f"['remote \"gcs\"']\n    credentialpath = {key_file}\n")
    configure("private")
    assert set(google.asked) == {("private", True)}
    assert "credentialpath" not in config_of(project)
    local.write_text(local.read_text() + "[core]\n    remote = emulator\n")
    assert "config.local still chooses the remote 'emulator'" in configure("private")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gs://private"], "'gs://private' is no bucket's name.* without gs://"),
        (["private/data"], "'private/data' is no bucket's name.* --bucket NAME --prefix"),
        (["Private"], "'Private' is no bucket's name"),
        (["pr"], "'pr' is no bucket's name"),
        ([""], "'' is no bucket's name"),
        (["private", "/data"], "'/data' is no prefix"),
        (["private", "data/"], "'data/' is no prefix"),
        (["private", "../data"], "'../data' is no prefix"),
        (["private", "data#1"], "'data#1' is no prefix"),
    ],
)
@pytest.mark.usefixtures("logged_in")
def test_names(project: Path, google: Google, arguments: list[str], message: str) -> None:
    before = config_of(project)
    with pytest.raises(VerdictError, match=message):
        configure(*arguments)
    assert config_of(project) == before
    assert google.asked == []


def _no_credentials(google: Google, key: Path, patch: pytest.MonkeyPatch) -> None:
    patch.delenv("GOOGLE_APPLICATION_CREDENTIALS")


def _missing_key(google: Google, key: Path, patch: pytest.MonkeyPatch) -> None:
    key.unlink()


def _folder(google: Google, key: Path, patch: pytest.MonkeyPatch) -> None:
    key.unlink()
    key.mkdir()


def _no_key(google: Google, key: Path, patch: pytest.MonkeyPatch) -> None:
    key.write_text("no key\n")


def _revoked(google: Google, key: Path, patch: pytest.MonkeyPatch) -> None:
    google.revoked = True


def _offline(google: Google, key: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(remote_access, "_PATIENCE", 0.5)
    patch.setenv("STORAGE_EMULATOR_HOST", _unused())


def _login_offline(google: Google, key: Path, patch: pytest.MonkeyPatch) -> None:
    key.write_text(key.read_text().replace(google.address, _unused()))


def _unused() -> str:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


Spoil = Callable[[Google, Path, pytest.MonkeyPatch], None]


@pytest.mark.parametrize(
    ("bucket", "spoil", "message"),
    [
        ("missing", None, "There is no bucket 'missing'.* Correct its name"),
        ("forbidden", None, "me@x does not have .*add-iam-policy-binding gs://forbidden"),
        ("readonly", None, "may not be written: your credentials lack storage.objects.create"),
        ("private", _no_credentials, "needs credentials, and there are none.*gcloud auth"),
        ("private", _missing_key, "should be in .*key.json, which does not exist"),
        ("private", _folder, "should be in .*key.json, which is a folder"),
        ("private", _no_key, "key.json is no key file"),
        (
            "private",
            _revoked,
            "expired, revoked or deleted: invalid_grant: Token is revoked. .*gcloud auth",
        ),
        ("private", _offline, "cannot be reached: no answer.* online"),
        ("private", _login_offline, "could not be renewed.* online"),
    ],
)
@pytest.mark.usefixtures("logged_in")
def test_unusable_bucket(
    project: Path,
    google: Google,
    key_file: Path,
    private_key: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    bucket: str,
    spoil: Spoil | None,
    message: str,
) -> None:
    before = config_of(project)
    if spoil:
        spoil(google, key_file, monkeypatch)
    with pytest.raises(SystemExit) as ended:
        main(["--bucket", bucket])
    told = str(ended.value.code) + "".join(capfd.readouterr())
    assert re.search(message, told)
    assert "Traceback" not in told
    assert TOKEN not in told
    assert private_key.splitlines()[1] not in told
    assert config_of(project) == before


@pytest.mark.usefixtures("logged_in")
def test_local_settings_of_a_remote_that_goes(project: Path) -> None:
    configure("public", anonymous_read=True)
    before = config_of(project)
    local = "['remote \"gcs-push\"']\n    credentialpath = key.json\n"
    (project / ".dvc" / "config.local").write_text(local)
    with pytest.raises(VerdictError, match="dvc remote remove --local gcs-push"):
        configure("public")
    assert config_of(project) == before


def test_broken_configuration(project: Path) -> None:
    (project / ".dvc" / "config").write_text("['remote \"gcs\"']\n    verify = true\n")
    with pytest.raises(VerdictError, match=r"configuration in .*\.dvc is not valid: .*url"):
        check()


@pytest.mark.usefixtures("logged_in")
def test_bucket_that_is_not_open_to_all(project: Path) -> None:
    with pytest.raises(VerdictError, match=r"without credentials: Anonymous.*=allUsers"):
        configure("private", anonymous_read=True)


def test_check_says_what_is_possible(
    project: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(VerdictError, match="has no remote yet"):
        check()
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file))
    sections = {"gcs": "gs://readonly", "gcs-push": "gs://readonly", "disk": "/backup"}
    text = "".join(f"['remote \"{name}\"']\n    url = {url}\n" for name, url in sections.items())
    (project / ".dvc" / "config").write_text(f"[core]\n    remote = gcs\n{text}")
    assert "can be read: dvc pull works, dvc push does not" in check()
    with pytest.raises(VerdictError, match=r"lack storage\.objects\.create"):
        check("gcs-push")
    assert "not in Google Cloud Storage" in check("disk")
    with pytest.raises(VerdictError, match="There is no remote 'other'"):
        check("other")


@pytest.mark.usefixtures("logged_in")
def test_a_bucket_takes_the_place_of_the_embedded_remote(project: Path) -> None:
    embedded = "['remote \"embedded\"']\n    url = embedded\n    verify = true\n"
    (project / ".dvc" / "config").write_text(f"[core]\n    remote = embedded\n{embedded}")
    assert "dvc pull works" in check()
    told = configure("private")
    assert "    remote = gcs\n" in config_of(project)
    assert embedded in config_of(project)
    assert "dvc remote remove embedded && git rm -r -q .dvc/embedded" in told
    assert check().startswith("gcs: ")
