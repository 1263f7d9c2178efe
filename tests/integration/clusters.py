"""Clusters of one machine for tests: real Slurm (two nodes) and real Grid Engine, in a folder of their own."""

from __future__ import annotations

import abc
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_SLURM = """ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool.%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
MaxArraySize=4
KillWait=2
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0
GresTypes=gpu
NodeName=one,two NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]},{ports[2]} CPUs=2 RealMemory=1000 Gres=gpu:1
PartitionName=all Nodes=ALL Default=YES State=UP
"""
_BOOTSTRAP = """admin_user none
default_domain none
ignore_fqdn true
spooling_method berkeleydb
spooling_lib libspoolb
spooling_params {root}/spooldb
binary_path /usr/sbin
qmaster_spool_dir {root}/qmaster
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
"""
_PE = """pe_name smp
slots 16
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule $pe_slots
control_slaves FALSE
job_is_first_task TRUE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
"""


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def processes(folder: Path) -> list[str]:
    """List processes that run in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(path / "cwd") == str(folder):
                found.append(path.name)
        except OSError:
            continue
    return found


class Cluster(abc.ABC):
    """What tests ask of a cluster."""

    name: str
    package: str
    program: str

    def __init__(self, root: Path):
        self.root, self.environment = root, dict(os.environ)
        self._daemons: dict[str, subprocess.Popen] = {}

    def call(self, *words: str) -> str:
        """Run one of the scheduler's commands; one that does not answer is asked again."""
        deadline = time.monotonic() + 30
        while True:
            result = subprocess.run(words, env=self.environment, capture_output=True, text=True)
            if result.returncode == 0:
                return result.stdout
            assert time.monotonic() < deadline, f"{words}: {result.stdout} {result.stderr}"
            time.sleep(0.5)

    @abc.abstractmethod
    def start(self) -> None:
        """Start the daemons and wait until nodes are there."""

    @abc.abstractmethod
    def jobs(self) -> str:
        """List jobs that have not ended."""

    def daemon(self, name: str, *words: str, **environment: str) -> None:
        with open(self.root / f"{name}.log", "ab") as log:
            self._daemons[name] = subprocess.Popen(
                words, env=self.environment | environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def end(self, name: str, patience: float = 5) -> None:
        process = self._daemons.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop(self) -> None:
        for name in reversed(list(self._daemons)):
            self.end(name, patience=1)  # Grid Engine's master would take longer; nothing that it saves is kept


class Slurm(Cluster):
    """A controller and two nodes; arrays have at most three jobs, each node has a device that passes for a GPU."""

    name, package, program = "slurm", "slurm-wlm", "slurmctld"

    def start(self) -> None:
        root, host = self.root, socket.gethostname().split(".")[0]
        (root / "state").mkdir()
        (root / "slurm.conf").write_text(_SLURM.format(root=root, host=host, ports=free_ports(3)))
        (root / "gres.conf").write_text("".join(f"NodeName={n} Name=gpu File={root}/gpu.{n}\n" for n in ("one", "two")))
        for node in ("one", "two"):
            os.mknod(root / f"gpu.{node}", 0o020600, os.makedev(1, 3))
        (root / "munge.key").write_bytes(os.urandom(128))
        (root / "munge.key").chmod(0o600)
        self.environment["SLURM_CONF"] = str(root / "slurm.conf")
        files = [f"--{kind}-file={root}/munge.{kind}" for kind in ("key", "pid", "log", "seed")]
        self.daemon("munged", "munged", "--force", "--foreground", f"--socket={root}/munge.socket", *files)
        wait_for((root / "munge.socket").exists)
        self.control()
        for node in ("one", "two"):
            self.daemon(f"node.{node}", "slurmd", "-D", "-N", node)
        wait_for(lambda: self.call("sinfo", "-h", "-N", "-t", "idle").count("\n") == 2)

    def control(self) -> None:
        self.daemon("slurmctld", "slurmctld", "-D")

    def jobs(self) -> str:
        return self.call("squeue", "-h")


class GridEngine(Cluster):
    """A master and one node with two slots."""

    name, package, program = "sge", "gridengine-master", "sge_qmaster"

    def start(self) -> None:
        root, host = self.root, socket.gethostname()
        common = root / "default/common"
        common.mkdir(parents=True)
        for name in ("bin", "lib", "util", "utilbin"):
            (root / name).symlink_to(f"/var/lib/gridengine/{name}")
        for name in ("spooldb", "qmaster", "execd"):
            (root / name).mkdir()
        master, node = map(str, free_ports(2))
        self.environment |= {"SGE_ROOT": str(root), "SGE_CELL": "default", "SGE_QMASTER_PORT": master,
                             "SGE_EXECD_PORT": node}  # fmt: skip
        (common / "bootstrap").write_text(_BOOTSTRAP.format(root=root))
        (common / "act_qmaster").write_text(f"{host}\n")
        names = [name for name in ("localhost", *socket.gethostbyaddr("127.0.0.1")[1]) if name != host]
        (common / "host_aliases").write_text(f"{host} {' '.join(dict.fromkeys(names))}\n")
        self.call("/usr/share/gridengine/scripts/init_cluster", str(root), "default", str(root / "spooldb"), "root")
        self.daemon("master", "sge_qmaster", SGE_ND="1")
        self._change("-Mconf", "global", "-sconf", {"execd_spool_dir": f"{root}/execd", "min_uid": "0", "min_gid": "0"})
        self.call("qconf", "-as", host)
        self.daemon("node", "sge_execd", SGE_ND="1")
        wait_for(lambda: host in self.call("qconf", "-sel"))
        (root / "smp").write_text(_PE)
        self.call("qconf", "-Ap", str(root / "smp"))
        queue = {"qname": "all.q", "hostlist": host, "slots": "2", "load_thresholds": "NONE", "pe_list": "smp"}
        self._change("-Aq", "queue", "-sq", queue)
        quick = {"schedule_interval": "0:0:1", "flush_submit_sec": "1", "flush_finish_sec": "1"}
        self._change("-Msconf", "schedule", "-ssconf", quick)
        wait_for(lambda: "all.q" in self.call("qstat", "-f") and " au" not in self.call("qstat", "-f"))

    def jobs(self) -> str:
        return self.call("qstat", "-u", "*")

    def _change(self, option: str, name: str, show: str, fields: dict[str, str]) -> None:
        lines = self.call("qconf", show).splitlines()
        lines = [f"{key} {fields[key]}" if (key := line.split(" ")[0]) in fields else line for line in lines]
        (self.root / name).write_text("\n".join(lines) + "\n")
        self.call("qconf", option, str(self.root / name))


@contextlib.contextmanager
def running(kind: type[Cluster]) -> Iterator[Cluster]:
    """Run a cluster; skip where its packages are not installed, or may not be used."""
    if not shutil.which(kind.program):
        pytest.skip(f"{kind.package} is not installed: this test needs its daemons")
    if os.getuid() != 0:
        pytest.skip(f"{kind.package} needs root to run jobs")
    root = Path(tempfile.mkdtemp(prefix="xser-cluster-", dir="/tmp"))  # munge's socket needs a short name
    cluster = kind(root)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(root, ignore_errors=True)
