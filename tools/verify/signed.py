"""The command's two ways with signatures: sign after a verification, or check one."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tools.verify.results import Verification
from tools.verify.signing import (
    key_signer,
    read_by_identity,
    read_by_key,
    sign,
    sigstore_signer,
)
from tools.verify.statement import Comparison, Statement, compare_tree, describe
from verdict.core.errors import VerdictError


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


def _report(statement: Statement, found: Comparison) -> str:
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
