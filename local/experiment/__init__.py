"""What a recipe asks for: its ``conf/experiment.yaml``, typed and checked, as every stage reads it."""

from local.experiment.listen import Listen
from local.experiment.loading import add_arguments, load
from local.experiment.outside import Outside
from local.experiment.schema import (
    Cap,
    Experiment,
    Features,
    Losses,
    Pretrain,
    Probe,
    ProbeGrid,
    Score,
    Sed,
    Split,
    Study,
)
from local.experiment.tuning import Finetune, Grid
from utils.registry import REPO

__all__ = [
    "REPO", "Cap", "Experiment", "Features", "Finetune", "Grid", "Listen", "Losses", "Outside", "Pretrain", "Probe",
    "ProbeGrid", "Score", "Sed", "Split", "Study", "add_arguments", "load",
]  # fmt: skip
