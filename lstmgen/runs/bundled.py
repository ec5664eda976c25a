"""The configs and models that are bundled with lstmgen."""

import glob
import os
import re
from pathlib import Path

from lstmgen.errors import ConfigError, Problem
from lstmgen.text.finding import TEXT_SUFFIXES

_PACKAGE = Path(__file__).parent.parent


def presets_folder() -> Path:
    """The folder of the presets: in the wheel, or in the repository (editable install)."""
    bundled = _PACKAGE / "bundled" / "configs"
    return bundled if bundled.is_dir() else _PACKAGE.parent / "configs"


CONFIG_SUFFIXES = (".yaml", ".yml", ".json")
_CONFIG_SECTION = re.compile(rb"^(data|model|train|sample):\s*($|[#{])", re.MULTILINE)


def is_text(argument: str) -> bool:
    """Whether an argument is a text rather than a config.

    A text is a folder, a glob, - or a file; a config is a preset's name or a file that is named
    like one or has a config's sections.
    """
    if (presets_folder() / f"{argument}.yaml").is_file() and "/" not in argument:
        return False  # for a folder with a preset's name, add a slash
    lower = argument.lower()
    if argument == "-" or os.path.isdir(argument) or lower.endswith(TEXT_SUFFIXES):
        return True
    if not os.path.isfile(argument):
        return glob.has_magic(argument)
    return not lower.endswith(CONFIG_SUFFIXES) and not _has_sections(argument)


def _has_sections(file: str) -> bool:
    try:
        with open(file, "rb") as opened:
            return _CONFIG_SECTION.search(opened.read(65_536)) is not None
    except OSError:
        return True  # which reports it


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
