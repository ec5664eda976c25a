"""A folder with a text and a trained run, and hands that damage what is in it."""

import csv
import hashlib
import json
import shutil
import time
from pathlib import Path

from lstmgen.runs import checkpoint, folders
from tests.helpers.program import call_cli

STORY = (
    "The cat sat by the old mill. The dog ran to the river, and the cat ran to the dog.\n\n"
    '"Where is the river?" asked the dog. "It is by the mill," said the cat.\n\n'
    "The old dog sat by the river. The cat did not. It was cold by the mill, and that was that.\n\n"
)

CONFIG = """\
data: {train: story.txt, valid_fraction: 0.2}
model: {hidden_sizes: [12], embedding_dim: 8}
train: {window: 8, batch_size: 4, epochs: 2, learning_rate: 1e-2, max_steps: 25,
  schedule: constant, eval_every: 10, device: cpu}
sample: {words: 8}
"""
RUN = "runs/first"
SAME = (checkpoint.MODEL, checkpoint.STATE, checkpoint.PROGRESS, checkpoint.VOCABULARY)


def write_story(folder: Path, config: str, *, times: int = 8) -> None:
    """A text, ``story.txt``, and a config, ``my.yaml``, that is about it."""
    (folder / "story.txt").write_text(STORY * times, encoding="utf-8")
    (folder / "my.yaml").write_text(config, encoding="utf-8")


def make_trained(folder: Path, *settings: str) -> Path:
    """A folder with a text, a config and one finished run, ``runs/first``.

    Args:
        settings: of the config that the run changes.
    """
    write_story(folder, CONFIG)
    done = call_cli("train", "my.yaml", *settings, "--name", "first", "-q", cwd=folder, check=0)
    (folder / done.stdout.strip()).rename(folder / RUN)
    return folder


def run_of(folder: Path, name: str = "my") -> Path:
    """The run in a folder that was trained under a name, or from ``my.yaml``."""
    return next((folder / "runs").glob(f"{name}-2*"))


def checkpoints_of(run: Path) -> Path:
    return run / folders.CHECKPOINTS


def last(run: Path) -> Path:
    """The newest checkpoint of a run, as its index says."""
    index = checkpoint.read_index(checkpoints_of(run))
    return checkpoint.step_folder(checkpoints_of(run), index.last)


def best(run: Path) -> Path:
    """The best one, which ``generate`` takes."""
    index = checkpoint.read_index(checkpoints_of(run))
    return checkpoint.step_folder(checkpoints_of(run), index.best)


def metrics_of(run: Path) -> list[dict[str, str]]:
    """The rows of a run's ``metrics.csv``."""
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def deep_compare(a: Path, b: Path) -> None:
    """Every byte of the last checkpoints of two runs, and their indices."""
    assert last(a).name == last(b).name
    for name in SAME:
        assert (last(a) / name).read_bytes() == (last(b) / name).read_bytes(), name
    indices = [(checkpoints_of(run) / "index.json").read_text() for run in (a, b)]
    assert indices[0] == indices[1]


def progress_of(step: Path) -> dict:
    return json.loads((step / checkpoint.PROGRESS).read_text(encoding="utf-8"))["progress"]


def cut_behind(run: Path, step: int, **settings: object) -> Path:
    """Take a run back to one of its checkpoints, as a crash behind it would have left it."""
    checkpoints = checkpoints_of(run)
    for each in checkpoint.saved_steps(checkpoints):
        if each > step:
            shutil.rmtree(checkpoint.step_folder(checkpoints, each))
    at = checkpoint.step_folder(checkpoints, step)
    found = progress_of(at)["best_step"] or step
    checkpoint.write_index(checkpoints, checkpoint.Index(best=found, last=step))
    path = run / folders.RESOLVED
    for key, value in settings.items():
        lines = path.read_text(encoding="utf-8").splitlines()
        path.write_text("".join(
            f"  {key}: {value}\n" if line.startswith(f"  {key}:") else line + "\n"
            for line in lines
        ), encoding="utf-8")  # fmt: skip
    return run


def seal(step: Path, **files: bytes) -> None:
    """Put files into a checkpoint and make its manifest true of them, as a forger would.

    Args:
        files: contents by name, with ``_`` for the dot: ``state_json``.
    """
    for name, data in files.items():
        path = step / ".".join(name.rsplit("_", 1))
        path.unlink()  # it may be a hard link
        path.write_bytes(data)
    manifest = json.loads((step / "manifest.json").read_text(encoding="utf-8"))
    for name in manifest["files"]:
        data = (step / name).read_bytes()
        manifest["files"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    write_manifest(step, manifest)


def write_manifest(step: Path, manifest: dict) -> None:
    """A manifest with a digest that is true of it."""
    facts = {key: value for key, value in manifest.items() if key != "digest"}
    text = json.dumps({**facts, "digest": checkpoint.digest_of(facts)})
    (step / "manifest.json").write_text(text, encoding="utf-8")


def forge(step: Path, name: str, change: object) -> None:
    """Change the JSON value of a checkpoint's file, and seal it."""
    value = json.loads((step / name).read_text(encoding="utf-8"))
    seal(step, **{name.replace(".", "_"): json.dumps(change(value)).encode()})


def fingerprint(folder: Path) -> dict[str, str]:
    """A digest of each file below a folder, the locks and prepared texts left out."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock" and ".prepared" not in path.parts
    }


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
