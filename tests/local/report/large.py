"""Make-believe results as many as those of egs/small: 330 conditions of ten systems an encoder, some of two stages."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.local.score.synthetic import Corpus, Encoder, World

LANGUAGES = {"de": "eins", "en": "one", "pl": "jeden"}
STRATEGIES = ["head", "lora", "ba", "wg", "lora+ba+wg", "ia3", "bitfit", "prompt", "full"]


def large_world(root: Path, strategies: list[str] | None = None) -> World:
    """Write conditions and their experiment, whose stage 5 and 8 can be run at once.

    Parameters
    ----------
    root : Path
        The recipe folder to be.
    strategies : list of str, optional
        Of tuning; all by default. Fewer make a smaller world of the same kind.
    """
    corpora = [Corpus(name, language, speakers=6) for language, name in LANGUAGES.items()]
    bound = [Encoder(f"own_{language}", 5, 0.7, [language], [name]) for language, name in LANGUAGES.items()]
    pooled = Encoder("pooled", 5, 0.7, pretrained_on=list(LANGUAGES.values()))
    world = World(
        root, corpora, [*bound, pooled, Encoder("random", 5, 0.5, init="random"), Encoder("plain", 1, 0.6)]
    ).write()
    grids = [(bound, strategies or STRATEGIES), ([pooled], ["head", "full"] + ["lora+ba+wg"] * (not strategies))]
    for encoders, names in grids:
        for encoder in encoders:
            for number, strategy in enumerate(names):
                for train, test in world.all_pairs():
                    world.write_tuned(encoder, strategy, train, test, gain=0.02 * number, params=1000 * (number + 1))
    also = [{"encoders": ["pooled"], "strategies": grids[1][1]}]
    for encoder in bound:
        source = LANGUAGES[encoder.languages[0]]
        targets = [name for name in LANGUAGES.values() if name != source]
        for target in targets:
            world.write_tuned(encoder, "lora+ba+wg", [target], target, source=[source], gain=0.2, params=9000)
        pairs = [f"{source}>{target}:{target}" for target in targets]
        also.append({"encoders": [encoder.name], "strategies": ["lora+ba+wg"], "pairs": pairs})
    path = root / "conf/experiment.yaml"
    config = yaml.safe_load(path.read_text())
    config["finetune"] = {
        "encoders": [encoder.name for encoder in bound], "strategies": grids[0][1], "pairs": ["all"], "also": also,
    }  # fmt: skip
    path.write_text(yaml.safe_dump(config))
    return world
