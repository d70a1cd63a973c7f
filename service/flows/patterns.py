"""JSON Schema whose patterns are matched in time linear to the text, by RE2.

Python's `re` may take time exponential in the length of a payload, and whoever may start a flow
chooses the payload: 24 letters stopped all tenants for seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, Final, cast

import re2
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

Errors = Iterator[ValidationError]
Keyword = Callable[[Any, Any, Any, Mapping[str, Any]], Errors]
"""A keyword of a schema: of the validator, the keyword's value, what is checked, the schema."""

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False


class UnsupportedPattern(ValueError):
    """A regular expression that cannot be matched in time linear to the text."""


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Any:  # noqa: ANN401 - a pattern of re2, which has no types
    """Compile a regular expression for `search`.

    Raises:
        UnsupportedPattern: it is malformed, or has what RE2 leaves out for the sake of its speed.

    >>> bool(compile_pattern("^(a+)+$").search("a" * 1000 + "b"))
    False
    """
    try:
        return re2.compile(pattern, options=_OPTIONS)
    except re2.error as error:
        reason = error.args[0]
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise UnsupportedPattern(
            f"the pattern {pattern!r} is not matched in linear time ({text}): write it without"
            " look-around, back-references and repetitions over 1000"
        ) from error


@lru_cache
def in_linear_time(kind: type[Validator]) -> type[Validator]:
    """Make a kind of validator match patterns by `compile_pattern`, with the same error texts."""
    keywords: dict[str, Keyword] = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": partial(
            _additional_properties, kind.VALIDATORS["additionalProperties"]
        ),
    }
    return cast("type[Validator]", extend(kind, keywords))  # type: ignore[no-untyped-call]


def _pattern(validator: Any, pattern: str, instance: Any, _: Mapping[str, Any]) -> Errors:  # noqa: ANN401 - as jsonschema has it
    if validator.is_type(instance, "string") and not compile_pattern(pattern).search(instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any,  # noqa: ANN401
    subschemas: Mapping[str, Any],
    instance: Any,  # noqa: ANN401
    _: Mapping[str, Any],
) -> Errors:
    if validator.is_type(instance, "object"):
        for pattern, subschema in subschemas.items():
            for name in filter(compile_pattern(pattern).search, instance):
                yield from validator.descend(
                    instance[name], subschema, path=name, schema_path=pattern
                )


def _additional_properties(
    original: Keyword,
    validator: Any,  # noqa: ANN401
    subschema: Any,  # noqa: ANN401
    instance: Any,  # noqa: ANN401
    schema: Mapping[str, Any],
) -> Errors:
    patterns = schema.get("patternProperties")
    if not patterns or not validator.is_type(instance, "object"):
        yield from original(validator, subschema, instance, schema)
        return
    extras = list(_unmatched(instance, schema.get("properties", {}), patterns))
    if validator.is_type(subschema, "object"):
        for name in extras:
            yield from validator.descend(instance[name], subschema, path=name)
    elif extras and not subschema:
        named, wanted = (", ".join(map(repr, sorted(each))) for each in (extras, patterns))
        verb = "does" if len(extras) == 1 else "do"
        yield ValidationError(f"{named} {verb} not match any of the regexes: {wanted}")


def _unmatched(
    names: Iterable[str], properties: Mapping[str, Any], patterns: Iterable[str]
) -> Iterator[str]:
    compiled = [compile_pattern(pattern) for pattern in patterns]
    for name in names:
        if name not in properties and not any(each.search(name) for each in compiled):
            yield name
