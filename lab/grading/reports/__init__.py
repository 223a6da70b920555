"""A record -> text for a terminal, JSON, JUnit XML and a page, each in a module of its own. Pure."""

from lab.grading.reports.ci import junit
from lab.grading.reports.data import as_json, dumped, from_json
from lab.grading.reports.page import html
from lab.grading.reports.terminal import text

__all__ = ["as_json", "dumped", "from_json", "html", "junit", "text"]
