"""`lab prune` removes what dead runs left, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lab import images, instances, labfiles, live, prune
from lab.engine import Engine
from lab.errors import UsageError
from lab.plan import LABEL_INSTANCE, plan
from tests.faults.support import done, left, told
from tests.live.second_engine import SecondEngine
from tests.live.support import command_line

ALIVE, DEAD = "alive", "dead"


class InTwoHours(Engine):
    """An engine whose clock has gone on."""

    def now(self) -> float:
        """See Engine."""
        return super().now() + 7200


@pytest.fixture(scope="module")
def second(one_more_engine: SecondEngine) -> Iterator[SecondEngine]:
    """An engine with a whole instance."""
    done("up", "nat", "--name", ALIVE, environment=one_more_engine.environment)
    yield one_more_engine
    done("down", "--name", ALIVE, environment=one_more_engine.environment)


@pytest.fixture
def there(second: SecondEngine) -> Iterator[Engine]:
    """The same engine, in two hours."""
    with InTwoHours.connect(at=second.address) as engine:
        yield engine
        assert instances.find(engine, ALIVE).whole, "a whole instance was touched"
        for name in (DEAD, "lonely"):
            instances.remove(engine, {LABEL_INSTANCE: name}, settle=False)


def helper(engine: Engine, name: str) -> str:
    """The id of an instance's helper."""
    found = instances.find(engine, name).helper
    assert found is not None
    return found.id


def test_what_lost_its_helper_is_shown_and_removed_after_a_yes(there: Engine, second: SecondEngine) -> None:
    """A table says what, how old and why; without a yes all stays, with one it goes; what is whole beside it stays."""
    done("up", "nat", "--name", DEAD, environment=second.environment)
    there.remove(helper(there, DEAD))

    nobody = command_line("prune", environment=second.environment)
    assert "--yes" in told(nobody, UsageError)
    (row,) = [line for line in nobody.stdout.decode().splitlines() if line.startswith(DEAD)]
    assert "5 containers" in row
    assert row.endswith("its helper is gone, 5 containers left")
    assert ALIVE not in nobody.stdout.decode()
    no = command_line("prune", stdin=b"n\n", environment=second.environment)
    assert (no.returncode, no.stdout.decode().splitlines()[-1][-18:]) == (0, "nothing is removed")
    (shown,) = json.loads(done("prune", "--json", environment=second.environment))["instances"]
    assert (shown["instance"], shown["lab"], len(shown["containers"]), shown["removed"]) == (DEAD, "nat", 5, False)
    assert left(there, DEAD) == 5

    yes = command_line("prune", stdin=b"yes\n", environment=second.environment)
    assert yes.stdout.decode().endswith("removed 1 instance\n")
    assert left(there, DEAD) == 0
    assert done("prune", environment=second.environment) == "nothing is left of dead runs\n"


def test_a_helper_that_ended_is_dead(there: Engine, second: SecondEngine) -> None:
    """At once, however young: no start looks like that."""
    done("up", "nat", "--name", DEAD, environment=second.environment)
    second.docker("kill", helper(there, DEAD))
    (shown,) = json.loads(done("prune", "--yes", "--json", environment=second.environment))["instances"]
    assert (shown["why"], shown["removed"]) == ("its helper has ended", True)
    assert left(there, DEAD) == 0


def test_a_start_is_dead_only_when_it_is_old(there: Engine, second: SecondEngine) -> None:
    """Some hosts that have ended: in the first minutes a start may be under way. Hosts without a helper: at once."""
    described = labfiles.load("nat")
    refs = images.ensure(there, say=lambda _: None)
    done("up", "nat", "--name", DEAD, environment=second.environment)
    (host, *_) = plan(described, instance="lonely", images=refs).hosts
    there.create(host)
    with live.attach(there, instances.find(there, DEAD)) as instance:
        instance.wiring.seal(None)
    assert {one.found.name: one.why for one in prune.dead(there)}[DEAD] == "its start never ended"
    second.docker("kill", f"socketlab.{DEAD}.alice")
    second.docker("kill", f"socketlab.{DEAD}.bob")
    with Engine.connect(at=second.address) as now:
        assert [one.found.name for one in prune.dead(now)] == ["lonely"]
    rows = {one.found.name: one.why for one in prune.dead(there)}
    assert rows == {"lonely": "its helper is gone, 1 container left", DEAD: "alice, bob have ended"}


def test_what_is_whole_goes_only_if_it_is_older_than_asked_for(there: Engine, second: SecondEngine) -> None:
    """By the age that is given; the wish is checked before anything is looked at."""
    done("up", "nat", "--name", DEAD, environment=second.environment)
    assert prune.dead(there) == ()
    assert prune.dead(there, older=7300) == ()
    assert {one.found.name: one.why for one in prune.dead(there, older=7000)} == dict.fromkeys(
        (ALIVE, DEAD), "older than asked for"
    )
    assert done("prune", "--older", "1h", "--yes", environment=second.environment) == "nothing is left of dead runs\n"
    wrong = command_line("prune", "--older", "soon")
    assert wrong.returncode == UsageError.exit_code
    assert b"such as 90m, 2h or 1d, found 'soon'" in wrong.stderr


def test_what_has_changed_since_it_was_shown_stays(there: Engine, second: SecondEngine) -> None:
    """Another instance of the name, started while the question stood there, is not what the yes was for."""
    done("up", "nat", "--name", DEAD, environment=second.environment)
    there.remove(helper(there, DEAD))
    shown = prune.dead(there)
    instances.remove(there, {LABEL_INSTANCE: DEAD}, settle=False)
    done("up", "nat", "--name", DEAD, environment=second.environment)
    assert [one.found.name for one in shown] == [DEAD]
    assert prune.remove(there, shown, older=None) == ()
    assert instances.find(there, DEAD).whole


def test_images_that_nobody_uses_go(there: Engine, second: SecondEngine) -> None:
    """One of older content goes with all its names, unless a container is made of it; those of today stay."""
    fabric = images.resolve()["socketlab/fabric"]
    for content in ("aaaaaaaaaaaa", "bbbbbbbbbbbb"):
        there.build(
            {"Dockerfile": (0o644, f"FROM {fabric}\nENV x={content}\n".encode())},
            tag=f"socketlab/fabric:{content}",
            labels={images.LABEL_CONTENT: content},
            arguments={},
        )
    second.docker("create", "socketlab/fabric:bbbbbbbbbbbb")
    with Engine.connect(at=second.address) as now:
        assert prune.unused_images(now) == (), "a build may go on"
    found = prune.unused_images(there)
    assert [one.image.tags for one in found if one.image.tags] == [("socketlab/fabric:aaaaaaaaaaaa",)]
    assert prune.remove_images(there, found) == found
    assert not there.has_image("socketlab/fabric:aaaaaaaaaaaa")
    assert set(images.resolve().values()) < there.image_tags(images.LABEL_CONTENT)
    second.docker("rm", second.docker("ps", "-aq", "--filter", "ancestor=socketlab/fabric:bbbbbbbbbbbb"))
