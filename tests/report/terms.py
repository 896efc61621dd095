"""The terms of a data set and of two models, as projects state them."""

from verdict.params.data import DataTerms, Terms, Use
from verdict.report.terms import Used

GEMMA = Terms(
    licence="gemma",
    name="Gemma Terms of Use",
    address="https://ai.google.dev/gemma/terms",
    notice="Gemma is provided under and subject to the Gemma Terms of Use.",
)
HAI_DEF = GEMMA.model_copy(
    update={
        "licence": "other",
        "name": "Health AI Developer Foundations Terms of Use",
        "address": "https://developers.google.com/health-ai-developer-foundations/terms",
        "notice": "HAI-DEF is provided under its terms.",
    }
)
DATA = DataTerms(
    licence="cc-by-nc-4.0",
    name="CC BY-NC 4.0",
    address="https://creativecommons.org/licenses/by-nc/4.0/",
    notice=None,
    title="Skin of 2020",
    creator="A. Nyone",
    home="https://doi.org/10.1/x",
    cite="Nyone, 2020",
    published=2020,
)
USE = Use(data=DATA, models={"google/gemma-3-4b-it": GEMMA, "google/medgemma-4b-it": HAI_DEF})
USED = [
    Used("Data set Skin of 2020", "terms.data", DATA),
    Used("Model google/gemma-3-4b-it", "terms.models.google/gemma-3-4b-it", GEMMA),
    Used("Model google/medgemma-4b-it", "terms.models.google/medgemma-4b-it", HAI_DEF),
]
