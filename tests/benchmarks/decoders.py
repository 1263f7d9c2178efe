"""How much diarizers should smooth on other speech than their own: EDER and segments by decoder, on dev recordings.

    cd egs/zed && python3 -m tests.benchmarks.decoders emodb,ravdess,nemo ../mini/exp/sed/models/*/fold*

Recordings are those that stage 6 of the recipe made of these corpora (``data/<corpus>/sed/single``), of the first
fold's dev lists; at most 24 of a corpus, drawn. Printed are means over corpora and models: what chose ``smoothing`` in
egs/mini (docs/diarizer.md).
"""

from __future__ import annotations

import sys

import numpy as np

from local.results.eder import score_all
from local.sed.data import sets
from local.sed.model import decode, load

EACH = 24


def main() -> None:
    """Print a row a decoder: method, value, mean EDER in percent, segments a recording (and how many there are)."""
    corpora, models = sys.argv[1].split(","), [load.load(folder) for folder in sys.argv[2:]]
    emotions = models[0].emotions
    rng, heard = np.random.default_rng(0), {}
    for corpus in corpora:
        data = sets.read(f"{corpus}.single", "speaker", emotions)
        heard[corpus] = data, rng.permutation(sorted(data.folds[0]["dev"]))[:EACH].tolist()
    posteriors = {
        (number, utt): model.posteriors(data.utterances[utt].load())
        for number, model in enumerate(models) for data, own in heard.values() for utt in own
    }  # fmt: skip
    truth = np.mean([len(data.reference[utt]) for data, own in heard.values() for utt in own])
    print(f"{sum(len(own) for _, own in heard.values())} recordings, {len(models)} models, {truth:.1f} segments each")
    for method in ("median", "minimum"):
        for value in decode.GRID[method]:
            decoder, found = decode.Decoder(method, value), []
            for number, model in enumerate(models):
                for data, own in heard.values():
                    said = {
                        utt: decode.decode(posteriors[number, utt], utt, data.duration[utt], model.emotions, decoder)
                        for utt in own
                    }
                    scores = score_all({utt: data.reference[utt] for utt in own}, said, data.duration)
                    rates = [score.rate for score in scores.values()]
                    found.append((100 * np.mean(rates), np.mean([len(segments) for segments in said.values()])))
            eder, segments = np.mean(found, axis=0)
            print(f"{method:<8} {value:>6g}  EDER {eder:5.1f} %  {segments:5.1f} segments", flush=True)


if __name__ == "__main__":
    main()
