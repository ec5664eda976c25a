"""A page as one HTML file that opens from the disk: no request can leave it.

Scripts and styles are inside, and the content security policy allows these alone, by their
hashes. The data of the page is JSON in a block that browsers do not execute. Its texts are
set as text by ``page/dom.js``, so no word of a corpus or a config is ever read as HTML. JSDoc
comments, which are for those who change the scripts, are left out.
"""

import base64
import hashlib
import html
import json
import re
from importlib.resources import files
from typing import Any

SCRIPTS = (  # in the order in which they are run
    "engine.js", "sampling.js", "text.js", "copies.js", "dom.js", "curves.js", "run.js", "pen.js",
    "panels.js", "heat_maps.js", "gradient_reach.js", "equations.js", "features.js", "inside.js",
    "words.js", "origins.js", "main.js",
)  # fmt: skip
_TYPES = re.compile(r"^ */\*\*.*?\*/\n|/\*\*.*?\*/ ?", re.DOTALL | re.MULTILINE)  # JSDoc
_ESCAPED = {  # what could end the block, and what UTF-8 lacks
    code: f"\\u{code:04x}" for code in (*map(ord, "<>&\u2028\u2029"), *range(0xD800, 0xE000))
}


def build_page(data: dict[str, Any], *, title: str) -> str:
    """The HTML of a page.

    Args:
        data: JSON values, as ``page_data`` makes them.
        title: of the page.
    """
    script = "\n" + "\n".join(_TYPES.sub("", read_part(name)) for name in SCRIPTS)
    style = "\n" + read_part("page.css")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{html.escape(title)}</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            read_part("page.html"),
            f'<script type="application/json" id="data">{to_json(data)}</script>',
            f"<script>{script}</script>",
            "</body>",
            "</html>",
            "",
        )
    )


def to_json(data: Any) -> str:
    """JSON without characters that could end its block in an HTML file."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPED)


def read_part(name: str) -> str:
    """The contents of a file in ``page/``."""
    return (files("lstmgen.reporting") / "page" / name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
