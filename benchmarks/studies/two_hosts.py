"""Training on two hosts with a slow link, compared with the scaling model.

    python -m benchmarks two_hosts --text train.txt [--recipe brown] [--mbits 100]

The hosts are two network namespaces of this machine, a pair of virtual interfaces and the
kernel's token buckets between them; this needs root, and Linux's ip and tc. Each has one process
of one thread. Constants of the model (scaling_model.py) are measured in the same run, with
two processes of one thread side by side.
"""

import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.report import Table
from benchmarks.studies.scaling_model import Constants, measure
from benchmarks.trainings import read_run
from lstmgen.training.loss_module import FULL_STEPS

HOSTS = ("lstmgen-a", "lstmgen-b")
ADDRESSES = ("10.77.0.1", "10.77.0.2")
PORT = "29512"
WARM_STEPS, STEPS = 6, 20
COMPRESSIONS = ("none", "bf16", "powersgd")


def ip(*arguments: str, check: bool = True) -> None:
    """Call Linux's ip."""
    subprocess.run(["ip", *arguments], check=check, stderr=None if check else subprocess.DEVNULL)


@contextmanager
def two_hosts(mbits: int) -> Iterator[None]:
    """Two namespaces with a link of ``mbits`` Mbit/s each way; 0 for no limit."""
    try:
        for host in HOSTS:
            ip("netns", "add", host)
        ip("link", "add", HOSTS[0], "type", "veth", "peer", "name", HOSTS[1])
        for host, address in zip(HOSTS, ADDRESSES, strict=True):
            ip("link", "set", host, "netns", host)
            ip("-n", host, "addr", "add", f"{address}/24", "dev", host)
            ip("-n", host, "link", "set", "lo", "up")
            ip("-n", host, "link", "set", host, "up")
            if mbits:
                shape = ["root", "tbf", "rate", f"{mbits}mbit", "burst", "64kb", "latency", "50ms"]
                subprocess.run(["tc", "-n", host, "qdisc", "add", "dev", host, *shape], check=True)
        yield
    finally:
        for host in HOSTS:
            ip("netns", "del", host, check=False)


def rate(recipe: str, text: Path, compression: str) -> float:
    """Words scored per second by both hosts together."""
    warm = FULL_STEPS + WARM_STEPS if compression == "powersgd" else WARM_STEPS
    hook = "null" if compression == "none" else compression
    settings = [f"data.train={text}", "data.valid_fraction=0", "train.epochs=null",
                f"train.max_steps={warm + STEPS}", f"train.save_every={10**6}",
                "train.threads=1", "sample.cues=[]",
                f"train.compression={hook}"]  # fmt: skip
    with tempfile.TemporaryDirectory() as runs:
        started = []
        for number, host in enumerate(HOSTS):
            command = ["ip", "netns", "exec", host, sys.executable, "-m", "torch.distributed.run",
                       "--nnodes", "2", "--nproc-per-node", "1", "--node-rank", str(number),
                       "--master-addr", ADDRESSES[0], "--master-port", PORT,
                       "-m", "lstmgen", "train", recipe, "-q", "--runs-dir", runs]  # fmt: skip
            started.append(
                subprocess.Popen(
                    [*command, *settings],
                    stdout=subprocess.PIPE,
                    text=True,
                    env={**os.environ, "GLOO_SOCKET_IFNAME": host, "OMP_NUM_THREADS": "1"},
                )  # fmt: skip
            )
        outputs = [process.communicate()[0] for process in started]
        if any(process.returncode for process in started):
            raise SystemExit("a host has failed")
        return read_run(Path(outputs[0].strip())).rate(warm)


def row(
    recipe: str, text: Path, constants: Constants, mbits: int, compression: str
) -> tuple[str, ...]:
    """Measured and predicted."""
    with two_hosts(mbits):
        found = rate(recipe, text, compression)
    said = constants.rate(2, mbits=mbits or 1e5, grown=False, compression=compression)
    return (
        f"{mbits} Mbit/s" if mbits else "unbounded",
        compression,
        f"{constants.sizes[compression] / 1e6:.1f} MB",
        f"{found:,.0f} words/s",
        f"{said:,.0f} words/s",
        f"{said / found:.2f}",
    )


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--text", type=Path, required=True, help="a file to train on")
    parser.add_argument("--recipe", default="brown", help="a preset or a config file")
    parser.add_argument("--mbits", type=int, nargs="+", default=[0, 100], help="0: unbounded")
    parser.add_argument("--compressions", nargs="+", default=COMPRESSIONS, choices=COMPRESSIONS)


def run(args: Namespace) -> list[Table]:
    """Measure every link with every compression."""
    text = args.text.resolve()
    constants = measure(args.recipe, text, "train.threads=1", jobs=2)
    print(constants, file=sys.stderr)
    rows = [
        row(args.recipe, text, constants, mbits, compression)
        for mbits in args.mbits
        for compression in args.compressions
    ]
    heads = ("link", "compression", "gradients", "measured", "on paper", "paper / measured")
    return [Table("two hosts", heads, rows)]
