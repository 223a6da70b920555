"""Compose text -> Lab, or every problem of the file at once, each with its line, its key and what was expected.

Pure: what else is needed of the file system comes through `read`. Three passes, each on the result of the one
before: `yamltree` reads YAML, `schema` says what each value must look like by itself, and `crosscheck` holds the
parts against each other. Only a file without any problem becomes a `Lab`.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Set
from dataclasses import replace
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lab import schema, yamltree
from lab.crosscheck import Checker, Read
from lab.errors import LabFileError, Problem
from lab.model import Lab
from lab.readers import ANY_ADDRESS, KEY, described
from lab.text import nearest
from lab.yamltree import Path, Tree, problem_at

KEPT = ("image", "networks")
"""What is still looked at of a host that has a fault elsewhere."""


def parse(text: bytes, *, source: str, default_name: str, read: Read, variables: Mapping[str, str]) -> Lab:
    """The lab that a file describes.

    `source` names the file in messages, `default_name` is the lab's name if the file has none, `read` gives the
    content of a file below the lab file's folder or raises OSError, and `variables` are what `${NAME:-default}`
    takes. Raises LabFileError with every problem.
    """
    tree = yamltree.parse(text, source=source, variables=variables)
    root = _without_extensions(tree.root)
    faults = _Faults(tree, root)
    try:
        file = schema.LabFile.model_validate(root)
    except ValidationError as error:
        faults.add(error)
    if faults.left_out:
        file = schema.LabFile.model_validate({"networks": {}, "services": {}} | _without(root, faults.left_out))
    checker = Checker(tree, file, read, left_out=faults.left_out, in_part=faults.in_part)
    lab = checker.lab(default_name)
    problems = (*tree.problems, *faults.problems, *checker.problems)
    if problems:
        raise LabFileError(source, tuple(dict.fromkeys(problems)))
    return lab


def _without_extensions(root: dict[str, yamltree.Value]) -> dict[str, yamltree.Value]:
    """Compose gives top-level keys that begin with x- to the author, for anchors; a misspelt x-lab is none of them."""
    return {
        key: value
        for key, value in root.items()
        if not key.startswith("x-") or key == "x-lab" or nearest(key, ["x-lab"], cutoff=0.8)
    }


def _without(root: dict[str, yamltree.Value], paths: Set[Path], here: Path = ()) -> dict[str, yamltree.Value]:
    """The mapping without what stands at the paths, at any depth."""

    def kept(value: yamltree.Value, path: Path) -> yamltree.Value:
        if isinstance(value, list):
            return [kept(item, (*path, index)) for index, item in enumerate(value)]
        return _without(value, paths, path) if isinstance(value, dict) else value

    return {key: kept(value, (*here, key)) for key, value in root.items() if (*here, key) not in paths}


# ------------------------------------------------------------------------- what pydantic found -> problems


class _Faults:
    """The faults of values by themselves, and what is left out so that the rest can still be looked at.

    An unknown key that resembles none is left out alone. After any other fault it is not known what the author
    meant: of a host its image and networks are kept, if the fault is not in them; else all of it is left out.
    """

    def __init__(self, tree: Tree, root: Mapping[str, yamltree.Value]) -> None:
        self.tree = tree
        self.root = root
        self.problems: list[Problem] = []
        self.left_out: set[Path] = set()
        self.in_part: set[str] = set()
        """the hosts of which only image and networks are kept"""
        for path in tree.unread:
            self.leave_out(path)

    def leave_out(self, path: Path) -> None:
        """Leave out what a fault at a path makes doubtful."""
        if path[0] == "services" and len(path) > 2 and path[2] not in KEPT:
            host = str(path[1])
            if host in self.in_part:
                return
            part = self.root["services"][host] if isinstance(self.root["services"], dict) else ""
            if isinstance(part, dict):
                self.in_part.add(host)
                self.left_out |= {("services", host, key) for key in part if key not in KEPT}
                return
        self.left_out.add(path[:2] if path[0] in ("networks", "services") else path[:1])

    def add(self, error: ValidationError) -> None:
        """Take over what pydantic found."""
        errors = error.errors(include_url=False)
        near = {one["loc"]: _near(one["loc"]) for one in errors if one["type"] == "extra_forbidden"}
        meant = {(*path[:-1], key) for path, key in near.items() if key}
        for one in errors:
            path, _ = _place(one)
            alone = one["type"] == "extra_forbidden" and not near[path]
            if alone:
                self.left_out.add(path)
            else:
                self.leave_out(path)
            # What is missing because its key is misspelt has been told of, and so has a value without its variable.
            unread = any(path[:length] in self.tree.unread for length in range(len(path) + 1))
            told = unread or (one["type"] == "missing" and path in meant)
            if not told:
                found = _problem_of(self.tree, one, near.get(path, ""))
                hint = found.hint or _address_of(self.root, path, one)
                self.problems.append(replace(found, hint=hint))


def _place(error: ErrorDetails) -> tuple[Path, bool]:
    """Where a fault is, and whether it is in the key that stands there."""
    path: Path = (*error["loc"], *error.get("ctx", {}).get("at", ()))
    in_key = path[-1] == KEY and error["type"] == "lab"
    return path[:-1] if in_key else path, in_key


def _near(path: Path) -> str:
    """The key that was probably meant by an unknown one, "" if none is near or the key is known and refused."""
    part, key = _part_at(path[:-1]), str(path[-1])
    return "" if key in schema.REFUSED.get(part, {}) else nearest(key, _fields(part))


def _address_of(root: Mapping[str, yamltree.Value], path: Path, error: ErrorDetails) -> str:
    """`gw has 192.168.1.1 there`, of a host whose name stands in the place of an address."""
    name, hosts = error["input"], root.get("services", {})
    is_address = error.get("ctx", {}).get("expected") == ANY_ADDRESS
    if not (is_address and isinstance(name, str) and isinstance(hosts, dict) and path[0] == "services"):
        return ""
    if path[2] == "networks" or name == path[1]:
        return ""
    own, its = (_attached(hosts.get(one)) for one in (str(path[1]), name))
    shared = {network: part for network, part in its.items() if network in own}
    chosen = shared if shared or "gateway" in path else its
    parts = [part for part in chosen.values() if isinstance(part, dict)]
    found = [str(part[key]) for part in parts for key in ("ipv4_address", "ipv6_address") if part.get(key)]
    return f"{name} has {', '.join(found)}{' there' if shared else ''}" if found else ""


def _attached(host: yamltree.Value | None) -> dict[str, yamltree.Value]:
    networks = host.get("networks") if isinstance(host, dict) else None
    return networks if isinstance(networks, dict) else {}


def _problem_of(tree: Tree, error: ErrorDetails, near: str) -> Problem:
    kind, context = error["type"], error.get("ctx", {})
    path, in_key = _place(error)
    if kind == "extra_forbidden":
        return _unknown_key(tree, path, near)
    if kind == "missing":
        field = _fields(_part_at(path[:-1]))[str(path[-1])]
        mark = tree.key_mark(path[:-1])
        expected, observed, hint = f"the key {path[-1]!r}", "none", field.description or ""
    elif in_key:
        path = tree.standing(path)
        mark = tree.key_mark(path)
        expected, observed, hint = context["expected"], context["observed"], context["hint"]
    else:
        hint = _shape(path)
        path = tree.standing(path)
        mark = tree.value_mark(path)
        expected = {"list_type": "a list"}.get(kind, "a mapping")
        observed = described(error["input"])
        if kind == "lab":
            expected, observed, hint = context["expected"], context["observed"], context["hint"]
    return problem_at(mark, path, expected, observed, hint)


def _shape(path: Path) -> str:
    """What a mapping or list at a path holds."""
    above, here = _annotation_at(path[:-1]), _annotation_at(path)
    field = _fields(above).get(str(path[-1])) if _is_part(above) else None
    if field is not None and field.description:
        return str(field.description)
    return f"its keys are {', '.join(_fields(here))}" if _is_part(here) else ""


def _unknown_key(tree: Tree, path: Path, near: str) -> Problem:
    part, key = _part_at(path[:-1]), str(path[-1])
    reasons = schema.REFUSED.get(part, {})
    mark = tree.key_mark(path)
    if key in reasons:
        hint = f"refused: {reasons[key]}"
    elif near:
        hint = f"did you mean {near}?"
    else:
        hint = f"there are {', '.join(_fields(part))}"
    return problem_at(mark, path, f"a key of {schema.NOUNS[part]}", yamltree.shown(key), hint)


def _fields(part: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field for name, field in part.model_fields.items()}


def _part_at(path: Path) -> type[schema.Part]:
    """Which part of the schema describes the mapping at a path, below which pydantic found a key wrong."""
    found: type[schema.Part] = _annotation_at(path)
    return found


def _annotation_at(path: Path) -> Any:
    """What the schema says of the value at a path; None of what is not a part's and not in one."""
    here: Any = schema.LabFile
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
    return isinstance(annotation, type) and issubclass(annotation, schema.Part)
