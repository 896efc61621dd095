"""Ask all models about a test set from elsewhere, and let the baselines predict it.

Killed, it goes on where it stopped.
"""

import sys

from stages.baseline import pin, predict
from stages.evaluate import asking
from verdict.core.files import replacing
from verdict.core.paths import CHAT, OUTSIDE_PREDICTIONS, RECORDS, places_of_set
from verdict.params import Params
from verdict.pipeline.stage import key_of, run
from verdict.runtime.resume import discard


def main(name: str, params: Params) -> None:
    pin(params)
    # Imported only now: numpy must find the pins in its environment.
    from verdict.predictions import write_predictions

    chat, records = places_of_set(name)
    predictions, kept = {}, []
    for model in params.evaluate.models:
        with asking(model, params, records, {chat / f"{name}.jsonl": True}) as asked:
            predictions[model] = asked.predictions[0]
            kept.append(asked.folder)
    splits = dict.fromkeys(("train", "validation"), (CHAT, RECORDS))
    for baseline in params.baselines:
        predictions[baseline] = predict(baseline, params, splits | {name: (chat, records)})[name]
    with replacing(OUTSIDE_PREDICTIONS / name) as partial:
        for each, found in predictions.items():
            write_predictions(partial / f"{each}.parquet", found)
    for folder in dict.fromkeys(kept):
        discard(folder)


if __name__ == "__main__":
    key = key_of(sys.argv[1])
    run(f"evaluate_outside@{key}", lambda params: main(key, params))
