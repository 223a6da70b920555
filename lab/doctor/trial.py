"""The proof: a lab of three hosts comes up, and a connection through its gateway is looked at from three sides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from importlib import resources

from lab import instances, labfiles, live
from lab.doctor.facts import Failure, Masquerade
from lab.engine import Engine
from lab.errors import InstanceError, LabError, NotUpError
from lab.model import Lab
from lab.stage import NotSeenError, Stage, text_of

SERVER = "203.0.113.80"
PORT = 8000
SOURCE_PORT = 5555

Say = Callable[[str], None]


def lab_of_three() -> Lab:
    """A client, a gateway and a server."""
    with resources.as_file(resources.files("lab.doctor").joinpath("masquerade.yaml")) as file:
        return labfiles.load(str(file), variables={})


def masquerade(
    engine: Engine, lab: Lab, wiring: str, *, name: str, refs: Mapping[str, str], say: Say
) -> Masquerade | Failure:
    """Bring the lab up as an instance of that name, let its client connect, and remove it, whatever happens."""
    try:
        with ExitStack() as stack:
            instance = stack.enter_context(_started(engine, lab, wiring, name=name, refs=refs, stack=stack))
            say("connecting through a gateway")
            return _seen(stack.enter_context(Stage(instance, labfiles.programs())))
    except NotSeenError as error:
        return Failure(
            message=f"expected {error.what}, observed {error.observed}", hint="", exit_code=NotUpError.exit_code
        )
    except LabError as error:
        return Failure(message=error.message, hint=error.hint, exit_code=error.exit_code)


def _started(
    engine: Engine, lab: Lab, wiring: str, *, name: str, refs: Mapping[str, str], stack: ExitStack
) -> live.Instance:
    def remove() -> None:
        with suppress(InstanceError):  # a start that failed has removed it
            instances.down(engine, name)

    # Its start may be interrupted when it is there, and not yet here.
    stack.callback(remove)
    return live.up(engine, lab, name=name, images=refs, say=lambda _: None, wiring=wiring)


def _seen(stage: Stage) -> Masquerade:
    stage.whoami("server", "tcp", SERVER, PORT)
    _, answer = stage.hold("client", "tcp", SERVER, PORT, SOURCE_PORT)
    entry = stage.translation("gateway", "tcp", answer.own)
    return Masquerade(
        client=answer.own or answer.text,
        inside=text_of(entry.source) if entry else "no entry",
        outside=text_of(entry.source_translated) if entry else "no entry",
        server=answer.seen or answer.text,
    )
