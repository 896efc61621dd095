"""The page: what is asked about on the left, the answer on the right, sample cases below.

And what stands before it: whom it answers, and how much it takes.

Import this only after ``verdict.reproducibility.pin_cpu``, and with gradio's analytics off.
"""

import html
import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tools.demo.samples import Sample, digest
from tools.predict import DISCLAIMER
from tools.predict.answering import Answered, Predictor
from tools.predict.questions import Question, TaskOfPairs
from verdict.conversations import TEXT
from verdict.params.data import image_places

#: Fonts of the system alone; gradio serves its own from here, and nothing comes from elsewhere.
_FONTS = ("system-ui", "sans-serif")
THEME = gr.themes.Base(primary_hue="blue", font=_FONTS, font_mono=("ui-monospace", "monospace"))
CSS = (Path(__file__).parent / "page.css").read_text("utf-8")


def build(
    predictor: Predictor, task: TaskOfPairs | None, cases: list[Sample], title: str
) -> gr.Blocks:
    """Return the page.

    Args:
        task: the task, if it is about pairs of texts.
        cases: of the test split, to be clicked.
        title: what is asked, and which model answers.
    """
    answer = _Answering(predictor, task, cases)
    with gr.Blocks(title=title, analytics_enabled=False, fill_width=True) as page:
        gr.HTML(f"<h1>{html.escape(title)}</h1>")
        gr.HTML(f"<p class='disclaimer' role='note'>{DISCLAIMER}</p>")
        with gr.Row(equal_height=False):
            with gr.Column():
                inputs = _inputs(predictor, task, cases)
                button = gr.Button("Ask", variant="primary", elem_id="ask")
            with gr.Column():
                result = gr.HTML(_EMPTY, elem_id="answer")
        found = gr.JSON(visible=False)
        asked = gr.on(
            [button.click, *(one.submit for one in inputs if isinstance(one, gr.Textbox))],
            answer,
            inputs,
            found,
            api_visibility="private",
            show_progress_on=[result],
        )
        # An answer never stands beside something that it is not about. The browser sees to it, in
        # whichever order fields change and answers come; a request that takes the answer back, or
        # cancels the question, may come too late, or meet another one.
        for event in (asked.then, *(one.change for one in inputs)):
            event(None, [*inputs, found], result, js=_SHOW, api_visibility="private")
        if cases:
            gr.Examples(
                [answer.fields(case) for case in cases],
                inputs,
                label="Cases of the test split",
                # Of one field they lie side by side, of several in a table.
                examples_per_page=len(cases) if len(inputs) == 1 else 4,
                api_visibility="private",
            )
        gr.HTML(_about(predictor))
    return page


def _inputs(predictor: Predictor, task: TaskOfPairs | None, cases: list[Sample]) -> list[Any]:
    if task is not None:
        return [gr.Textbox(label=f"Record {name}", lines=4, max_lines=12) for name in "AB"]
    # Where the prompt does not say how many, the cases do.
    count = image_places(predictor.asked.prompt) or max((len(c.images) for c in cases), default=1)
    names = ["Image"] if count == 1 else [f"Image {number}" for number in range(1, count + 1)]
    images = [_image_field(name) for name in names]
    if TEXT not in predictor.asked.prompt:
        return images
    return [*images, gr.Textbox(label="Question", lines=1, max_lines=4)]


def _image_field(label: str) -> gr.Image:
    image = gr.Image(
        type="filepath", image_mode=None, label=label, sources=["upload", "clipboard"],
        buttons=["fullscreen"], height=320, elem_id=label.lower().replace(" ", "-"),
    )  # fmt: skip
    # gradio's own opens the file first, and words no error. (It is no subclass, since gradio writes
    # a stub file beside the code of each.)
    image.preprocess = lambda payload: payload.path if payload else None  # type: ignore[method-assign]
    return image


class _Answering:
    """From what stands in the fields to the words on the page."""

    def __init__(self, predictor: Predictor, task: TaskOfPairs | None, cases: list[Sample]):
        self._predictor, self._task = predictor, task
        self._cases = {digest(case.images, case.text): case for case in cases}
        self._stored = {digest([image], None) for case in cases for image in case.images}

    def fields(self, case: Sample) -> list[str]:
        """Return what a case fills the fields with."""
        if self._task is not None:
            return list(self._task.out_of_pair(case.text or ""))
        return [str(value) for value in (*case.images, case.text) if value is not None]

    def __call__(self, *fields: str | None) -> dict[str, Any]:
        """Return the fields, and what is shown as long as they stay as they are."""
        return {"fields": fields, "shown": self._shown(*fields)}

    def _shown(self, *fields: str | None) -> str:
        if not all(field and field.strip() for field in fields):
            return _note("Fill in every field first." if len(fields) > 1 else "Choose an image.")
        given = [str(field).strip() for field in fields]
        text = None
        if self._task is not None:
            given, text = [], self._task.as_pair(*given)
        elif TEXT in self._predictor.asked.prompt:
            text = given.pop()
        images = tuple(map(Path, given))
        stored = all(digest([image], None) in self._stored for image in images)
        (answered,) = self._predictor.answers([Question("", images, text, as_stored=stored)])
        return _shown(answered, self._predictor, self._cases.get(digest(images, text)))


