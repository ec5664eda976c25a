"""Training steps by several ranks, or by one: what tests of ranks compare.

torchrun --nproc-per-node 2 tests/helpers/ranked.py OUT      every case by two ranks, into OUT
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import torch

from lstmgen.model.language_model import DropoutRates, LanguageModel
from lstmgen.training import loss_module
from lstmgen.training.averaging import Average
from lstmgen.training.distributed import ALONE, World, process_group
from lstmgen.training.loop import StepSetup, TrainState, train_steps
from lstmgen.training.loss_module import Compression
from lstmgen.training.noising import kneser_ney_noise
from lstmgen.training.optimizers import build_optimizer
from lstmgen.windows.plans import RandomPlan, StreamPlan
from tests.helpers.arrays import steady

VOCAB, LENGTH, STEPS = 13, 163, 20
IDS = np.random.default_rng(3).integers(0, VOCAB, LENGTH)
ALL_DROPPED = DropoutRates(0.3, 0.3, 0.3, 0.3, 0.3)
CASES = {
    "whole_micro_batches": (StreamPlan(LENGTH, 8, 8, 3, 2), DropoutRates(), "tied"),
    "rows_of_one": (StreamPlan(LENGTH, 8, 8, 6, 1), ALL_DROPPED, "tied"),
    "uneven_rows_of_three": (StreamPlan(LENGTH, 8, 5, 3, 3), ALL_DROPPED, "own"),
    "many_to_one": (StreamPlan(LENGTH, 7, 1, 4, 2), ALL_DROPPED, "tied"),
    "random_with_a_last_group_of_one": (RandomPlan(LENGTH, 8, 3, 5, 2, 7), ALL_DROPPED, "tied"),
    "random_rows_with_a_rank_left_out": (RandomPlan(LENGTH, 8, 3, 13, 1, 7), ALL_DROPPED, "tied"),
    "adaptive": (StreamPlan(LENGTH, 4, 4, 3, 2), DropoutRates(), "adaptive"),
    "two_whole_micro_batches_each": (StreamPlan(LENGTH, 4, 4, 3, 4), DropoutRates(), "adaptive"),
    # 155 windows: the last group is one word for the first rank, so a tail is left alone.
    "adaptive_with_a_rank_left_out": (RandomPlan(LENGTH, 8, 1, 11, 1, 7), ALL_DROPPED, "adaptive"),
}
COMPRESSED, COMPRESSIONS = "whole_micro_batches", ("bf16", "powersgd")


def train_case(
    name: str, world: World = ALONE, compression: Compression | None = None
) -> dict[str, np.ndarray]:
    """Nats of each step, the weights at the end, their average and the carried states."""
    plan, dropout, output = CASES[name]
    model = LanguageModel(
        VOCAB, embedding_dim=6, hidden_sizes=[7, 5], dropout=dropout, seed=2,
        tie_weights=output == "tied",
        clusters=[[0, 1, 2, 3], list(range(4, 9)), list(range(9, 13))]
        if output == "adaptive" else None,
    ).double()  # fmt: skip
    state = TrainState(
        model,
        build_optimizer(model, name="adamw", weight_decay=0.01),
        average=Average("ema", decay=0.9, start=0),
    )
    noise = kneser_ney_noise(IDS, vocab_size=VOCAB, rate=0.5)
    found = {"nats": []}
    settings = steady(0.05, ar=1.0, tar=1.0, compression=compression)
    setup = StepSetup(settings, IDS, plan, STEPS, noise=noise, world=world)
    for report in train_steps(state, setup, until=STEPS):
        found["nats"].append(report.nats / report.words)
        whole = b"".join(p.detach().numpy().tobytes() for p in model.parameters())
        digests = world.all_gather(hashlib.sha256(whole).hexdigest())
        assert len(set(digests)) == 1, f"{name}: the ranks differ after step {report.step}"
    found |= {key: p.detach().numpy().copy() for key, p in model.named_parameters()}
    found |= {f"average/{key}": t.numpy().copy() for key, t in state.average.tensors.items()}
    for part, layers in enumerate(world.gather_states(state.states, accumulate=plan.accumulate)):
        for place, state in enumerate(layers):
            found[f"states/{part}/{place}"] = torch.cat(list(state), dim=1).numpy().copy()
    return {key: np.asarray(value) for key, value in found.items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    with process_group() as world:
        for name in CASES:
            arrays = train_case(name, world)
            if world.is_main:
                np.savez(Path(sys.argv[1]) / f"{name}.npz", **arrays)
        # These matrices are small, and several buckets are under way at once in real ones.
        loss_module.POWER_RANK, loss_module.FULL_STEPS, loss_module.BUCKET_MB = 1, 2, 5e-4
        for compression in COMPRESSIONS:
            arrays = train_case(COMPRESSED, world, compression)
            if world.is_main:
                np.savez(Path(sys.argv[1]) / f"{compression}.npz", **arrays)
