"""A batch -> data, a table of grades, JUnit XML and a page, each in a module of its own. Pure, but for files.py."""

from lab.grading.batch.reports.data import as_json
from lab.grading.batch.reports.github import commands, summary
from lab.grading.batch.reports.grades import csv
from lab.grading.batch.reports.overview import html
from lab.grading.batch.reports.terminal import text

__all__ = ["as_json", "commands", "csv", "html", "summary", "text"]
