"""Files that are generated from the schema: ``python -m tests.generated`` writes them.

docs/config.md has the table of all keys between its marks, configs/story.yaml every key with
its description; the values of story.yaml are kept as they are in the file.
"""

from pathlib import Path

import yaml

from lstmgen.config.reference import commented_yaml, free_on_resume, key_table
from lstmgen.config.schema import Config

ROOT = Path(__file__).parent.parent
STORY_HEAD = """\
A small network for a small world: the bundled stories, in about a minute on two cores.
Every key with its description; most are at their defaults and may be left out. Any key can be
changed on the command line too: lstmgen train story train.epochs=5"""


def config_page(text):
    for mark, body in (("keys", key_table()), ("resume", free_on_resume())):
        before, _, rest = text.partition(f"<!-- {mark} -->")
        after = rest.partition(f"<!-- /{mark} -->")[2]
        text = f"{before}<!-- {mark} -->\n{body}\n<!-- /{mark} -->{after}"
    return text


def story_config(text):
    return commented_yaml(Config.model_validate(yaml.safe_load(text)), head=STORY_HEAD)


GENERATED = {
    ROOT / "docs" / "config.md": config_page,
    ROOT / "configs" / "story.yaml": story_config,
}

if __name__ == "__main__":
    for path, generate in GENERATED.items():
        path.write_text(generate(path.read_text(encoding="utf-8")), encoding="utf-8")
