"""What the use of data and models is bound to, for the card, the page and whoever publishes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from verdict.params.data import EMBEDDED, DataTerms, Model, Terms, Use

#: Of what this project makes itself: synthetic data and tiny models.
OWN = Terms(
    licence="apache-2.0",
    name="Apache License 2.0",
    address="https://www.apache.org/licenses/LICENSE-2.0",
    notice=None,
)


@dataclass(frozen=True)
class Used:
    """Something that a result rests on.

    Attributes:
        what: the words for it.
        key: where params.yaml says what its use is bound to.
        terms: that; None where nobody has said it.
    """

    what: str
    key: str
    terms: Terms | None

    @property
    def sentence(self) -> str:
        """What it is bound to, whose work it is, and what to cite; without the notice."""
        terms = self.terms
        if terms is None:
            return f"{self.what}: not stated ({self.key} in params.yaml is empty)"
        bound = f"{self.what}: {terms.name} ({terms.address})"
        if isinstance(terms, DataTerms):
            bound += f". By {terms.creator}, {terms.published}: {terms.home}. Cite: {terms.cite}"
        return bound

    @property
    def notice(self) -> str:
        """What has to be passed on word for word; empty where nothing has."""
        return (self.terms and self.terms.notice) or ""


def terms_of(use: Use, models: Mapping[str, Model], *, synthetic: bool) -> list[Used]:
    """Return what the data set and each model, the base first, are bound to.

    Args:
        use: ``terms`` of params.yaml.
        models: those that are fetched.
        synthetic: the data are made here, and not those published.
    """
    data = Used("Synthetic data, made by this project", "terms.data", OWN)
    if not synthetic:
        title = f"Data set {use.data.title}" if use.data else "Data set"
        data = Used(title, "terms.data", use.data)
    return [data, *(_model(name, use) for name in _names(models))]


def base_terms(used: Sequence[Used]) -> Terms | None:
    """Return those of the base, which the weights trained from it share."""
    return used[1].terms


def notice_text(used: Sequence[Used]) -> str:
    """Return the text of the file NOTICE that goes with weights; empty where none is asked for."""
    return "\n".join(f"{one.what}:\n{one.notice}\n" for one in used if one.notice)


def _names(models: Mapping[str, Model]) -> list[str]:
    others = (model.name for name, model in models.items() if name != "base")
    return list(dict.fromkeys([models["base"].name, *others]))


def _model(name: str, use: Use) -> Used:
    if name == EMBEDDED:
        return Used("Tiny models, made by this project", "terms.models", OWN)
    return Used(f"Model {name}", f"terms.models.{name}", use.of_model(name))
