"""JSON text (RFC 8259, strictly) to a positioned tree; read as YAML it would lose its surrogate pairs."""

import json
import re

from busbar.adapters.files.tree import TreeBuilder, clipped

_TOKEN = re.compile(
    r"""([ \t\r\n]*+)
        (?: ("[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+")
          | ([{}\[\]:,])
          | ([^\s{}\[\]:,"]+)
          | \Z )""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")

# What may come next, in words that a message can use.
_VALUE = "a value"
_FIRST_ITEM = "a value or `]`"
_KEY = "a key in double quotes"
_FIRST_KEY = "a key in double quotes or `}`"
_COLON = "`:`"
_MORE_ITEMS = "`,` or `]`"
_MORE_KEYS = "`,` or `}`"
_END = "the end of the file"


def read_json(text: str, builder: TreeBuilder) -> None:
    """Feed a JSON text to the builder; raises RefusedError where it is no JSON, with the line."""
    closing: list[str] = []
    wanted = _VALUE
    place, line = 0, 1
    while True:
        match = _TOKEN.match(text, place)
        if match is None:
            strange = text[place:].lstrip(" \t\r\n")
            line += text.count("\n", place, len(text) - len(strange))
            _refuse_character(strange[0], wanted, builder, line)
            return
        place = match.end()
        space, quoted, mark, word = match.groups()
        if space and "\n" in space:
            line += space.count("\n")
        if mark is not None:
            wanted = _read_mark(mark, wanted, closing, builder, line)
        elif quoted is not None or word is not None:
            wanted = _read_value(quoted or word, quoted is not None, wanted, closing, builder, line)
        else:
            break
    if wanted != _END:
        builder.stop(
            line,
            rule=f"This is not JSON: the file ends where {wanted} is expected.",
            fix=f"Close what is open: {''.join(reversed(closing)) or 'write a mapping'}.",
        )


def _read_mark(token: str, wanted: str, closing: list[str], builder: TreeBuilder, line: int) -> str:
    if token in "{[" and wanted in (_VALUE, _FIRST_ITEM):
        builder.begin(is_mapping=token == "{", line=line)
        closing.append("}" if token == "{" else "]")
        return _FIRST_KEY if token == "{" else _FIRST_ITEM
    closes = (token == "}" and wanted in (_FIRST_KEY, _MORE_KEYS)) or (
        token == "]" and wanted in (_FIRST_ITEM, _MORE_ITEMS)
    )
    if closes:
        builder.end()
        closing.pop()
        return _after_value(closing)
    if token == "," and wanted in (_MORE_ITEMS, _MORE_KEYS):
        return _VALUE if wanted == _MORE_ITEMS else _KEY
    if token == ":" and wanted == _COLON:
        return _VALUE
    _refuse(token, wanted, builder, line)
    return wanted


def _read_value(token: str, quoted: bool, wanted: str, closing: list[str], builder: TreeBuilder, line: int) -> str:
    is_key = wanted in (_KEY, _FIRST_KEY)
    if wanted not in (_VALUE, _FIRST_ITEM) and not (is_key and quoted):
        _refuse(token, wanted, builder, line)
    if quoted:
        builder.add_scalar(_unescaped(token, builder, line), plain=False, line=line)
        return _COLON if is_key else _after_value(closing)
    if token in _NOT_FINITE:
        builder.report(
            line,
            value=token,
            rule="JSON has no numbers that are not finite.",
            fix='Write a quantity with its unit, for example `"32 A"`.',
        )
    elif token not in ("true", "false", "null") and _NUMBER.fullmatch(token) is None:
        _refuse(token, wanted, builder, line)
    builder.add_scalar(token, plain=True, line=line)
    return _after_value(closing)


def _after_value(closing: list[str]) -> str:
    if not closing:
        return _END
    return _MORE_KEYS if closing[-1] == "}" else _MORE_ITEMS


def _unescaped(token: str, builder: TreeBuilder, line: int) -> str:
    if "\\" not in token:
        return token[1:-1]
    try:
        text = str(json.loads(token))
        text.encode("utf-8")
    except json.JSONDecodeError:
        builder.stop(
            line,
            value=clipped(token),
            rule="This is not JSON: a backslash is followed by something it cannot escape.",
            fix='Write `\\\\` for a backslash and `\\"` for a quotation mark.',
        )
    except UnicodeEncodeError:
        builder.stop(
            line,
            value=clipped(token),
            rule="Half of a surrogate pair is no character.",
            fix="Write the character itself, or both halves.",
        )
    return text


def _refuse(token: str, wanted: str, builder: TreeBuilder, line: int) -> None:
    fix = f"Write {wanted} here. If the file is meant as YAML, begin it with `schema:` instead of a brace."
    if token in "]}" and wanted in (_KEY, _VALUE):
        fix = "Remove the comma before it." if wanted == _KEY else "Write the value, or remove what precedes it."
    elif token.startswith(("//", "#", "/*")):
        fix = "JSON has no comments: remove it, or write the file as YAML."
    builder.stop(line, value=clipped(token), rule=f"This is not JSON: {wanted} is expected, not this.", fix=fix)


def _refuse_character(char: str, wanted: str, builder: TreeBuilder, line: int) -> None:
    if char == '"':
        rule, fix = "a text is not closed in its line", 'Close it with `"`; write `\\n` for a new line.'
    else:
        rule, fix = f"{wanted} is expected, not this", "Remove it."
    builder.stop(line, value=clipped(char), rule=f"This is not JSON: {rule}.", fix=fix)
