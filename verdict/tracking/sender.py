"""Send a spool to its trackers, while it grows or afterwards, and say once what could not be."""

import contextlib
import json
import re
import threading
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Protocol

from verdict.core.files import write_json
from verdict.tracking.run import upload_command
from verdict.tracking.spool import Event, Spool, SpoolReader, without_secrets

#: Seconds between two looks at the file.
INTERVAL = 0.5
#: Events that are sent together; the others, which take long, are acknowledged one by one.
_LIGHT = ("log", "tags", "metrics")

#: What stands in the errors of the trackers' clients, the more particular first.
_SIGNS = {
    r"\b40[13]\b": "refuses the credentials (HTTP 401 or 403)",
    "certificate": "has a certificate that is not trusted here",
    "NameResolution|Name or service not known": "has a name that cannot be resolved",
    "Connection refused|Max retries exceeded|timed out": "does not answer",
}

Say = Callable[[str], None]


class Tracker(Protocol):
    """Where events go. Any exception means: not sent."""

    #: What a person calls it, with its address.
    title: str

    def open(self, start: Event, run: str | None) -> str:
        """Create the run, or find the one that ``run`` names; return its name."""

    def send(self, events: Sequence[Event]) -> None:
        """Send events of one kind, in order; sending one twice leaves one."""


class Sender:
    """One tracker's way through the events of one spool.

    Attributes:
        failed: something was not sent; nothing more is tried.
    """

    def __init__(self, name: str, spool: Spool, say: Say, live: bool):
        self._name, self._spool, self._say, self._live = name, spool, say, live
        state = _read_state(spool).get(name, {})
        self._run: str | None = state.get("run")
        self._sent: int = state.get("sent", 0)
        self._done: bool = state.get("done", False)
        self._tracker: Tracker | None = None
        self._step: int | None = None
        self.failed = False

    def send(self, events: Sequence[tuple[int, Event]]) -> None:
        """Send those that have not been sent yet; the first failure ends it, with a warning."""
        for _, group in groupby(events, _kind):
            batch = list(group)
            if not self.failed and not self._done:
                self._send_batch(batch)

    def _send_batch(self, batch: list[tuple[int, Event]]) -> None:
        waiting = [event for number, event in batch if number >= self._sent]
        first = batch[0][1]
        try:
            if first["event"] == "start":
                self._open(first)
            elif waiting and self._tracker is not None:
                self._tracker.send(waiting)
            self._step = max(
                (event["step"] for _, event in batch if event["event"] == "log"),
                default=self._step,
            )
            if waiting:
                self._done = first["event"] == "finish"
                self._acknowledge(batch[-1][0] + 1)
        except Exception as error:
            self.failed = True
            self._warn(error, waiting[0] if waiting else first)

    def _open(self, start: Event) -> None:
        self._tracker = make_tracker(self._name, self._spool, self._say, start)
        run = self._tracker.open(start, self._run)
        if run != self._run:
            # Another store than last time, or the first time: it has seen nothing yet.
            self._run, self._sent = run, 0
            self._acknowledge(1)

    def _acknowledge(self, count: int) -> None:
        self._sent = max(self._sent, count)
        state = _read_state(self._spool)
        mine = {"run": self._run, "sent": self._sent, "done": self._done}
        write_json(self._spool.sent, {**state, self._name: mine})

    def _warn(self, error: Exception, event: Event) -> None:
        title = self._tracker.title if self._tracker is not None else self._name
        goes_on = "The work goes on. " if self._live else ""
        self._say(
            f"{title}: {reason(error)}. {goes_on}Not sent: {self._lost(event)}. It is kept; "
            f"send it with: {upload_command(self._spool)}"
        )

    def _lost(self, event: Event) -> str:
        match event["event"]:
            case "start":
                return "the whole run (parameters, tags, curves, metrics, figures, adapter)"
            case "log":
                return f"the curves from step {event['step']} on, and all that follows them"
            case "finish":
                return "how the run ended"
            case kind:
                after = "" if self._step is None else f" after step {self._step}"
                return f"the {kind}{after}, and all that follows"


def replay(spool: Spool, say: Say, ended: threading.Event | None = None) -> bool:
    """Send a spool's events to all its trackers; return whether everything arrived.

    Args:
        say: gets one message for each tracker that fails.
        ended: set when no more events will come; None: the spool is read as it stands.

    Raises:
        VerdictError: the spool is missing or damaged.
    """
    reader = SpoolReader(spool)
    senders: list[Sender] = []
    number, event = 0, Event()
    while event.get("event") != "finish":
        last = ended is None or ended.is_set()
        events = reader.read_new()
        if events and not senders:
            names = events[0][1]["trackers"]
            senders = [Sender(name, spool, say, ended is not None) for name in names]
        for sender in senders:
            sender.send(events)
        if events:
            number, event = events[-1]
        if last or ended is None:
            break
        if event.get("event") != "finish":
            ended.wait(INTERVAL)
    if event.get("event") != "finish":
        # The work was killed before it could say how it ended.
        killed = {"event": "finish", "time": event["time"], "status": "KILLED"}
        for sender in senders:
            sender.send([(number + 1, killed)])
    return not any(sender.failed for sender in senders)


def make_tracker(name: str, spool: Spool, say: Say, start: Event) -> Tracker:
    """Import a tracker's library, which takes seconds, and return what talks to it."""
    root = spool.path.parent.parent
    if name == "mlflow":
        from verdict.tracking.mlflow_tracker import MlflowTracker

        return MlflowTracker(spool, root, start["address"])
    if name == "tensorboard":
        from verdict.tracking.tensorboard_tracker import TensorboardTracker

        return TensorboardTracker(spool)
    from verdict.tracking.wandb_tracker import WandbTracker

    return WandbTracker(spool, say)


def reason(error: BaseException) -> str:
    """Return why something was not sent, in few words and without secrets."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    text = " ".join(str(link) for link in chain)
    for sign, meaning in _SIGNS.items():
        if re.search(sign, text):
            return meaning
    lines = [line for line in str(without_secrets(str(error))).splitlines() if line.strip()]
    return f"failed with {type(error).__name__}: {lines[0][:200] if lines else 'no message'}"


def _kind(item: tuple[int, Event]) -> Any:
    number, event = item
    return "light" if event["event"] in _LIGHT else number


def _read_state(spool: Spool) -> dict[str, Any]:
    with contextlib.suppress(FileNotFoundError):
        return json.loads(spool.sent.read_text(encoding="utf-8"))
    return {}
