"""Of which other systems results can be written for."""

from enum import StrEnum


class Format(StrEnum):
    """A system's name."""

    GRADESCOPE = "gradescope"
    PRAIRIELEARN = "prairielearn"
    CLASSROOM50 = "classroom50"
    CTRF = "ctrf"
