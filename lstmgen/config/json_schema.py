"""The JSON schema of a config, for editors and other programs.

Draft 07, without references, since editors support that best. It accepts what the loader accepts,
except for what no schema can express: that two keys contradict each other, and the lone ``-``
that stands for standard input, which has to be quoted for an editor.
"""

import json
from typing import Any

from lstmgen.config.reference import allowed_values
from lstmgen.config.schema import Config, Key, Section, all_keys, subsection

FILE = "schema.json"  # beside the presets, and in each run folder
# The first line of a config that is in a folder with the file, for yaml-language-server.
REFERENCE = f"# yaml-language-server: $schema={FILE}\n"


def schema_text() -> str:
    """The schema as JSON."""
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Config of lstmgen",
        **_section(Config, ""),
    }
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _section(section: type[Section], prefix: str) -> dict[str, Any]:
    values, properties = section.model_json_schema()["properties"], dict[str, Any]()
    for name, field in section.model_fields.items():
        inner = subsection(field)
        if inner is None:
            properties[name] = _key(all_keys()[prefix + name], values[name])
            continue
        properties[name] = {
            "title": prefix + name,
            "description": field.description or inner.__doc__,
            **_section(inner, f"{prefix}{name}."),
        }
        if not prefix:  # a section without keys is empty in YAML
            properties[name]["type"] = ["object", "null"]
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _key(key: Key, values: dict[str, Any]) -> dict[str, Any]:
    """One key; ``values`` is pydantic's schema of it."""
    allowed = f"Allowed: {allowed_values(key)}."
    declared: Any = key.field.json_schema_extra
    own = {"title", "description", "default", *declared}
    limits = {name: value for name, value in values.items() if name not in own}
    for member in limits.get("anyOf", []):
        if member == {"type": "null"}:  # for which the loader also takes the word none
            del member["type"]
            member["enum"] = [None, "none"]
    return {
        "title": key.name,
        "description": f"{key.description} {allowed}".replace("`", ""),
        "default": key.default,
        **limits,
    }
