"""Whether connection tracking tells anything, before anybody listens."""

from __future__ import annotations

from pathlib import Path

import follower
import pytest
from namespaces import AgentError


@pytest.mark.parametrize("value", ["1", "2"])
def test_events_that_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """On, or on as soon as somebody listens (kernel: nf_conntrack-sysctl.rst)."""
    (tmp_path / "events").write_text(f"{value}\n")
    monkeypatch.setattr(follower, "TOLD", str(tmp_path / "events"))
    follower._require_events()


def test_a_kernel_without_events_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listening would succeed, and say nothing for ever."""
    monkeypatch.setattr(follower, "TOLD", str(tmp_path / "events"))
    with pytest.raises(AgentError, match="its option NF_CONNTRACK_EVENTS, observed none"):
        follower._require_events()
