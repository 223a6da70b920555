"""What the engine says of containers -> instances."""

from __future__ import annotations

import pytest

from lab.engine import Found
from lab.instances import group


def container(instance: str, **labels: str) -> Found:
    """A running container that has these labels of ours."""
    named = {f"socketlab.{name}": value for name, value in labels.items()}
    return Found(
        id=f"id-{instance}",
        name=instance,
        state="running",
        created=1,
        labels=(("socketlab.instance", instance), *named.items()),
    )


@pytest.mark.parametrize("hosts", ["many", "", "-1", "²"])
def test_a_container_with_labels_like_ours_hides_no_instance(hosts: str) -> None:
    """Anybody may label a container; it is listed, so that it can be removed, and never whole."""
    forged, real = group([container("real", role="fabric", hosts="0"), container("forged", hosts=hosts)])
    assert (forged.name, forged.expected) == ("forged", 0)
    assert (real.name, real.whole) == ("real", True)
