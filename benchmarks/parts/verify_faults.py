"""Ten faults between a project and its bucket; after each, a pull has to be byte-identical.

A fault that came too late, when everything was through, counts as not passed.
"""

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from benchmarks.parts.verify_project import Bucket, outputs, start_bucket
from testing.emulator import begin
from testing.project import Project
from verdict.core.paths import ADAPTER

_DVC = (sys.executable, "-m", "dvc")
#: Who is killed, and at which share of the objects.
KILLED = (("server", 0.1), ("server", 0.4), ("server", 0.7), ("dvc", 0.4))
_LARGE = f"{ADAPTER}/adapter_model.safetensors"


class Faults:
    """Faults, each in fresh clones: ``run`` returns by name whether what came is as it was.

    Args:
        folder: for projects with buckets of their own.
        bucket: a full one.
    """

    def __init__(self, folder: Path, bucket: Bucket):
        self._folder, self._bucket = folder, bucket
        self._expected = outputs(bucket.project)
        self._objects = len(bucket.emulator.objects())

    def run(self) -> dict[str, bool]:
        faults: dict[str, Callable[[], bool]] = {}
        for verb, kill_in in (("push", self._mid_push), ("pull", self._mid_pull)):
            for who, share in KILLED:
                name = f"{who} killed in a {verb}, at {share:.0%} of the objects"
                faults[name] = partial(kill_in, who, share)
        faults["an object with a changed byte, repaired"] = partial(self._damaged, _changed)
        faults["an object cut off, repaired"] = partial(self._damaged, _cut_off)
        passed = {}
        for name, fault in faults.items():
            passed[name] = fault()
            print(f"{name}: {'byte-identical afterwards' if passed[name] else 'FAILED'}")
        return passed

    def _mid_push(self, who: str, share: float) -> bool:
        """Kill server or client in a push to an empty bucket; push again, and pull elsewhere."""
        bucket = start_bucket(self._folder, f"push-{who}-{share}")
        try:
            push = begin(bucket.project, *_DVC, "push", "--quiet")
            in_time = self._kill(who, bucket, push, bucket.emulator.objects, share)
            bucket.project.dvc("push", "--quiet")
            judge = bucket.clone(f"pulled-{who}-{share}")
            judge.dvc("pull", "--quiet")
            return in_time and self._as_it_was(judge)
        finally:
            bucket.emulator.kill()

    def _mid_pull(self, who: str, share: float) -> bool:
        """Kill server or client in a pull, and pull again."""
        judge = self._bucket.clone(f"pull-{who}-{share}")
        cache = judge.root / ".dvc" / "cache" / "files" / "md5"
        pull = begin(judge, *_DVC, "pull", "--quiet")
        in_time = self._kill(who, self._bucket, pull, lambda: list(cache.glob("*/*")), share)
        judge.dvc("pull", "--quiet")
        return in_time and self._as_it_was(judge)

    def _kill(
        self,
        who: str,
        bucket: Bucket,
        client: "subprocess.Popen[str]",
        there: Callable[[], Collection[object]],
        share: float,
    ) -> bool:
        """Kill once so much has arrived, start the server anew; say whether something was left."""
        while len(there()) < share * self._objects and client.poll() is None:
            time.sleep(0.001)
        if who == "server":
            bucket.emulator.kill()
        else:
            client.kill()
        left = self._objects - len(there())
        if who == "server":
            bucket.emulator.start()
        client.communicate()
        return left > 0

    def _damaged(self, damage: Callable[[bytes], bytes]) -> bool:
        """Damage an object in the bucket, see that a pull refuses it, repair it, pull again."""
        stored = self._stored(_LARGE)
        whole = stored.read_bytes()
        stored.write_bytes(damage(whole))
        judge = self._bucket.clone(damage.__name__.strip("_"))
        try:
            refused = judge.run(*_DVC, "pull", "--quiet", check=False).returncode != 0
            refused = refused and not (judge.root / _LARGE).exists()
        finally:
            stored.write_bytes(whole)
        judge.dvc("pull", "--quiet")
        return refused and self._as_it_was(judge)

    def _stored(self, path: str) -> Path:
        content = (self._bucket.project.root / path).read_bytes()
        return self._bucket.emulator.object(hashlib.md5(content, usedforsecurity=False).hexdigest())

    def _as_it_was(self, judge: Project) -> bool:
        return outputs(judge) == self._expected


def _changed(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def _cut_off(data: bytes) -> bytes:
    return data[:-1000]
