"""Fields of configurations: the words that they know hold, and what the source says of them is found."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from utils import config
from utils.config_fields import Described, describe, one_of, some_of
from utils.errors import UserError


@dataclass
class Wheel:
    """One of ``wheels``."""

    size: float  # metres


@dataclass
class Engine:
    """What drives it.

    Or nothing.
    """

    # Petrol smells,
    # steam hisses.
    kind: str = one_of("petrol", "steam")  # of fuel
    power: int = 3


@dataclass
class Car:
    engine: Engine = field(default_factory=Engine)
    colours: list[str] = some_of(["red"], "blue", "green")  # it has

    # A remark that belongs to no field.

    spare: str | None = one_of("tyre", "none")
    wheels: list[Wheel] = field(
        default_factory=list,
    )  # from the left; "#" is no comment in "#1"


def load(folder: Path, text: str, *overrides: str) -> Car:
    (folder / "car.yaml").write_text(text)
    return config.load(Car, folder / "car.yaml", overrides)


def test_fields_come_with_their_comments_words_and_defaults_sections_last() -> None:
    assert list(describe(Car)) == [
        Described("colours", "it has", ("red", "blue", "green"), ["red"]),
        Described("spare", "", ("tyre", "none"), "tyre"),
        Described("wheels", 'from the left; "#" is no comment in "#1"', (), []),
        Described("engine", "What drives it.\n\nOr nothing.", section=True),
        Described("engine.kind", "Petrol smells, steam hisses. of fuel", ("petrol", "steam"), "petrol"),
        Described("engine.power", "", (), 3),
        Described("wheels[]", "One of ``wheels``.", section=True),
        Described("wheels[].size", "metres", (), dataclasses.MISSING),
    ]


def test_every_described_field_can_be_set(tmp_path: Path) -> None:
    for one in describe(Car):
        if not one.section and "[]" not in one.name:
            assert load(tmp_path, "", f"{one.name}={one.default}") == Car()


@pytest.mark.parametrize(
    ("text", "override", "message"),
    [
        ("engine: {kind: diesel}", None, r"car\.yaml: engine\.kind: 'diesel' is not one of petrol, steam"),
        ("colours: [red, pink]", None, r"car\.yaml: colours: 'pink' is not one of red, blue, green"),
        ("", "engine.kind=diesel", r"--set engine.kind=diesel: engine\.kind: 'diesel' is not one of petrol, steam"),
        ("colours: [blue, red]", "colours[1]=pink", r"colours: 'pink' is not one of red, blue, green"),
        ("", "spare=wheel", r"spare: 'wheel' is not one of tyre, none"),
    ],
)
def test_an_unknown_word_is_refused_wherever_it_comes_from(tmp_path: Path, text, override, message) -> None:
    with pytest.raises(UserError, match=message):
        load(tmp_path, text, *([override] if override else []))


def test_known_words_and_nothing_where_nothing_may_be_pass(tmp_path: Path) -> None:
    assert load(tmp_path, "colours: []\nspare: null\nengine: {kind: steam}").engine.kind == "steam"
    assert load(tmp_path, "", "colours=[green, blue]").colours == ["green", "blue"]
    assert load(tmp_path, "wheels: [{size: 0.5}]").wheels == [Wheel(0.5)]


def test_words_are_known_inside_lists_of_sections(tmp_path: Path) -> None:
    @dataclass
    class Garage:
        cars: list[Engine] = field(default_factory=list)

    (tmp_path / "garage.yaml").write_text("cars: [{kind: steam}, {kind: diesel}]")
    with pytest.raises(UserError, match=r"garage.yaml: cars\[1\].kind: 'diesel' is not one of"):
        config.load(Garage, tmp_path / "garage.yaml")
