"""Files that are generated: ``python -m tests.generated`` writes them.

docs/config.md has the table of all keys between its marks, docs/equations.md the equations of
all cells, configs/story.yaml every key with its description; the values of story.yaml are kept
as they are in the file. configs/schema.json is the JSON schema of a config.
"""

from pathlib import Path

import yaml

from lstmgen.cells import CELLS
from lstmgen.config.json_schema import REFERENCE, schema_text
from lstmgen.config.reference import commented_yaml, free_on_resume, key_table
from lstmgen.config.schema import Config

ROOT = Path(__file__).parent.parent
STORY_HEAD = """\
A small network for a small world: the bundled stories, in half a minute on two cores.
Every key with its description; most are at their defaults and may be left out. Any key can be
changed on the command line too: lstmgen train story train.epochs=5"""


def between_marks(text, mark, body):
    before, _, rest = text.partition(f"<!-- {mark} -->")
    after = rest.partition(f"<!-- /{mark} -->")[2]
    return f"{before}<!-- {mark} -->\n{body}\n<!-- /{mark} -->{after}"


def config_page(text):
    return between_marks(between_marks(text, "keys", key_table()), "resume", free_on_resume())


def cells_page(text):
    parts = []
    for cell in CELLS.values():
        lines = (*cell.equations, "", *cell.equations_backward)
        title = cell.title.format(peephole="diagonal or full")
        parts.append(f"`{cell.name}`: {title}\n")
        parts += [f"    {line}".rstrip() for line in lines]
        parts.append("")
    return between_marks(text, "cells", "\n".join(parts).rstrip())


def story_config(text):
    config = Config.model_validate(yaml.safe_load(text))
    return REFERENCE + commented_yaml(config, head=STORY_HEAD)


GENERATED = {
    ROOT / "docs" / "config.md": config_page,
    ROOT / "docs" / "equations.md": cells_page,
    ROOT / "configs" / "story.yaml": story_config,
    ROOT / "configs" / "schema.json": lambda text: schema_text(),
}

if __name__ == "__main__":
    for path, generate in GENERATED.items():
        path.write_text(generate(path.read_text(encoding="utf-8")), encoding="utf-8")
