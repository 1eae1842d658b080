"""A private Slurm of one node, which reports a GPU that does not exist, for the time of a test."""

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

CONFIGURED = Path("/etc/slurm")  # where srun looks inside a job: the executor takes SLURM_CONF out of its environment
PROGRAMS = ("slurmctld", "slurmd", "munged", "squeue")
# No accounting, no control groups, ports on this machine only; four processors, whatever there are. A job that waits
# for the GPU reserves nothing, so that those that want none start beside it.
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
MinJobAge=300
SchedulerParameters=bf_interval=1,bf_min_prio_reserve=4294967295
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=40000 Gres=gpu:1 State=UNKNOWN
PartitionName=one Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=other Nodes=ALL MaxTime=INFINITE State=UP
"""


def lacking() -> str | None:
    """The reason why a private Slurm cannot be started here, or None."""
    if os.geteuid() != 0:
        return "Slurm's daemons need root"
    if absent := [name for name in PROGRAMS if shutil.which(name) is None]:
        return f"no {', '.join(absent)} on this machine: apt-get install slurm-wlm munge"
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        return "no snakemake-executor-plugin-slurm in this environment"
    if (CONFIGURED / "slurm.conf").exists():
        return f"a Slurm is configured in {CONFIGURED}"
    return None


@contextmanager
def one_node_slurm() -> Iterator[None]:
    """Start Slurm with an idle node; its jobs, daemons and files are removed at the end of the block."""
    host = socket.gethostname().split(".")[0]
    folder = Path(tempfile.mkdtemp(prefix="nrc-slurm-"))
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)  # munged runs as a user of its own
        for name in ("munge", "state", "spool"):
            (folder / name).mkdir(mode=0o755)
        controller_port, node_port = _free_ports(2)
        written = CONFIGURATION.format(host=host, folder=folder, controller_port=controller_port, node_port=node_port)
        (folder / "slurm.conf").write_text(written)
        (folder / "gres.conf").write_text(f"NodeName={host} Name=gpu File=/dev/zero\n")
        for name in ("slurm.conf", "gres.conf"):
            link = CONFIGURED / name
            link.unlink(missing_ok=True)  # one that leads nowhere, of a test that was killed
            link.symlink_to(folder / name)
            undo.callback(link.unlink)
        undo.enter_context(_munged(folder / "munge"))
        undo.enter_context(_daemon(["slurmctld", "-D", "-c"], folder))
        undo.enter_context(_daemon(["slurmd", "-D", "-N", host], folder))
        wait_until(lambda: _says("sinfo", "--noheader", "--format=%t") == {"idle"}, "an idle node", seconds=30)
        undo.callback(cancel, "PENDING", "RUNNING", "COMPLETING")
        yield


def jobs(*states: str) -> list[str]:
    """The numbers of the jobs in the given states."""
    return sorted(_says("squeue", "--noheader", "--format=%i", f"--states={','.join(states)}"))


def cancel(*states: str) -> None:
    """Cancel the jobs in the given states."""
    if numbers := jobs(*states):
        subprocess.run(["scancel", *numbers], check=True, capture_output=True, timeout=60)
    wait_until(lambda: not jobs(*states), "the end of cancelled jobs", seconds=60)


def wait_until(holds: Callable[[], object], what: str, *, seconds: float = 400) -> None:
    """Wait until a condition holds, and check it repeatedly."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(0.3)


def _says(*command: str) -> set[str]:
    """The words that a command prints; none if it fails."""
    return set(subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.split())


@contextmanager
def _munged(folder: Path) -> Iterator[None]:
    key = folder / "key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    for path in (folder, key):
        shutil.chown(path, "munge", "munge")
    files = [f"--{name}={folder / name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
    command = ["munged", "--foreground", "--force", f"--key-file={key}", *files]
    with _daemon(command, folder, user="munge", group="munge", extra_groups=[]):
        wait_until((folder / "socket").exists, "munged", seconds=30)
        yield


@contextmanager
def _daemon(command: list[str], folder: Path, **owner) -> Iterator[None]:
    """Run a program in the foreground until the block ends."""
    with (folder / f"{command[0]}.out").open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **owner)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
