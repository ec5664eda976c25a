"""What the bytes of a text that is not UTF-8 look like.

charset-normalizer tells scripts and multi-byte encodings apart. Code pages for the Latin alphabet
share most of their bytes, so among them the one whose letters and marks are common in text is
chosen.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lstmgen.errors import DataError, printable

MAX_SHOWN = 20  # files in a message
SAMPLE = 100_000  # bytes examined
MIN_KANA = 0.2  # of the characters of a Japanese text
MIN_READABLE = 0.95  # of the characters of a text that looks like UTF-16


class Encoding(NamedTuple):
    """An encoding by its names."""

    name: str  # for people, as in "Windows-1252"
    iconv: str  # for iconv, and with small letters for data.encoding


class EncodingProblem(NamedTuple):
    """A file that cannot be decoded."""

    path: Path
    why: str
    likely: Encoding | None  # what its bytes look like


class EncodingError(DataError):
    """Files that are not in the expected encoding, all in one message.

    Args:
        key: the config key that can name another encoding, or empty.
    """

    def __init__(self, problems: Sequence[EncodingProblem], *, key: str = "") -> None:
        likely = next((problem.likely for problem in problems if problem.likely), None)
        lines = [_describe(problem) for problem in problems[:MAX_SHOWN]]
        if len(problems) > 1:
            lines.insert(0, f"{len(problems)} files are not UTF-8:")
        if len(problems) > MAX_SHOWN:
            lines.append(f"and {len(problems) - MAX_SHOWN:,} more")
        advice = "Save as UTF-8"
        if likely is not None:
            shown = printable(next(p.path for p in problems if p.likely == likely))
            advice = f"Convert it (iconv -f {likely.iconv} -t UTF-8 {shown} > utf8.txt)"
            advice += f" or set {key}={likely.iconv.lower()}" if key else ""
        if likely is not None or any("UTF-8" in problem.why for problem in problems):
            lines[-1] += f". {advice}"
        super().__init__("\n".join(lines))


def _describe(problem: EncodingProblem) -> str:
    looks = f"; it looks like {problem.likely.name}" if problem.likely else ""
    return f"{printable(problem.path)}: {problem.why}{looks}"


_NAMED = {
    "cp1252": Encoding("Windows-1252", "WINDOWS-1252"),
    "cp1250": Encoding("Windows-1250", "WINDOWS-1250"),
    "cp1251": Encoding("Windows-1251", "WINDOWS-1251"),
    "cp1253": Encoding("Windows-1253", "WINDOWS-1253"),
    "cp1254": Encoding("Windows-1254", "WINDOWS-1254"),
    "cp1255": Encoding("Windows-1255", "WINDOWS-1255"),
    "cp1256": Encoding("Windows-1256", "WINDOWS-1256"),
    "koi8_r": Encoding("KOI8-R", "KOI8-R"),
    "mac_roman": Encoding("Mac Roman", "MACINTOSH"),
    "cp932": Encoding("Shift-JIS", "CP932"),
    "euc_jp": Encoding("EUC-JP", "EUC-JP"),
    "gb18030": Encoding("GB18030", "GB18030"),
    "big5": Encoding("Big5", "BIG5"),
    "cp949": Encoding("EUC-KR", "CP949"),
}
UTF_16 = {
    "utf_16_le": Encoding("UTF-16 without a byte order mark", "UTF-16LE"),
    "utf_16_be": Encoding("UTF-16 without a byte order mark", "UTF-16BE"),
}

_JAPANESE = ("cp932", "euc_jp")
_MARKS = "“”‘’„‚–—…«»‹›•°§€¿¡\xa0"
_WESTERN = "àâäáãåæçèéêëìíîïñòóôöõøùúûüýßœÀÂÄÁÅÆÇÈÉÊËÍÎÑÓÔÖØÙÚÛÜŒ£½¼¾©®™×ºª" + _MARKS
_LATIN = {  # code pages for the Latin alphabet and their common characters, the first preferred
    "cp1252": _WESTERN,
    "cp1254": _WESTERN + "ğışĞİŞ",
    "cp1250": "áâäćçčďđéęëěíîłńňóôőöřśšťúůűüýźžżąăşţÁČĎÉĚÍŇÓŘŠŤÚÝŽĆŁŚŹŻÖÜŐŰ" + _MARKS,
    "mac_roman": _WESTERN,
}


def guess_encoding(data: bytes) -> Encoding | None:
    """The encoding that bytes look like; None if nothing fits."""
    from charset_normalizer import from_bytes  # only for texts that are not UTF-8

    data = data[:SAMPLE]
    utf_16 = _guess_utf_16(data)
    if utf_16 or b"\0" in data:
        return utf_16
    japanese = next((name for name in _JAPANESE if _kana(data, name) > MIN_KANA), "")
    if japanese:
        return _NAMED[japanese]
    best = from_bytes(data, cp_isolation=list(_NAMED)).best()
    if best is None or best.encoding in _LATIN:
        return _NAMED[max(_LATIN, key=lambda name: _latin_score(data, name))]
    return _NAMED.get(best.encoding)


def _guess_utf_16(data: bytes) -> Encoding | None:
    """UTF-16 has a zero in each line end and Latin letter, always at its second or first byte."""
    data = data[: len(data) // 2 * 2]
    name = "utf_16_be" if 0 in data[::2] else "utf_16_le"
    if 0 not in data or (0 in data[::2] and 0 in data[1::2]):
        return None
    characters = data.decode(name, errors="replace")
    readable = sum(c.isprintable() or c.isspace() for c in characters if c != "\ufffd")
    return UTF_16[name] if readable >= MIN_READABLE * len(characters) else None


def _kana(data: bytes, name: str) -> float:
    """The fraction of kana among the characters beyond ASCII."""
    special = [c for c in data.decode(name, errors="ignore") if not c.isascii()]
    return sum("\u3041" <= c <= "\u30fe" for c in special) / max(1, len(special))


def _latin_score(data: bytes, name: str) -> int:
    """How many characters beyond ASCII are common, minus those that are not."""
    special = [c for c in data.decode(name, errors="replace") if not c.isascii()]
    common = sum(c in _LATIN[name] for c in special)
    return 2 * common - len(special)
