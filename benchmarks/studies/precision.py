"""Effect of bfloat16 matmuls on perplexity: the bundled stories in both precisions.

    python -m benchmarks precision [--seeds 3]

Each seed is trained twice by the story preset, for the same steps, and the best validation
perplexity (in float32, as always) is reported.
"""

import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.report import Table
from benchmarks.trainings import train


def best(precision: str, seed: int, runs: Path) -> float:
    """The best validation perplexity of one training."""
    settings = (f"train.precision={precision}", f"train.seed={seed}", "train.sample_every=100000")
    return train("story", *settings, runs=runs).best


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each")


def run(args: Namespace) -> list[Table]:
    """Train both sides with each seed."""
    rows, ratios = [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(args.seeds):
            fp32, bf16 = (best(precision, seed, Path(folder)) for precision in ("fp32", "bf16"))
            ratios.append(bf16 / fp32)
            more = 100 * (ratios[-1] - 1)
            rows.append((str(seed), f"{fp32:.2f}", f"{bf16:.2f}", f"{more:+.2f} %"))
    mean = 100 * (sum(ratios) / len(ratios) - 1)
    rows.append(("mean", "", "", f"{mean:+.2f} %"))
    return [Table("precision", ("seed", "fp32", "bf16", "bf16 against fp32"), rows)]
