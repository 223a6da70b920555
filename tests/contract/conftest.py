"""What every wiring must do, tried on each of them; nothing here may be skipped."""

from __future__ import annotations

import pytest

from lab import labfiles
from lab.building import WIRINGS
from lab.live import Instance
from lab.testing import Instances

# The same fixtures and the same rule as in tests/live.
from tests.live.conftest import (  # noqa: F401
    ask,
    listens,
    pytest_make_collect_report,
    pytest_runtest_makereport,
    start,
)


@pytest.fixture(params=WIRINGS)
def wiring(request: pytest.FixtureRequest) -> str:
    """Each wiring in its turn."""
    return str(request.param)


@pytest.fixture
def lab(request: pytest.FixtureRequest, instances: Instances, wiring: str) -> Instance:
    """The lab of the marker `instance` on a wiring, as it was when it came up."""
    marker = request.node.get_closest_marker("instance")
    named = str(marker.args[0]) if marker else "labs/wires.yaml"
    return instances.get(str(request.path.parent / named) if labfiles.is_path(named) else named, wiring)
