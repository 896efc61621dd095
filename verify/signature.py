"""Sign a statement after a verification, or check a signed one: model-signing does both.

A signature is one file: a Sigstore bundle (https://docs.sigstore.dev/about/bundle/) that holds the
whole statement. model-signing's stable interface signs folders as they are; what stands beside the
files needs its signers themselves, for which requirements-tools.txt pins it.
"""

import argparse
import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from verdict.core.errors import VerdictError
from verdict.core.files import replacing
from verify.findings import Verification
from verify.statement import Statement, TreeComparison, compare_tree, describe

PROJECT = "verdict"

#: What reading something else than a bundle raises.
_DAMAGED = (ValueError, TypeError, LookupError)


def key_signer(private_key: Path) -> Any:
    """Return what signs with an elliptic curve's private key (PEM, not encrypted).

    Raises:
        VerdictError: model-signing is not installed, or the file is no such key.
    """
    with _installed():
        from model_signing._signing.sign_ec_key import Signer
    with _key_explained(private_key, "private"):
        return Signer(private_key)


def sigstore_signer() -> Any:
    """Return what signs by the identity that a browser, or a CI's own token, proves to Sigstore.

    Raises:
        VerdictError: model-signing is not installed, or Sigstore cannot be reached.
    """
    with _installed():
        from model_signing._signing.sign_sigstore import Signer
    with _sigstore_explained():
        return Signer(use_ambient_credentials=True)


def sign(statement: Statement, signer: Any, path: Path) -> None:
    """Write a signed statement.

    Raises:
        VerdictError: Sigstore refused, or the file cannot be written.
    """
    from model_signing import manifest
    from model_signing._hashing.hashing import Digest
    from model_signing._signing.signing import Payload

    # Links count as what they point to: DVC may link files from its cache.
    kind = {"method": "files", "hash_type": "sha256", "allow_symlinks": True}
    serialization = manifest.SerializationType.from_args(kind)
    items = [
        serialization.new_item(name, Digest("sha256", bytes.fromhex(digest)))
        for name, digest in statement.files.items()
    ]
    payload = Payload(manifest.Manifest(PROJECT, items, serialization))
    payload.statement.pb.predicate.update(statement.predicate())
    with _sigstore_explained():
        signature = signer.sign(payload)
    try:
        with replacing(path) as partial:
            signature.write(partial)
    except OSError as error:
        raise VerdictError(f"{path} cannot be written: {error.strerror}") from None


def read_by_key(path: Path, public_key: Path) -> Statement:
    """Return the statement of a file that the owner of a key has signed.

    Raises:
        VerdictError: model-signing is not installed, there is no such file or key, it is damaged,
            or it was not signed with this key, or not as it is now.
    """
    with _installed():
        from cryptography.exceptions import InvalidSignature
        from model_signing._signing.sign_ec_key import Verifier
        from model_signing._signing.sign_sigstore_pb import Signature
    with _key_explained(public_key, "public"):
        verifier = Verifier(public_key)
    signature = _read(path, Signature)
    try:
        return _statement(verifier, signature)
    except InvalidSignature:
        raise VerdictError(
            f"{path} was changed after it was signed, or not signed with {public_key} at all"
        ) from None
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        # A bundle of Sigstore's has no key; another key says so in words.
        raise VerdictError(f"{path} is not signed with {public_key}: {error}") from None


def read_by_identity(path: Path, identity: str, issuer: str) -> Statement:
    """Return the statement of a file that an identity has signed by Sigstore.

    Raises:
        VerdictError: as for a key, or Sigstore cannot be reached.
    """
    with _installed():
        from model_signing._signing.sign_sigstore import Signature, Verifier
        from sigstore.errors import Error
    signature = _read(path, Signature, (*_DAMAGED, Error))
    with _sigstore_explained():
        verifier = Verifier(identity=identity, oidc_issuer=issuer)
    try:
        return _statement(verifier, signature)
    except (Error, ValueError, LookupError) as error:
        raise VerdictError(f"{path} is not signed by {identity} of {issuer}: {error}") from None


def claimed(path: Path) -> Statement:
    """Return the statement of a file that somebody has signed, whoever it was.

    Raises:
        VerdictError: it is damaged, nobody has signed it, or it is no statement of this project.
    """
    try:
        predicate = json.loads(b64decode(_envelope(path)["payload"]))["predicate"]
    except _DAMAGED:
        raise _damaged(path) from None
    return Statement.read(predicate)


