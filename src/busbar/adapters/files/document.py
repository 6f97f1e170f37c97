"""A file to a positioned tree, or to problems that say what is wrong with the file."""

import errno
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from busbar.adapters.files.json_text import read_json
from busbar.adapters.files.tree import Mapping, TreeBuilder, clipped, is_null, shown
from busbar.adapters.files.yaml_text import read_yaml
from busbar.core.errors import Problem, RefusedError
from busbar.core.nearest import known_names, nearest

LARGEST_BYTES = 64 * 1024 * 1024

# What neither YAML nor people take for text.
_NO_TEXT = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One file, read and not yet understood."""

    file: str
    root: Mapping
    problems: tuple[Problem, ...] = ()
    """What is wrong with the text itself, where the rest could still be read (duplicate keys)."""


def read_document(path: str | os.PathLike[str]) -> Document:
    """Read and parse one file; raises RefusedError with the reason where that cannot be done."""
    return parse_document(_content(Path(path)), file=os.fspath(path))


def parse_document(content: bytes, *, file: str) -> Document:
    """Parse the content of a file; JSON where its name ends in .json or it begins with `{`, else YAML."""
    if len(content) > LARGEST_BYTES:
        raise _too_large(file, len(content))
    text = _text(content, file)
    builder = TreeBuilder(file)
    if file.lower().endswith(".json") or text.lstrip().startswith("{"):
        read_json(text, builder)
    else:
        read_yaml(text, builder)
    root = builder.root
    if root is None or is_null(root):
        raise _refused(file, rule="The file is empty.", fix="Begin with `schema: busbar/depot/1`.", line=1)
    if not isinstance(root, Mapping):
        builder.report(
            root.line,
            path="document",
            rule="The file does not hold a mapping of keys to values.",
            fix="Begin with `schema: busbar/depot/1`.",
            value=shown(root),
        )
        raise RefusedError(tuple(builder.problems))
    return Document(file=file, root=root, problems=tuple(builder.problems))


def _content(path: Path) -> bytes:
    file = os.fspath(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise _refused(file, rule="This is a directory.", fix=_fix_for_directory(path))
        if status.st_size > LARGEST_BYTES:
            raise _too_large(file, status.st_size)
        with path.open("rb") as stream:
            # A pipe has no size; one byte more than allowed tells that it is too large.
            return stream.read(LARGEST_BYTES + 1)
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise _refused(file, rule="There is no such file.", fix=_fix_for_missing(path)) from error
        said = error.strerror or "it cannot be read"
        raise _refused(
            file, rule=f"The file cannot be read: {said}.", fix="Check its name and who may read it."
        ) from error
    except ValueError as error:
        raise _refused(clipped(file), rule="This cannot be a file's name.", fix="Check the name.") from error


def _text(content: bytes, file: str) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refused(file, rule="The file is UTF-16, not UTF-8.", fix="Save it as UTF-8.", line=1)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        if b"\x00" in content:
            raise _binary(file, "a byte that is no text", line) from error
        raise _refused(
            file,
            rule=f"The file is not UTF-8: byte 0x{content[error.start]:02x} is no character.",
            fix="Save it as UTF-8.",
            line=line,
        ) from error
    strange = _NO_TEXT.search(text)
    if strange is not None:
        line = text.count("\n", 0, strange.start()) + 1
        raise _binary(file, f"the character U+{ord(strange.group()):04X}", line)
    if not text.strip():
        raise _refused(file, rule="The file is empty.", fix="Begin with `schema: busbar/depot/1`.", line=1)
    return text


def _binary(file: str, what: str, line: int) -> RefusedError:
    return _refused(
        file,
        rule=f"This is a binary file, not text: it holds {what}.",
        fix="Give a YAML or JSON file, saved as UTF-8 text.",
        line=line,
    )


def _too_large(file: str, size: int) -> RefusedError:
    allowed = LARGEST_BYTES // 1024**2
    return _refused(
        file,
        rule=f"The file is larger than {allowed} MB ({size / 1024**2:.0f} MB) and was not read.",
        fix="Check that it is the right file; depots of 100 000 connectors are smaller.",
        value=f"{size} bytes",
    )


def _refused(file: str, *, rule: str, fix: str, line: int | None = None, value: str | None = None) -> RefusedError:
    return RefusedError((Problem(path="document", rule=rule, fix=fix, value=value, file=file, line=line),))


def _fix_for_missing(path: Path) -> str:
    near = nearest(path.name, known_names(_names_in(path.parent)))
    return f"Did you mean `{path.parent / near}`?" if near else "Check the name and the folder."


def _fix_for_directory(path: Path) -> str:
    files = [name for name in _names_in(path) if name.endswith((".yaml", ".yml", ".json"))]
    return f"Name a file in it, for example `{path / min(files)}`." if files else "Name a file."


def _names_in(folder: Path) -> list[str]:
    """Up to a thousand names; nothing where the folder cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry, _ in zip(entries, range(1000), strict=False)]
    except (OSError, ValueError):
        return []
