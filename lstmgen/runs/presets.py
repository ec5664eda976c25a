"""The configs that come with lstmgen."""

import glob
import os
from pathlib import Path

from lstmgen.errors import ConfigError, Problem

_PACKAGE = Path(__file__).parent.parent


def presets_folder() -> Path:
    """Where the presets are: in the wheel, else in the repository of an editable install."""
    bundled = _PACKAGE / "bundled" / "configs"
    return bundled if bundled.is_dir() else _PACKAGE.parent / "configs"


TEXT_ENDINGS = (".txt", ".text", ".md")


def is_text(given: str) -> bool:
    """Whether what is to be trained is a text, not a config: a folder, a glob, - or a text file."""
    if (presets_folder() / f"{given}.yaml").is_file() and "/" not in given:
        return False  # a folder of a preset's name is written with a slash
    if given == "-" or os.path.isdir(given):
        return True
    if given.lower().endswith(TEXT_ENDINGS):
        return True
    return glob.has_magic(given) and not os.path.isfile(given)


def bases_folder() -> Path:
    """Where the models to start from are that come along."""
    return presets_folder().parent / "data" / "bases"


def find_config(given: str) -> Path:
    """A config by path, or by the name of a preset where no such file exists.

    Raises:
        ConfigError: listing the presets.
    """
    path = Path(given)
    if os.path.isfile(path):  # unlike Path.is_file it takes a name of any length
        return path
    presets = sorted(presets_folder().glob("*.yaml"), key=lambda preset: preset.stem)
    for preset in presets:
        if given in (preset.stem, preset.name):
            return preset
    if os.path.exists(path):
        return path
    names = ", ".join(preset.stem for preset in presets)
    problem = f"no such config file. Name a file, or one of those that come with lstmgen: {names}"
    raise ConfigError([Problem(given, "", "", problem)])
