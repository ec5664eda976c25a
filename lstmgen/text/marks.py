"""Quotation marks and brackets as pairs that open and close.

A family is a kind of pair. Which of two quotation marks opens depends on the language of the text
(“ and ”, „ and “, « and », » and «); it is the first one of most paragraphs that have them.
"""

QUOTES = {  # family: its marks, the usual opening one first
    "straight": '"',
    "curly": "“”„",
    "guillemets": "«»",
    "single guillemets": "‹›",
}
BRACKETS = {  # family: its opening and its closing mark
    "single curly": "‘’",  # ’ is an apostrophe too
    "parentheses": "()",
    "square": "[]",
    "braces": "{}",
    "corner": "「」",
    "white corner": "『』",
    "lenticular": "【】",
    "double angle": "《》",
    "angle": "〈〉",
    "full-width parentheses": "（）",
}
OPENERS = {family: marks[0] for family, marks in (QUOTES | BRACKETS).items()}
SINGLE = "single straight"  # ' is an apostrophe too, and only the space before it tells which
DOUBLE = "straight"  # "
STRAIGHT = (DOUBLE, SINGLE)  # families with one mark, which opens and closes
APOSTROPHES = ("single curly", SINGLE)  # families whose closing mark may stand alone

FAMILY_OF = {mark: family for family, marks in (QUOTES | BRACKETS).items() for mark in marks}
FAMILY_OF |= {"'": SINGLE}


def is_balanced(family: str, marks: str) -> bool:
    """Whether the marks of one family in a paragraph are in pairs."""
    if family in QUOTES:
        return len(marks) % 2 == 0
    opening, closing = (marks.count(mark) for mark in BRACKETS[family])
    return opening <= closing if family in APOSTROPHES else opening == closing


def unbalanced_families(paragraph: str) -> set[str]:
    """The families whose marks are not in pairs in a paragraph; straight single ones left out."""
    found: dict[str, str] = {}
    for character in paragraph:
        family = FAMILY_OF.get(character)
        if family is not None and family != SINGLE:
            found[family] = found.get(family, "") + character
    return {family for family, marks in found.items() if not is_balanced(family, marks)}