def _read(path: Path, kind: Any, damaged: tuple[type[Exception], ...] = _DAMAGED) -> Any:
    if not path.is_file():
        raise VerdictError(
            f"{path} is not here: nobody has signed this, or the file was not given to you. "
            "--signature names it; `verify --sign` makes one"
        )
    _envelope(path)
    try:
        return kind.read(path)
    except damaged:
        raise _damaged(path) from None


def _envelope(path: Path) -> dict[str, Any]:
    """Return what is signed, with its signatures, of which there is one at least."""
    try:
        envelope = json.loads(path.read_bytes())["dsseEnvelope"]
        signed = [one for one in envelope["signatures"] if one["sig"]]
    except _DAMAGED:
        raise _damaged(path) from None
    if not signed:
        raise VerdictError(f"nobody has signed {path}: its list of signatures is empty")
    return envelope


def _damaged(path: Path) -> VerdictError:
    return VerdictError(
        f"{path} is damaged, or no signature: it is not a whole Sigstore bundle. Get it again"
    )


def _statement(verifier: Any, signature: Any) -> Statement:
    """Return what was signed; raises what the verifier raises."""
    # The first call checks the signature and the form of the statement; the second returns the
    # bytes that were signed, and with them what the first does not know about.
    verifier.verify(signature)
    _, payload = verifier._verify_signed_content(signature)
    return Statement.read(json.loads(payload)["predicate"])


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise VerdictError(
            f"signatures need {error.name}, which is not installed: `make install-tools`"
        ) from None


@contextmanager
def _key_explained(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise VerdictError(f"the key {path} cannot be read: {error.strerror}") from None
    except TypeError:
        raise VerdictError(
            f"{path} is encrypted: `openssl pkey -in {path} -out plain.pem` writes it in the clear"
        ) from None
    except (ValueError, AttributeError) as error:
        raise VerdictError(
            f"{path} is no {kind} key of a curve that can sign here (P-256, P-384 or P-521, PEM); "
            f"--help says how to make one ({error})"
        ) from None


@contextmanager
def _sigstore_explained() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Whatever one of the libraries below raises for a network, a proxy, a clock, a log-in.
        raise VerdictError(
            f"Sigstore could not be used ({type(error).__name__}: {error}). It needs the network; "
            "a pair of keys does not: --help"
        ) from None


@dataclass(frozen=True)
class Signing:
    """What is to be signed if the verification holds, by whom, and where to."""

    statement: Statement
    signer: Any
    path: Path

    def finish(self, result: Verification) -> str:
        """Sign, unless something is different, and say what was done.

        Raises:
            VerdictError: another commit was verified than was hashed, or it cannot be signed.
        """
        if not result.holds:
            return f"Not signed. {result.sentence}"
        if result.commit != self.statement.commit:
            raise VerdictError("there was a commit in between, and nothing is signed: run again")
        sign(replace(self.statement, sentence=result.sentence), self.signer, self.path)
        return f"Signed: {self.path}, {len(self.statement.files)} files of {result.commit}"


def prepare(options: argparse.Namespace, say: Callable[[str], None]) -> Signing:
    """Return what is to be signed: before the verification, which then is about these bytes.

    Raises:
        VerdictError: no such key, an unclean work tree, or outputs that are not here.
    """
    signer = sigstore_signer() if options.sigstore else key_signer(options.private_key)
    say("hashing what is to be signed …")
    return Signing(describe(Path().resolve()), signer, options.signature)


def check_signature(options: argparse.Namespace) -> bool:
    """Check a signature and the files here; print what was found, and return whether it holds.

    Raises:
        VerdictError: it is no valid signature, or about another commit.
    """
    statement = (
        read_by_identity(options.signature, options.identity, options.issuer)
        if options.sigstore
        else read_by_key(options.signature, options.public_key)
    )
    found = compare_tree(Path().resolve(), statement)
    print(_report(statement, found))
    return found.holds


def _report(statement: Statement, found: TreeComparison) -> str:
    environment = statement.environment
    lines = [
        f"Signed: commit {statement.commit}, {len(statement.files)} files",
        f"Verified with Python {environment.get('python')} on {environment.get('platform')}",
        f"  {statement.sentence}",
        *(f"DIFFERENT {path}" for path in found.changed),
        *(f"missing   {path}" for path in found.missing),
        *(f"extra     {path}" for path in found.extra),
        *(f"unsigned  {path}" for path in found.unsigned),
        *(f"not here  {path} (`dvc pull {path}`)" for path in found.absent),
    ]
    rest = "; outputs that are not here were not checked" if found.absent else ""
    lines.append(
        f"Does not hold: {len(found.wrong)} files are not as signed."
        if found.wrong
        else f"Holds: the {found.same} files here are those signed{rest}."
    )
    return "\n".join(lines)
