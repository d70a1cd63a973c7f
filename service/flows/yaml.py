"""A YAML file as JSON-shaped values, with the line of each: what JSON cannot hold is refused."""

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
"""Mappings and lists of a file nest at most this deep."""

MAX_VALUES: Final = 200_000
"""Values that a file may hold, each alias counted as what it stands for."""

_INTEGERS: Final = range(-(2**63), 2**64)
_TAG: Final = "tag:yaml.org,2002:"
_JSON_TAGS: Final = frozenset(_TAG + name for name in ("null", "bool", "int", "float", "str"))
_TEXT_TAGS: Final = frozenset(_TAG + name for name in ("timestamp", "value"))
"""What YAML reads into a text by itself: kept as it is written."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file's value and the line, from 1, of every place in it."""

    value: Any
    lines: dict[YamlPath, int] = field(default_factory=dict)


def read_document(path: Path) -> Document:
    """Read a YAML 1.1 file, UTF-8; keys are the text they are written as, dates stay texts.

    Raises:
        FlowLoadError: the file cannot be read or does not parse, a key stands twice in a mapping,
            or a value has no JSON form; with the line.

    Source: yaml.org/spec/1.1; PyYAML's SafeLoader is what Celery Director reads its file with.
    """
    try:
        return _YamlReader(str(path)).document(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        _refuse(path, 1, f"cannot be read: {error.strerror}", error)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        _refuse(path, line, f"is no UTF-8: {error.reason}", error)
    except yaml.reader.ReaderError as error:
        text = path.read_text(encoding="utf-8-sig")
        line = text.count("\n", 0, error.position) + 1
        _refuse(path, line, f"does not parse: {error.reason}", error)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(part for part in (error.context, error.problem) if part)
        _refuse(path, mark.line + 1 if mark else 1, f"does not parse: {reason}", error)
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
        # Before merge keys (<<) are resolved: what overrides a merged key is no duplicate.
        diagnostics: list[Diagnostic] = []
        seen: set[int] = set()
        waiting = [top]
        while waiting:
            node = waiting.pop()
            if id(node) in seen or isinstance(node, ScalarNode):
                continue
            seen.add(id(node))
            waiting += _children(node)
            diagnostics += self._duplicates(node)
        if diagnostics:
            raise FlowLoadError(diagnostics)

    def _duplicates(self, node: Node) -> Iterator[Diagnostic]:
        first: dict[str, int] = {}
        for key, _ in node.value if isinstance(node, MappingNode) else ():
            name, line = str(key.value), key.start_mark.line + 1
            if name in first:
                yield Diagnostic(
                    self._file, line, f"{name!r} stands twice, first in line {first[name]}"
                )
            first.setdefault(name, line)

    def _value(self, node: Node, location: YamlPath) -> Any:  # noqa: ANN401 - any JSON value
        self._count += 1
        if len(location) > MAX_DEPTH:
            self._refuse(node, f"nested deeper than {MAX_DEPTH}")
        if self._count > MAX_VALUES:
            self._refuse(node, f"more than {MAX_VALUES} values")
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
                self._refuse(key, "a key must be a text")
            name = self._text(key, key.value)
            self._lines[(*location, name)] = key.start_mark.line + 1
            mapping[name] = self._value(value, (*location, name))
        return mapping

    def _scalar(self, node: Node) -> Any:  # noqa: ANN401 - any JSON scalar
        if node.tag in _TEXT_TAGS:
            return str(node.value)
        if node.tag not in _JSON_TAGS:
            self._refuse(node, f"{node.tag.replace(_TAG, '!!')} has no JSON form")
        try:
            value = self._constructor.construct_object(node)
        except (ValueError, KeyError, IndexError):
            self._refuse(node, f"{node.value!r} is no {node.tag.removeprefix(_TAG)}")
        if isinstance(value, float) and not math.isfinite(value):
            self._refuse(node, f"{node.value} is no JSON number")
        if isinstance(value, int) and value not in _INTEGERS:
            self._refuse(node, f"{node.value} is beyond 64 bits")
        return self._text(node, value) if isinstance(value, str) else value

    def _text(self, node: Node, text: str) -> str:
        if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
            self._refuse(node, "a text holds NUL or half a surrogate pair")
        return text

    def _refuse(self, node: Node, reason: str) -> NoReturn:
        raise FlowLoadError([Diagnostic(self._file, node.start_mark.line + 1, reason)])


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value)
