"""Compose text -> Lab, or every problem of the file at once, each with its line, its key and what was expected.

Pure: what else is needed of the file system comes through `read`. Three passes, each on the result of the one
before: `yamltree` reads YAML, `schema` says what each value must look like by itself, and `crosscheck` holds the
parts against each other. Only a file without any problem becomes a `Lab`.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lab import faults, schema, yamltree
from lab.crosscheck import Checker, Read
from lab.errors import LabFileError, Problem
from lab.model import Lab
from lab.readers import ANY_ADDRESS
from lab.text import nearest
from lab.yamltree import Path, Tree

SHAPE = faults.Shape(root=schema.LabFile, nouns=schema.NOUNS, refused=schema.REFUSED)
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
        near = faults.meant(SHAPE, errors)
        for one in errors:
            path, _ = faults.place(one)
            alone = one["type"] == "extra_forbidden" and not near[path]
            if alone:
                self.left_out.add(path)
            else:
                self.leave_out(path)
            if not faults.is_told(self.tree, one, near):
                found = faults.problem_of(self.tree, SHAPE, one, near.get(path, ""))
                hint = found.hint or _address_of(self.root, path, one)
                self.problems.append(replace(found, hint=hint))


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
