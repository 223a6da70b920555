"""What the pages show can be used as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from lab import composefile, labfiles
from lab.errors import LabFileError
from lab.grading import exercise

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = "apiVersion:"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(kind: str) -> list[str]:
    """Every fenced block of that kind in all pages."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", [text for text in blocks("yaml") if "submission:" in text])
def test_an_exercise_on_a_page_is_one(text: str) -> None:
    """It can be copied."""
    try:
        exercise.parse(text.encode(), source="page", name="page")
    except LabFileError as error:
        pytest.fail(str(error))


@pytest.mark.parametrize(
    "text", [text for text in blocks("yaml") if "submission:" not in text and KUBERNETES not in text]
)
def test_a_lab_file_on_a_page_is_a_lab(text: str) -> None:
    """It can be copied and started beside the programs of compose/: every file that it deploys is one of them."""

    def read(name: str) -> bytes:
        return (labfiles.folder() / name).read_bytes()

    try:
        composefile.parse(text.encode(), source="page", default_name="page", read=read, variables={})
    except LabFileError as error:
        pytest.fail(str(error))


@pytest.mark.parametrize("text", [text for text in blocks("yaml") if KUBERNETES in text])
def test_a_manifest_on_a_page_can_be_read(text: str) -> None:
    """It is one object, and each volume that is mounted is there."""
    manifest = yaml.safe_load(text)
    assert {"apiVersion", "kind", "metadata", "spec"} == set(manifest)
    pod = manifest["spec"]["worker"]["spec"]
    mounted = {mount["name"] for one in pod["containers"] for mount in one["volumeMounts"]}
    assert mounted == {one["name"] for one in pod["volumes"]}


@pytest.mark.parametrize("text", blocks("python"))
def test_a_program_on_a_page_compiles(text: str) -> None:
    """It has no mistake of spelling."""
    compile(text, "page", "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_leads_to_a_page(page: Path) -> None:
    """Every link to a file of ours leads to one."""
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target
