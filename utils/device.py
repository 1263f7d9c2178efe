"""Which device a job computes on: the one place where that is chosen."""

from __future__ import annotations

import os

from utils.errors import UserError

# What a scheduler sets, the one that CUDA itself obeys first; Slurm's are there where a site has turned that off.
_SHOWN = ("CUDA_VISIBLE_DEVICES", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS")


def choose(job: int, ngpu: int) -> str:
    """Choose the device, as torch names it, of a job, from 1; to be called before torch is imported.

    A library that takes every GPU it sees must see the job's own alone: where several are shown, jobs take them in
    turn, and CUDA_VISIBLE_DEVICES is narrowed to the job's. Processes of torchrun see all and take their own,
    ``cuda:<LOCAL_RANK>``. ``ngpu`` is how many GPUs the jobs share; 0 for the CPU.

    Raises
    ------
    UserError
        A GPU is asked for, and the environment shows none.
    """
    if ngpu == 0:
        return "cpu"
    variable = next((name for name in _SHOWN if name in os.environ), None)
    shown = [str(number) for number in range(ngpu)]
    if variable:
        shown = [name for part in os.environ[variable].split(",") if (name := part.strip())]
        if not shown or shown[0] in ("-1", "NoDevFiles"):
            raise UserError(
                f"--ngpu {ngpu}: {variable}='{os.environ[variable]}' shows this job no GPU; "
                f"ask for one in cmd.sh (or unset {variable}), or use --ngpu 0"
            )
    rank = os.environ.get("LOCAL_RANK")
    if rank is not None:
        return f"cuda:{rank}" if len(shown) > 1 else "cuda:0"
    os.environ["CUDA_VISIBLE_DEVICES"] = shown[(job - 1) % min(ngpu, len(shown))]
    return "cuda:0"
