"""The sections of ``params.yaml`` about data and base models, from their source to the chat."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from verdict.params.section import Name, Positive, Section, Seed, Sha256, Share, Text
from verdict.parse import misread

#: The name of a model that this project builds itself, instead of fetching it from the hub.
EMBEDDED = "embedded"


Address = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$")]
Link = Annotated[str, Field(pattern=r"^https?://[^\s<>]+$")]
HubPrefix = Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]*$")]


class SourceFile(Section):
    """One published file: where it is, and optionally the SHA-256 it must have."""

    address: Address
    sha256: Sha256 | None


class Fetch(Section):
    """Where the raw data comes from."""

    source: Literal["embedded", "files"]
    files: dict[Name, SourceFile]
    #: What holds all local addresses, which DVC looks at.
    local: Text
    #: The task's ``Embedded``; checked by the stage that reads it.
    embedded: dict[Name, Any]


class EmbeddedModel(Section):
    """How the embedded tiny model is built, and what it is pre-trained on."""

    architecture: Literal["gemma3", "gemma3_text", "gemma3n", "gemma4"]
    lessons: Literal["shapes", "comparisons"]
    seed: Seed
    steps: Positive


class Gguf(Section):
    """A model's weights, configuration and tokenizer in one GGUF file.

    Attributes:
        addresses: of the file, or of its parts in order.
        sha256: of the whole file.
        chat_template: how conversations are rendered, by name; null: as the file says, if it does.
        terms: what the licence asks to be passed on; laid beside the model under their own names.
    """

    addresses: Annotated[list[Address], Field(min_length=1)]
    sha256: Sha256
    chat_template: Literal["gemma"] | None
    terms: list[SourceFile]


class Model(Section):
    """A model to make here, to fetch from the hub at a fixed revision, or to read from a GGUF file.

    Attributes:
        name: ``embedded``; or the hub's, also of what a GGUF file was made of.
        embedded: how to make it. Others have none; where only the name was changed, as
            ``dvc exp run -S`` does, it has no effect.
        gguf: where its weights are, if not on the hub.
    """

    name: Annotated[str, Field(pattern=r"^(embedded|[\w.-]+/[\w.-]+)$")]
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None
    embedded: EmbeddedModel | None = None
    gguf: Gguf | None = None

    @model_validator(mode="after")
    def _embedded_described(self) -> Self:
        if self.name == EMBEDDED and self.embedded is None:
            keys = ", ".join(EmbeddedModel.model_fields)
            raise ValueError(f"an embedded model needs embedded: how it is built, by {keys}")
        return self

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.gguf is not None and (self.name == EMBEDDED or self.revision is not None):
            other = "name is embedded" if self.name == EMBEDDED else "there is a revision"
            raise ValueError(
                f"gguf says where the weights are, but {other}; set gguf to null, or else name to "
                "the model's own and revision to null"
            )
        if self.name != EMBEDDED and self.revision is None and self.gguf is None:
            raise ValueError(
                f"{self.name} needs a revision: the 40 hexadecimal digits of a commit on the hub "
                "(a branch name moves, and the result could not be repeated); or gguf, if its "
                "weights are in a GGUF file"
            )
        return self


class Terms(Section):
    """What using something is bound to.

    Attributes:
        licence: its identifier on the hub: SPDX's in lower case, or the hub's own, such as gemma.
        name: what people call it.
        address: where it can be read.
        notice: what has to be passed on word for word, if anything.
    """

    licence: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    name: Text
    address: Link
    notice: Text | None


class DataTerms(Terms):
    """The same of a published data set, and whose work it is.

    Attributes:
        title: what its makers call it.
        creator: who they are.
        home: where it is published.
        cite: the work to cite.
        published: the year.
    """

    title: Text
    creator: Text
    home: Link
    cite: Text
    published: Annotated[int, Field(ge=1900, le=2100)]


class Use(Section):
    """What using data and models is bound to, as far as it is known; nobody publishes without.

    Attributes:
        data: of the published data set, not of a stand-in that is made here.
        models: of models of the hub, by what their names begin with; the longest counts.
    """

    data: DataTerms | None
    models: dict[HubPrefix, Terms]

    def of_model(self, name: str) -> Terms | None:
        """Return what the use of a model of the hub is bound to."""
        known = [prefix for prefix in self.models if name.startswith(prefix)]
        return self.models[max(known, key=len)] if known else None


class Window(Section):
    """Which numbers of a DICOM image become black to white: ``center`` ± half the ``width``."""

    center: float
    width: Annotated[float, Field(ge=1)]


class Dicom(Section):
    """How the pixels of DICOM files become shades, and which frame is taken."""

    window: Literal["file", "medgemma", "medgemma_1_5"] | Window
    frame: Literal["only", "middle"]


class Extract(Section):
    """How images are decoded, resized, encoded and packed into shards."""

    size: Annotated[int, Field(ge=16, le=4096)]
    fit: Literal["pad", "stretch"]
    resample: Literal["nearest", "bilinear", "bicubic", "lanczos"]
    format: Literal["jpeg", "webp_lossless"]
    quality: Annotated[int, Field(ge=1, le=100)]
    shard_megabytes: Annotated[int, Field(ge=1, le=4096)]
    max_megapixels: Annotated[int, Field(ge=1, le=2000)]
    max_rejected: Annotated[int, Field(ge=0)]
    dicom: Dicom


class Split(Section):
    """Where the splits come from, the groups' shares in each, and what to do about leaks."""

    source: Literal["shares", "published"]
    crossing: Literal["fail", "leave_out", "keep"]
    train: Share
    validation: Share
    test: Share
    seed: Seed

    @model_validator(mode="after")
    def _shares_sum(self) -> Self:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + validation + test must be 1, not {total:g}")
        return self

    @model_validator(mode="after")
    def _only_published_splits_are_kept(self) -> Self:
        if self.crossing == "keep" and self.source != "published":
            raise ValueError(
                "crossing: keep is for published splits alone (source: published); use leave_out"
            )
        return self


#: In a chat template's turns, or plainly: the question, and the answer after it.
Form = Literal["turns", "plain"]


class Format(Section):
    """The conversation: the same for training and for evaluation, image first."""

    form: Form
    system: str
    prompt: Text
    answers: Annotated[dict[Name, Text], Field(min_length=2)] | None
    positive: Name | None

    @model_validator(mode="after")
    def _answers_differ(self) -> Self:
        if self.answers is None:
            if self.positive is not None:
                raise ValueError("positive must be null where answers is (free text has no labels)")
            return self
        if len(self.answers) > 2 and self.positive is not None:
            raise ValueError(
                f"positive must be null with {len(self.answers)} answers; it is about two"
            )
        if len(self.answers) == 2 and self.positive not in self.answers:
            raise ValueError(
                f"positive is {self.positive!r}, which is not one of answers: "
                + ", ".join(self.answers)
            )
        if len(set(self.answers.values())) < len(self.answers):
            raise ValueError("two labels have the same answer; each needs its own")
        for label, other in misread(self.answers).items():
            raise ValueError(
                f"the answer {self.answers[label]!r} of {label} would be read as "
                + (f"{self.answers[other]!r} of {other}" if other else "no answer at all")
                + ": case, markup and punctuation do not count. Use other words, or put a number "
                "before each answer"
            )
        return self
