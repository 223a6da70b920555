"""Pages for a browser: each is one file that needs no other and no script. Pure, but for the templates that it reads.

A page's template stands beside the code that fills it, and extends `base.html.j2`, which stands here.
"""

from __future__ import annotations

import time
from typing import Any

import jinja2
from markupsafe import Markup

from lab import __version__
from lab.text import lines, printable


def render(package: str, template: str, *, when: float, **values: Any) -> str:
    """The page that a template of a package makes of values. Text in them is text in it, never markup.

    `when` is what the page tells as its time, in seconds since 1970.
    """
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package, "."), jinja2.PackageLoader("lab.pages", ".")]),
        autoescape=True,
        finalize=_printable,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["lines"] = lines
    environment.filters["time"] = _time
    return environment.get_template(template).render(when=when, version=__version__, **values)


def _printable(value: object) -> object:
    # Markup is what a macro has made, whose own values have come by here.
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
