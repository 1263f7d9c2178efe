"""How results say which corpora an encoder has heard."""

from __future__ import annotations

import pytest

from local import corpora, encoders
from local.encoders import EncoderSpec
from local.results import heard


def test_three_ways_the_strongest_counts() -> None:
    spec = EncoderSpec("x", pretrained_on=["a", "b"], finetuned_on=["b", "c"])
    assert heard.say(spec, ["a", "b", "c", "d", "a"]) == ["a", "b:labels", "c:labels"]
    said = heard.say(EncoderSpec("x", pretrained_on=["a"], finetuned_on=["b"], unlisted=True), "abd")
    assert said == ["a", "b:labels", "d:unknown"]
    assert heard.read(said) == {"a": "", "b": "labels", "d": "unknown"}
    assert heard.in_words(said) == "a, b with labels, d perhaps"
    assert heard.say(EncoderSpec("x"), ["a"]) == [] and heard.read([""]) == {}


@pytest.mark.parametrize(("name", "outside"), [("seed", ""), ("base", "unknown"), ("large", "unknown")])
def test_of_our_human_corpora_four_lie_outside_what_emotion2vec_was_taught(name: str, outside: str) -> None:
    human = [one for one in corpora.names() if not corpora.spec(one).synthetic]
    said = heard.read(heard.say(encoders.spec(f"emotion2vec_plus_{name}"), human))
    free = {one for one in human if said.get(one) != "labels"}
    assert free == {"banglaser", "nemo", "thai_ser", "zed"}
    assert {said.get(one, "") for one in free} == {outside}
    assert heard.say(encoders.spec("emotion2vec_base"), human) == ["iemocap"]
