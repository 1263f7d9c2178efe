"""What is to be pre-trained: settings, data and the folder of each checkpoint, and whether it is there already."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from local.experiment import REPO, Experiment
from local.pretrain.config import PretrainConfig
from utils import config, stamp
from utils.errors import UserError

FOLDER = Path("exp/pretrain")
_CODE = ("local.pretrain.train",)
_TABLES = ("wav.scp", "segments", "utt2spk")


@dataclass(frozen=True)
class Work:
    """One encoder to be pre-trained."""

    settings: PretrainConfig  # all that the result depends on besides the data
    data: dict[str, Path]  # data directories, by the name that the model card gives them
    out: Path  # the checkpoint's folder

    def stamp(self) -> dict:
        """Say what the checkpoint is made from; see :mod:`utils.stamp`."""
        folders = list(self.data.values())
        tables = [path / name for path in folders for name in _TABLES if (path / name).exists()]
        return stamp.make(asdict(self.settings) | {"data": [str(path) for path in folders]}, _CODE, tables)

    def why_stale(self) -> str | None:
        """Tell why it must be made, None when it is up to date; a UserError names data that are not there."""
        for path in self.data.values():
            missing = [name for name in ("wav.scp", "utt2spk") if not (path / name).is_file()]
            if missing:
                raise UserError(f"{path}: not a data directory, there is no {missing[0]}; run stage 1 (data) first")
        return stamp.why_stale(self.out, self.stamp())


def all_work(experiment: Experiment) -> list[Work]:
    """List what an experiment pre-trains, done or not.

    With ``split.reserve``, only the reserved speakers are heard.
    """
    found = []
    for wanted in experiment.pretrain:
        path = Path(wanted.config)
        path = path if path.is_file() or path.is_absolute() else REPO / path
        data = {corpus: Path("data", corpus) for corpus in wanted.data}
        if experiment.split.reserve:
            data = {name: folder / "folds" / experiment.split.scheme / "reserved" for name, folder in data.items()}
        found.append(Work(config.load(PretrainConfig, path), data, FOLDER / wanted.name))
    return found
