"""Reads a YAML file as JSON values, with the line of each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from service.flows.errors import Diagnostic, FlowLoadError, YamlPath

MAX_DEPTH: Final = 100
"""Levels of mappings and lists in a file."""

MAX_VALUES: Final = 200_000
"""Values in a file, with aliases expanded: a bound on alias bombs."""

_INTEGERS: Final = range(-(2**63), 2**64)
_TAG: Final = "tag:yaml.org,2002:"
_JSON_TAGS: Final = frozenset(_TAG + name for name in ("null", "bool", "int", "float", "str"))
_TEXT_TAGS: Final = frozenset(_TAG + name for name in ("timestamp", "value"))
"""YAML types that are kept as strings, as written."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file's value and the line, from 1, of every location in it."""

    value: Any
    lines: dict[YamlPath, int] = field(default_factory=dict)


def read_document(path: Path) -> Document:
    """Read a YAML 1.1 file in UTF-8; keys and dates become strings, as written.

    Raises:
        FlowLoadError: the file cannot be read or parsed, a mapping has a duplicate key, or a value
            cannot be stored as JSON; with the line.

    Source: yaml.org/spec/1.1; PyYAML's SafeLoader is what Celery Director reads its file with.
    """
    try:
        return _YamlReader(str(path)).document(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        _refuse(path, 1, f"cannot be read: {error.strerror}", error)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        _refuse(path, line, f"is not UTF-8: {error.reason}", error)
    except yaml.reader.ReaderError as error:
        text = path.read_text(encoding="utf-8-sig")
        line = text.count("\n", 0, error.position) + 1
        _refuse(path, line, f"is not valid YAML: {error.reason}", error)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(part for part in (error.context, error.problem) if part)
        _refuse(path, mark.line + 1 if mark else 1, f"is not valid YAML: {reason}", error)
    except RecursionError as error:
        _refuse(path, 1, "is nested too deeply, or contains itself", error)


def _refuse(path: Path, line: int, reason: str, cause: Exception) -> NoReturn:
    raise FlowLoadError([Diagnostic(str(path), line, reason)]) from cause


class _YamlReader:
    def __init__(self, file: str) -> None:
        self._file = file
        self._constructor = SafeConstructor()
        self._lines: dict[YamlPath, int] = {}
        self._count = 0

    def document(self, text: str) -> Document:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            return Document(None)
        self._refuse_duplicates(node)
        return Document(self._value(node, ()), self._lines)

    def _refuse_duplicates(self, top: Node) -> None:
        # Before merge keys (<<) are resolved: a key that overrides a merged one is not a duplicate.
        diagnostics: list[Diagnostic] = []
        seen: set[int] = set()
        pending = [top]
        while pending:
            node = pending.pop()
            if id(node) in seen or isinstance(node, ScalarNode):
                continue
            seen.add(id(node))
            pending += _children(node)
            diagnostics += self._duplicates(node)
        if diagnostics:
            raise FlowLoadError(diagnostics)

    def _duplicates(self, node: Node) -> Iterator[Diagnostic]:
        first: dict[str, int] = {}
        for key, _ in node.value if isinstance(node, MappingNode) else ():
            name, line = str(key.value), key.start_mark.line + 1
            if name in first:
                message = f"duplicate key {name!r}, first in line {first[name]}"
                yield Diagnostic(self._file, line, message)
            first.setdefault(name, line)

    def _value(self, node: Node, location: YamlPath) -> Any:  # noqa: ANN401 - any JSON value
        self._count += 1
        if len(location) > MAX_DEPTH:
            self._refuse(node, f"is nested more than {MAX_DEPTH} levels deep")
        if self._count > MAX_VALUES:
            self._refuse(node, f"the file has more than {MAX_VALUES} values, aliases expanded")
        self._lines.setdefault(location, node.start_mark.line + 1)
        if isinstance(node, MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, location)
        if isinstance(node, SequenceNode) and node.tag == _TAG + "seq":
            return [self._value(item, (*location, index)) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: MappingNode, location: YamlPath) -> dict[str, Any]:
        self._constructor.flatten_mapping(node)
        mapping = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self._refuse(key, "a key must be a string")
            name = self._text(key, key.value)
            self._lines[(*location, name)] = key.start_mark.line + 1
            mapping[name] = self._value(value, (*location, name))
        return mapping

    def _scalar(self, node: Node) -> Any:  # noqa: ANN401 - any JSON scalar
        if node.tag in _TEXT_TAGS:
            return str(node.value)
        if node.tag not in _JSON_TAGS:
            self._refuse(node, f"{node.tag.replace(_TAG, '!!')} cannot be stored as JSON")
        try:
            value = self._constructor.construct_object(node)
        except (ValueError, KeyError, IndexError):
            self._refuse(node, f"{node.value!r} is not a valid {node.tag.removeprefix(_TAG)}")
        if isinstance(value, float) and not math.isfinite(value):
            self._refuse(node, f"{node.value} is not a JSON number")
        if isinstance(value, int) and value not in _INTEGERS:
            self._refuse(node, f"{node.value} does not fit in 64 bits")
        return self._text(node, value) if isinstance(value, str) else value

    def _text(self, node: Node, text: str) -> str:
        if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
            self._refuse(node, "a string contains NUL or a lone surrogate")
        return text

    def _refuse(self, node: Node, reason: str) -> NoReturn:
        raise FlowLoadError([Diagnostic(self._file, node.start_mark.line + 1, reason)])


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value)
