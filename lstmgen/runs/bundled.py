"""The configs and models that are bundled with lstmgen."""

import glob
import os
from pathlib import Path

from lstmgen.errors import ConfigError, Problem

_PACKAGE = Path(__file__).parent.parent


def presets_folder() -> Path:
    """The folder of the presets: in the wheel, or in the repository (editable install)."""
    bundled = _PACKAGE / "bundled" / "configs"
    return bundled if bundled.is_dir() else _PACKAGE.parent / "configs"


TEXT_SUFFIXES = (".txt", ".text", ".md")


def is_text(argument: str) -> bool:
    """Whether an argument is a text (a folder, a glob, - or a text file) rather than a config."""
    if (presets_folder() / f"{argument}.yaml").is_file() and "/" not in argument:
        return False  # for a folder with a preset's name, add a slash
    if argument == "-" or os.path.isdir(argument) or argument.lower().endswith(TEXT_SUFFIXES):
        return True
    return glob.has_magic(argument) and not os.path.isfile(argument)


def bases_folder() -> Path:
    """The folder of the bundled models to start from."""
    return presets_folder().parent / "data" / "bases"


def find_base(path: Path) -> Path | None:
    """The folder of a bundled model, if an argument is its name and nothing else has it."""
    base = bases_folder() / path.name
    is_name = path.name == str(path) and not os.path.exists(path)  # of any length
    return base if is_name and os.path.isdir(base) else None


def find_config(argument: str) -> Path:
    """A config by path, or by the name of a preset if there is no such file.

    Raises:
        ConfigError: there is no such config; lists the presets.
    """
    path = Path(argument)
    if os.path.isfile(path):  # unlike Path.is_file, accepts a name of any length
        return path
    presets = sorted(presets_folder().glob("*.yaml"), key=lambda preset: preset.stem)
    for preset in presets:
        if argument in (preset.stem, preset.name):
            return preset
    if os.path.exists(path):
        return path
    names = ", ".join(preset.stem for preset in presets)
    message = f"no such config file. Name a file, or one of those that come with lstmgen: {names}"
    raise ConfigError([Problem(argument, "", "", message)])
