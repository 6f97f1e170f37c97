"""YAML text to a positioned tree, event by event: no recursion, no tags, no guessing of types."""

from typing import Any

import yaml

from busbar.adapters.files.tree import Node, TreeBuilder, clipped

# libyaml where PyYAML was built with it; reading in plain Python takes many times as long.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str, builder: TreeBuilder) -> None:
    """Feed a YAML text to the builder; raises RefusedError where it is no YAML."""
    try:
        _read_events(text, builder)
    except yaml.YAMLError as error:
        mark: Any = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        said = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
        context = getattr(error, "context", None)
        where = f" {context}" if context else ""
        builder.stop(
            mark.line + 1 if mark is not None else 1,
            rule=f"This is not YAML: {said}{where}.",
            fix="Check indentation, quotes and brackets in this line and the one above it.",
        )


def _read_events(text: str, builder: TreeBuilder) -> None:
    anchors: dict[str, tuple[Node, int]] = {}
    unfinished: list[str | None] = []
    documents = 0
    for event in yaml.parse(text, Loader=_Loader):
        mark: Any = event.start_mark
        line = mark.line + 1
        match event:
            case yaml.ScalarEvent():
                _refuse_tag(event, builder, line)
                scalar = builder.add_scalar(event.value, plain=not event.style, line=line)
                if event.anchor is not None:
                    anchors[event.anchor] = (scalar, 1)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                _refuse_tag(event, builder, line)
                builder.begin(is_mapping=isinstance(event, yaml.MappingStartEvent), line=line)
                unfinished.append(event.anchor)
                anchors.pop(event.anchor or "", None)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                node, size = builder.end()
                anchor = unfinished.pop()
                if anchor is not None:
                    anchors[anchor] = (node, size)
            case yaml.AliasEvent():
                anchor = event.anchor or ""
                if anchor in anchors:
                    builder.add_again(*anchors[anchor], line)
                else:
                    _refuse_alias(anchor, anchor in unfinished, builder, line)
            case yaml.DocumentStartEvent():
                documents += 1
                if documents > 1:
                    builder.stop(
                        line,
                        rule="A second document begins here.",
                        fix="Keep one document in a file: remove `---` and what belongs to the other one.",
                    )
            case _:
                pass


def _refuse_alias(anchor: str, is_unfinished: bool, builder: TreeBuilder, line: int) -> None:
    builder.stop(
        line,
        value=clipped(f"*{anchor}"),
        rule="This alias refers to what it stands in." if is_unfinished else "This alias has no anchor before it.",
        fix="Write the value out." if is_unfinished else f"Mark the value it means with `&{clipped(anchor)}`.",
    )


def _refuse_tag(event: yaml.ScalarEvent | yaml.CollectionStartEvent, builder: TreeBuilder, line: int) -> None:
    if event.tag is not None:
        builder.report(
            line,
            value=clipped(event.tag),
            rule="Tags are not used here: every field has one type.",
            fix="Remove the tag.",
        )
