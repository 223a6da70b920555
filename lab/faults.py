"""What pydantic found wrong with the values of a file -> problems, each with its place, for people. Pure.

It knows no kind of file: whoever reads one says of which parts it consists.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from pydantic_core import ErrorDetails

from lab import yamltree
from lab.errors import Problem
from lab.readers import KEY, described
from lab.text import nearest
from lab.yamltree import Path, Tree, problem_at


class Part(BaseModel):
    """A mapping of a file; a key that it does not have is an error."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


PartType = type[Part]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """A kind of file: its outermost part, how parts are called, and keys that are refused, with the reason."""

    root: PartType
    nouns: Mapping[PartType, str]
    refused: Mapping[PartType, Mapping[str, str]]


def meant(shape: Shape, errors: Iterable[ErrorDetails]) -> dict[Path, str]:
    """Of every unknown key, by its path, the one that was probably meant; "" if none is near or it is refused."""
    return {one["loc"]: _near(shape, one["loc"]) for one in errors if one["type"] == "extra_forbidden"}


def is_told(tree: Tree, error: ErrorDetails, near: Mapping[Path, str]) -> bool:
    """Whether another problem says it already: a key is missing because it is misspelt, a value for its variable."""
    path, _ = place(error)
    unread = any(path[:length] in tree.unread for length in range(len(path) + 1))
    return unread or (error["type"] == "missing" and path in {(*at[:-1], key) for at, key in near.items() if key})


def _near(shape: Shape, path: Path) -> str:
    part, key = _part_at(shape, path[:-1]), str(path[-1])
    return "" if key in shape.refused.get(part, {}) else nearest(key, _fields(part))


def place(error: ErrorDetails) -> tuple[Path, bool]:
    """Where a fault is, and whether it is in the key that stands there."""
    path: Path = (*error["loc"], *error.get("ctx", {}).get("at", ()))
    in_key = path[-1] == KEY and error["type"] == "lab"
    return path[:-1] if in_key else path, in_key


def problem_of(tree: Tree, shape: Shape, error: ErrorDetails, near: str) -> Problem:
    """One fault. `near` is what an unknown key was probably meant to be."""
    kind, context = error["type"], error.get("ctx", {})
    path, in_key = place(error)
    if kind == "extra_forbidden":
        return _unknown_key(tree, shape, path, near)
    if kind == "missing":
        field = _fields(_part_at(shape, path[:-1]))[str(path[-1])]
        mark = tree.key_mark(path[:-1])
        expected, observed, hint = f"the key {path[-1]!r}", "none", field.description or ""
    elif in_key:
        path = tree.standing(path)
        mark = tree.key_mark(path)
        expected, observed, hint = context["expected"], context["observed"], context["hint"]
    else:
        hint = _keys_at(shape, path)
        path = tree.standing(path)
        mark = tree.value_mark(path)
        expected = {"list_type": "a list"}.get(kind, "a mapping")
        observed = described(error["input"])
        if kind == "lab":
            expected, observed, hint = context["expected"], context["observed"], context["hint"]
    return problem_at(mark, path, expected, observed, hint)


def _keys_at(shape: Shape, path: Path) -> str:
    """What a mapping or list at a path holds."""
    above, here = _annotation_at(shape, path[:-1]), _annotation_at(shape, path)
    field = _fields(above).get(str(path[-1])) if _is_part(above) else None
    if field is not None and field.description:
        return str(field.description)
    return f"its keys are {', '.join(_fields(here))}" if _is_part(here) else ""


def _unknown_key(tree: Tree, shape: Shape, path: Path, near: str) -> Problem:
    part, key = _part_at(shape, path[:-1]), str(path[-1])
    reasons = shape.refused.get(part, {})
    mark = tree.key_mark(path)
    if key in reasons:
        hint = f"refused: {reasons[key]}"
    elif near:
        hint = f"did you mean {near}?"
    else:
        hint = f"there are {', '.join(_fields(part))}"
    return problem_at(mark, path, f"a key of {shape.nouns[part]}", yamltree.shown(key), hint)


def _fields(part: PartType) -> dict[str, Any]:
    return {field.alias or name: field for name, field in part.model_fields.items()}


def _part_at(shape: Shape, path: Path) -> PartType:
    """Which part describes the mapping at a path, below which pydantic found a key wrong."""
    found: PartType = _annotation_at(shape, path)
    return found


def _annotation_at(shape: Shape, path: Path) -> Any:
    """What the shape says of the value at a path; None of what is not a part's and not in one."""
    here: Any = shape.root
    for key in path:
        if _is_part(here):
            field = _fields(here).get(str(key))
            here = field.annotation if field is not None else None
        else:
            here = (get_args(here) or (None,))[-1]
        if get_origin(here) is types.UnionType:
            here = get_args(here)[0]
    return here


def _is_part(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Part)
