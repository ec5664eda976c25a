"""Recognizing files that are no plain text, by their first bytes."""

from pathlib import Path
from typing import NamedTuple

HEAD, TAIL = 4096, 65_536  # bytes read; a zip archive lists its contents at its end
EXPORT = "Export it as plain text"
UNPACK = "Unpack it first"


class FileFormat(NamedTuple):
    """A format that is no plain text."""

    name: str  # with its article, as in "a PDF file"
    advice: str


_SIGNATURES = (
    (b"%PDF-", FileFormat("a PDF file", EXPORT)),
    (b"{\\rtf", FileFormat("an RTF document", EXPORT)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileFormat("an old Office document (doc)", EXPORT)),
    (b"\x1f\x8b", FileFormat("a gzip archive", UNPACK)),
    (b"BZh", FileFormat("a bzip2 archive", UNPACK)),
    (b"\xfd7zXZ\0", FileFormat("an xz archive", UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", FileFormat("a 7z archive", UNPACK)),
    (b"(\xb5\x2f\xfd", FileFormat("a zstd archive", UNPACK)),
    (b"Rar!\x1a\x07", FileFormat("a RAR archive", UNPACK)),
)
_IN_ZIP = (  # bytes among a zip archive's names and what it is then
    (b"word/", FileFormat("a Word document (docx)", EXPORT)),
    (b"application/epub+zip", FileFormat("an EPUB book", EXPORT)),
    (b"application/vnd.oasis.opendocument.text", FileFormat("an OpenDocument text (odt)", EXPORT)),
    (b"Index/Document.iwa", FileFormat("a Pages document", EXPORT)),
    (b"xl/", FileFormat("an Excel workbook (xlsx)", EXPORT)),
    (b"ppt/", FileFormat("a PowerPoint presentation (pptx)", EXPORT)),
)
_MARKUP = (b"<!doctype html", b"<html")


def recognize_format(path: Path) -> FileFormat | None:
    """The format of a file that is no plain text, else None.

    Raises:
        OSError, ValueError: if it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
        if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL))
            names = head + file.read(TAIL)
            found = (kind for mark, kind in _IN_ZIP if mark in names)
            return next(found, FileFormat("a zip archive", UNPACK))
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:20].lower()
    return FileFormat("an HTML page", EXPORT) if start.startswith(_MARKUP) else None
