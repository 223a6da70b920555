"""What breaks is broken here on purpose, in real labs; as in tests/live none of these tests may be skipped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.engine import Engine
from tests.live.conftest import pytest_make_collect_report, pytest_runtest_makereport
from tests.live.second_engine import SecondEngine, started

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]  # hooks


@pytest.fixture(scope="session")
def one_more_engine(engine: Engine) -> Iterator[SecondEngine]:
    """See tests.live.second_engine.started."""
    with started(engine) as made:
        yield made


@pytest.fixture
def engine_two(one_more_engine: SecondEngine) -> Iterator[Engine]:
    """A connection to the second engine."""
    with Engine.connect(at=one_more_engine.address) as engine:
        yield engine


@pytest.fixture
def second(one_more_engine: SecondEngine) -> Iterator[SecondEngine]:
    """A second engine that runs; the test may stop it."""
    yield one_more_engine
    if not one_more_engine.answers():
        one_more_engine.stop()
        one_more_engine.start()
