"""The engine's machine as seen from its own network: what a lab must not reach, and what of a lab is seen there."""

from __future__ import annotations

import subprocess

from lab.wiring.agent import IMAGE


class Machine:
    """Asks in a throw-away container that has the machine's network, wherever the engine runs."""

    def __init__(self, refs: dict[str, str]) -> None:
        self._image = refs[IMAGE]

    def ask(self, command: str) -> str:
        """What a shell command prints there."""
        asked = subprocess.run(
            [
                *("docker", "run", "--rm", "--network=host", "--cap-drop=ALL", "--cap-add=NET_ADMIN"),
                *("--cap-add=NET_RAW", "--label=socketlab.test=machine", "--entrypoint=sh", self._image, "-c", command),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert asked.returncode == 0, asked.stderr
        return asked.stdout


def docker(*words: str) -> str:
    """What the docker command prints, of the engine that is in use."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
