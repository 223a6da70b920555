"""A record -> the result files of other systems, each in a module of its own. Pure.

A record whose state is ERROR has no score, and none of them makes one of it: where a format cannot say that, there is
no result, which its system takes for a failure of the grader and shows as such. docs/formats.md has the table.
"""

from lab.grading.reports.exports.classroom50 import classroom50
from lab.grading.reports.exports.ctrf import ctrf
from lab.grading.reports.exports.gradescope import gradescope
from lab.grading.reports.exports.prairielearn import prairielearn

__all__ = ["classroom50", "ctrf", "gradescope", "prairielearn"]