_EMPTY = "<p class='pale'>The answer will stand here.</p>"
#: Of the fields as they are now, and what was found: what is shown.
_SHOW = f"""(...fields) => {{
  const found = fields.pop();
  const given = JSON.stringify(fields.map((field) => field?.path ?? field));
  return found && JSON.stringify(found.fields) === given ? found.shown : {json.dumps(_EMPTY)};
}}"""


def _note(text: str) -> str:
    return f"<p class='problem' role='alert'>{html.escape(text)}</p>"


def _shown(answered: Answered, predictor: Predictor, case: Sample | None) -> str:
    if answered.error is not None:
        return _note(f"No answer: it {answered.error}.")
    answers = predictor.asked.answers or {}
    parts = []
    if answers:
        parts.append(f"<p class='kicker'>Answer</p><p class='big'>{_e(answered.answer)}</p>")
        parts.append("<table><caption>Probability of each answer</caption><tbody>")
        for label, probability in sorted(answered.probabilities.items(), key=lambda x: -x[1]):
            parts.append(
                f"<tr><th scope='row'>{_e(label)}<small>{_e(answers[label])}</small></th>"
                f"<td class='bar'><i style='width:{probability:.1%}'></i></td>"
                f"<td class='number'>{probability:.1%}</td></tr>"
            )
        parts.append("</tbody></table>")
    if answered.words or answered.invalid:
        words = _e(answered.words) or "<em>nothing</em>"
        heading, kind = ("In the model’s own words", "") if answers else ("Answer", " text")
        parts.append(f"<p class='kicker'>{heading}</p><p class='words{kind}'>{words}</p>")
    if answered.invalid:
        parts.append(_note(f"No answer can be read from these words: {answered.invalid}."))
    elif answered.label_in_words not in (None, answered.answer):
        parts.append(_note(f"The words say {answered.label_in_words}, unlike the probabilities."))
    if case is not None:
        parts.append(f"<p class='pale'>Right in the test split: <b>{_e(case.right)}</b></p>")
    return "".join(parts)


def _about(predictor: Predictor) -> str:
    asked, weights = predictor.asked, predictor.weights
    prompt = asked.prompt.replace(TEXT, "[what you give]")
    lines = [text for text in (asked.system, prompt) if text]
    said = "".join(f"<p class='words'>{_e(line)}</p>" for line in lines)
    return (
        f"<details><summary>What the model is asked</summary>{said}"
        f"<p class='pale'>Model: {_e(str(weights.adapter))} over {_e(str(weights.model))}</p>"
        "</details>"
    )


def _e(text: str) -> str:
    return html.escape(text)


#: Bytes of all uploads together while the page is open; they are kept until it ends.
LARGEST_TOTAL = 4 * 2**30


def guards(host: str) -> list[Middleware]:
    """Return what every request passes, for a page at ``host``.

    A page for this machine alone answers under this machine's names only: otherwise any web page
    could have its own name point here, and read what the browser gets (DNS rebinding).
    """
    names = ["127.0.0.1", "localhost"] if _is_loopback(host) else ["*"]
    return [Middleware(TrustedHostMiddleware, allowed_hosts=names), Middleware(UploadLimit)]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).version == 4 and ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class UploadLimit:
    """Takes uploads until they are so many bytes, by the length that each states."""

    def __init__(self, app: ASGIApp, limit: int = LARGEST_TOTAL):
        self._app, self._left = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].rstrip("/").endswith("/upload"):
            stated = Headers(scope=scope).get("content-length", "")
            # A body without a length could have any.
            if scope["method"] == "POST" and not (stated.isascii() and stated.isdigit()):
                await PlainTextResponse("State the length.", 411)(scope, receive, send)
                return
            length = int(stated[:18] or 0)
            if length > self._left:
                said = "No more uploads are taken: start the page anew."
                await PlainTextResponse(said, 413)(scope, receive, send)
                return
            self._left -= length
        await self._app(scope, receive, send)
