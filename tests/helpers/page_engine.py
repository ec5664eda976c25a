"""The page's JavaScript in a small engine, without a browser."""

import json
from typing import Any

from py_mini_racer import MiniRacer

from lstmgen.reporting.page_file import read_part, to_json

PARTS = (
    "engine.js",
    "sampling.js",
    "text.js",
    "copies.js",
    "dom.js",
    "panels.js",
    "equations.js",
    "features.js",
    "pen.js",
)


class PageEngine:
    """Evaluates expressions in the page's scripts; ``page`` is the page's data."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.context = MiniRacer()
        for part in PARTS:
            self.context.eval(read_part(part))
        self.context.eval(f"globalThis.page = {to_json(data)};")
        if data.get("model"):
            self.context.eval("globalThis.model = new Model(page.model);")
        if data.get("text"):
            self.context.eval("globalThis.text = new Vocabulary(page.text);")
        if data.get("training"):
            self.context.eval("globalThis.training = new TrainingText(page.training);")

    def run(self, expression: str, **values: Any) -> Any:
        """The value of an expression, in which the names of ``values`` are constants."""
        constants = "".join(f"const {name} = {json.dumps(v)};" for name, v in values.items())
        plain = "(_, v) => ArrayBuffer.isView(v) ? Array.from(v) : v"
        source = f"(() => {{ {constants} return JSON.stringify({expression}, {plain}); }})()"
        result = self.context.eval(source)
        return json.loads(result) if isinstance(result, str) else None
