"""The Docker engine, wrapped once: the only module that imports `docker`.

What comes out is typed values of ours and errors of ours; what an engine is asked for is decided elsewhere.
"""

from __future__ import annotations

import collections
import contextlib
import io
import os
import queue
import re
import select
import socket
import struct
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import docker
import docker.errors
import docker.types
import docker.utils
import requests
from docker.context.config import get_current_context_name
from docker.types import LogConfig, Ulimit
from docker.utils import parse_repository_tag

from lab.errors import EngineError, EngineRefusedError, ImageError, InstanceError, TakenError
from lab.plan import Carrier, Container

UNNAMED = "<none>:<none>"
SEVERAL_NETWORKS = "1.44"
CONFLICT = 409
NOT_FOUND = 404
FORBIDDEN = 403
NO_ROOM = "no space left on device"
MAKE_ROOM = (
    "make room where the engine keeps its data (`docker info`, Docker Root Dir); `lab prune` removes what is left"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A container that the engine has."""

    id: str
    name: str
    state: str
    created: int
    labels: tuple[tuple[str, str], ...]

    def label(self, key: str) -> str:
        """A label's value, "" if it has none."""
        return dict(self.labels).get(key, "")


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundImage:
    """An image that the engine has."""

    id: str
    tags: tuple[str, ...]
    created: int
    """seconds since 1970, by the engine's clock"""
    labels: tuple[tuple[str, str], ...]

    def label(self, key: str) -> str:
        """A label's value, "" if it has none."""
        return dict(self.labels).get(key, "")


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """What an engine says of itself and of its machine (Engine API, "SystemInfo" and "SystemVersion").

    What it does not say is "", 0 or empty.
    """

    product: str
    """`Engine` of Docker's, `Podman Engine`, …"""
    version: str
    api: str
    name: str
    """its machine's host name"""
    operating_system: str
    kernel: str
    architecture: str
    """as uname(2) names it"""
    processors: int
    memory: int
    """bytes that its machine has"""
    cgroup_version: str
    cgroup_driver: str
    limits: frozenset[str]
    """what it can limit: `memory`, `swap`, `pids`, `cpus`"""
    storage_driver: str
    folder: str
    """where it keeps images and containers, on its machine"""
    bridge_netfilter: bool | None
    """whether frames on its bridges pass the machine's filters (bridge-nf-call-iptables); newer engines do not say"""
    security: tuple[str, ...]
    """what confines containers: `seccomp`, `apparmor`, `selinux`, `rootless`, `userns`, …"""


LIMITS = {"MemoryLimit": "memory", "SwapLimit": "swap", "PidsLimit": "pids", "CpuCfsQuota": "cpus"}


def about(info: Mapping[str, Any], version: Mapping[str, Any]) -> About:
    """What is in the answers to GET /info and GET /version."""
    components = [str(one.get("Name", "")) for one in version.get("Components") or ()]
    options = [str(one).split(",")[0].removeprefix("name=") for one in info.get("SecurityOptions") or ()]
    return About(
        product=components[0] if components else "",
        version=str(version.get("Version") or ""),
        api=str(version.get("ApiVersion") or ""),
        name=str(info.get("Name") or ""),
        operating_system=str(info.get("OperatingSystem") or ""),
        kernel=str(info.get("KernelVersion") or ""),
        architecture=str(info.get("Architecture") or ""),
        processors=int(info.get("NCPU") or 0),
        memory=int(info.get("MemTotal") or 0),
        cgroup_version=str(info.get("CgroupVersion") or ""),
        cgroup_driver=str(info.get("CgroupDriver") or ""),
        limits=frozenset(word for key, word in LIMITS.items() if info.get(key)),
        storage_driver=str(info.get("Driver") or ""),
        folder=str(info.get("DockerRootDir") or ""),
        bridge_netfilter=info.get("BridgeNfIptables"),
        security=tuple(options),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundNetwork:
    """A network that the engine has, of whatever driver."""

    id: str
    name: str
    subnets: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]

    def label(self, key: str) -> str:
        """A label's value, "" if it has none."""
        return dict(self.labels).get(key, "")


def _reason(error: Exception) -> str:
    text = str(error)
    if "Permission denied" in text:
        return "this user may not use its socket; root and members of the group docker may"
    if "No such file" in text or "Connection refused" in text:
        return "nothing answers there"
    return f"connecting failed: {text}"


def _tar(files: Mapping[str, tuple[int, bytes]]) -> io.BytesIO:
    """A build context. Times are zero, so that equal contents are equal to the builder's cache."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for path, (mode, content) in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    made.seek(0)
    return made


class ExecStream:
    """The standard input and output of a process in a container, as one stream. Its standard error is dropped."""

    def __init__(self, raw: Any, *, runs: Callable[[], bool], first_seconds: float | None = None) -> None:
        self._raw = raw
        self._runs = runs
        self._first_seconds = first_seconds
        # docker-py hands out a read-only file object over a unix socket, and the socket itself over TLS.
        self._socket = getattr(raw, "_sock", raw)
        self._seconds = self._socket.gettimeout()
        self._frames = bytearray()

    def send(self, data: bytes) -> None:
        """Send all of it. Raises EngineError if the stream broke."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise EngineError(f"the connection into the instance broke: {error}") from error

    def receive(self, *, patient: bool = False) -> bytes:
        """Some bytes of standard output; b"" at the end. `patient`: wait beyond the time-out of the connection."""
        seconds = None if patient else self._first_seconds or self._seconds
        self._socket.settimeout(seconds)
        self._first_seconds = None
        while True:
            # Engine API, "Attach to a container": a header of 8 bytes, the first is the stream, the last four
            # the length.
            if len(self._frames) >= FRAME_HEADER:
                length = struct.unpack(">I", self._frames[4:FRAME_HEADER])[0]
                if len(self._frames) >= FRAME_HEADER + length:
                    kind = self._frames[0]
                    data = bytes(self._frames[FRAME_HEADER : FRAME_HEADER + length])
                    del self._frames[: FRAME_HEADER + length]
                    if kind == STDOUT and data:
                        return data
                    continue
            try:
                piece = self._socket.recv(1 << 16) if self._can_be_read(seconds) else b""
            except (OSError, ValueError) as error:  # a socket that another thread has closed has no number
                raise EngineError(f"the connection into the instance broke: {error}") from error
            if not piece:
                return b""
            self._frames += piece

    def _can_be_read(self, seconds: float | None) -> bool:
        """Wait for bytes, or for their end; False if the process has ended and nothing came of it.

        Engines were seen to leave the stream of a process open whose container was killed or removed (20.10).
        """
        if getattr(self._socket, "pending", int)():  # what TLS has deciphered is not seen by poll(2)
            return True
        ready = select.poll()
        ready.register(self._socket.fileno(), select.POLLIN)
        deadline = None if seconds is None else time.monotonic() + seconds
        while not ready.poll(LOOK_SECONDS * 1000):
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError("timed out")
            if not self._runs() and not ready.poll(0):
                return False
        return True

    def close(self) -> None:
        """Hang up; the process sees the end of its input."""
        # A descriptor that another thread waits on stays open until that is over; this ends it.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._socket.close()
        with contextlib.suppress(OSError):
            self._raw.close()


DESCRIPTORS = 1024
HELPERS_DESCRIPTORS = 16384
"""A helper holds three for each host, and one more for each point of each capture."""
LOOK_SECONDS = 2.0
"""How long a stream is silent before the engine is asked whether its process runs."""
FRAME_HEADER = 8
STDOUT = 1


@contextlib.contextmanager
def _translated(doing: str) -> Iterator[None]:
    """Failures of docker-py, of HTTP and of the socket become an EngineError that says what was being done."""
    try:
        yield
    except docker.errors.APIError as error:
        said = f"{doing}: the Docker engine refused: {error.explanation or error}"
        if NO_ROOM in said:
            raise EngineError(said, hint=MAKE_ROOM) from error
        raise EngineRefusedError(said) from error
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise EngineError(
            f"{doing}: the Docker engine does not answer: {error}", hint="`docker info` shows whether it runs"
        ) from error


def endpoint() -> str:
    """Where the engine is looked for: DOCKER_HOST, else the current docker context, else "" for the usual socket.

    Raises EngineError if the context that is named is not there.
    """
    if os.environ.get("DOCKER_HOST"):
        return os.environ["DOCKER_HOST"]
    context = _context()
    return "" if context is None else str(context.Host)


def named_by() -> str:
    """What says where the engine is looked for, in words. Raises EngineError as `endpoint` does."""
    if os.environ.get("DOCKER_HOST"):
        return "DOCKER_HOST"
    context = _context()
    return "the usual socket" if context is None else f"the docker context {context.name}"


def _context() -> docker.Context | None:
    """The current docker context; None for the default one."""
    try:
        # docker-py knows the configuration file's choice, the docker command this variable too (docker(1)).
        name = os.environ.get("DOCKER_CONTEXT") or get_current_context_name()
        if name == "default":
            return None
        context = docker.ContextAPI.get_context(name)
    except (docker.errors.DockerException, OSError, ValueError) as error:
        raise EngineError(
            f"expected a docker context that can be read, found: {error}", hint="`docker context ls` shows them"
        ) from None
    if context is None:
        raise EngineError(f"expected a docker context named {name}, found none", hint="`docker context ls` shows them")
    return context


class Engine:
    """A connection to a Docker engine."""

    def __init__(self, api: docker.APIClient) -> None:
        self._api = api

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.close()

    @classmethod
    def connect(cls, *, seconds: int = 60, at: str = "") -> Engine:
        """Connect to the engine at `at`, else at `endpoint()`. Raises EngineError if it does not answer."""
        where = at or endpoint()
        try:
            if not where or where == os.environ.get("DOCKER_HOST"):
                api = docker.from_env(version="auto", timeout=seconds).api
            else:
                context = _context()
                tls = context.TLSConfig if context is not None and context.Host == where else None
                api = docker.APIClient(base_url=where, version="auto", timeout=seconds, tls=tls or False)
        except (docker.errors.DockerException, requests.RequestException, OSError, ImportError, ValueError) as error:
            named = (
                "" if not where else "DOCKER_HOST" if where == os.environ.get("DOCKER_HOST") else "the docker context"
            )
            raise EngineError(
                f"expected a Docker engine at {where or 'unix:///var/run/docker.sock'}, but {_reason(error)}",
                hint=f"{named} names it; is it running?" if named else "`lab setup` makes this machine ready",
            ) from None
        return cls(api)

    def now(self) -> float:
        """What the engine's own clock says, in seconds since 1970: the one that `created` is told by."""
        with _translated("asking for the engine's time"):
            text = str(self._api.info()["SystemTime"])
        # RFC 3339 with up to nine digits behind the second, more than datetime reads.
        return datetime.fromisoformat(re.sub(r"\.\d+", "", text)).timestamp()

    def about(self) -> About:
        """What it says of itself and of its machine."""
        with _translated("asking for the engine's description"):
            return about(self._api.info(), self._api.version(api_version=False))

    # ---------------------------------------------------------------------------------------- images

    def images(self, label: str) -> tuple[FoundImage, ...]:
        """Every image that has the label; of those without a name only what no other image is made of."""
        with _translated("listing images"):
            rows = self._api.images(filters={"label": label})
        return tuple(
            FoundImage(
                id=str(row["Id"]),
                # Older engines write of an image without a name that it is <none>:<none>.
                tags=tuple(tag for tag in row["RepoTags"] or () if tag != UNNAMED),
                created=row["Created"],
                labels=tuple(sorted((row["Labels"] or {}).items())),
            )
            for row in rows
        )

    def image_tags(self, label: str) -> frozenset[str]:
        """The tags of every image that has the label."""
        return frozenset(tag for image in self.images(label) for tag in image.tags)

    def unnamed_images(self, label: str) -> frozenset[str]:
        """The ids of every image that has the label and no name: a build's earlier stages."""
        return frozenset(image.id for image in self.images(label) if not image.tags)

    def has_image(self, reference: str) -> bool:
        """Whether the engine has an image of that name."""
        with _translated(f"looking for the image {reference}"):
            return bool(self._api.images(name=reference, quiet=True))

    def image_architecture(self, reference: str) -> str | None:
        """The architecture that an image is of (Go's name: `amd64`, `arm64`); None if there is no such image."""
        with _translated(f"looking at the image {reference}"):
            try:
                found: dict[str, Any] = self._api.inspect_image(reference)  # type: ignore[no-untyped-call]
                return str(found.get("Architecture") or "")
            except docker.errors.ImageNotFound:
                return None

    def remove_image(self, reference: str) -> None:
        """Remove a name of an image, and the image with its last name; one that is gone already is fine."""
        with _translated(f"removing the image {reference}"), contextlib.suppress(docker.errors.ImageNotFound):
            self._api.remove_image(reference)

    def remove_unused_image(self, reference: str) -> bool:
        """The same, unless the engine says that something needs it: whether it is gone."""
        with _translated(f"removing the image {reference}"):
            try:
                self._api.remove_image(reference)
            except docker.errors.ImageNotFound:
                pass
            except docker.errors.APIError as error:
                if error.status_code != CONFLICT:
                    raise
                return False
        return True

    def tag(self, reference: str, repository: str, tag: str) -> None:
        """Give an image a further name."""
        with _translated(f"tagging {reference}"):
            self._api.tag(reference, repository, tag, force=True)

    def pull(self, reference: str, *, seconds: float) -> bool:
        """Pull an image; False if no registry has begun to answer within `seconds`, or it does not have it."""
        repository, tag = parse_repository_tag(reference)
        began: queue.Queue[bool] = queue.Queue()
        ended: queue.Queue[bool] = queue.Queue()

        def follow() -> None:
            try:
                for line in self._api.pull(repository, tag=tag, stream=True, decode=True):
                    if "error" in line:
                        break
                    began.put(True)
                else:
                    ended.put(True)
                    return
            except (docker.errors.DockerException, requests.RequestException, OSError):
                pass  # whatever the reason, the caller goes another way
            began.put(False)
            ended.put(False)

        threading.Thread(target=follow, daemon=True).start()
        try:
            return began.get(timeout=seconds) and ended.get()
        except queue.Empty:
            return False

    def import_image(self, tar: Path, reference: str) -> None:
        """Make an image of a root file system in a tar file."""
        repository, tag = parse_repository_tag(reference)
        with _translated(f"importing {reference}"):
            said = self._api.import_image(str(tar), repository=repository, tag=tag)
        if '"error"' in str(said):
            raise ImageError(f"importing {reference}: {said}")

    def build(
        self,
        files: Mapping[str, tuple[int, bytes]],
        *,
        tag: str,
        labels: Mapping[str, str],
        arguments: Mapping[str, str],
    ) -> None:
        """Build an image from a folder, given as path -> (mode, content). Raises ImageError with what was printed."""
        printed: collections.deque[str] = collections.deque(maxlen=20)
        with _translated(f"building {tag}"):
            for line in self._api.build(
                fileobj=_tar(files),
                custom_context=True,
                tag=tag,
                labels=dict(labels),
                buildargs=dict(arguments),
                rm=True,
                forcerm=True,
                decode=True,
            ):
                printed.extend(str(line.get("stream") or line.get("error") or "").splitlines())
                if "error" in line:
                    tail = "\n".join(f"  | {text}" for text in printed if text.strip())
                    raise ImageError(
                        f"the image {tag} could not be built; the end of what was printed:\n{tail}",
                        hint="Debian's packages must be reachable from the engine's containers",
                    )

    # ------------------------------------------------------------------------------------ containers

    def create(self, container: Container) -> str:
        """Create a container; its id.

        What is not in `container` is the same for all: no network of Docker's, a read-only root, no
        capability but those named, no new privileges, no swap, no core dumps, no log.
        Raises InstanceError if the name is taken, EngineError otherwise.
        """
        with _translated(f"creating {container.name}"):
            try:
                made = self._api.create_container(
                    image=container.image,
                    name=container.name,
                    hostname=container.hostname,
                    entrypoint=list(container.entrypoint) or None,
                    command=list(container.command),
                    labels=dict(container.labels),
                    host_config=self._host_config(container),
                    networking_config=self._endpoints(container),
                )
            except docker.errors.APIError as error:
                if error.status_code == CONFLICT:
                    raise InstanceError(
                        f"expected the name {container.name} to be free, but a container has it",
                    ) from error
                if isinstance(error, docker.errors.ImageNotFound):
                    raise EngineError(
                        f"creating {container.name}: expected the image {container.image}, but it is gone by now",
                        hint="was it removed at the same time? The next `lab up` builds it again",
                    ) from error
                raise
        for network in () if self._takes_all else container.networks[1:]:
            with _translated(f"connecting {container.name} to network {network[:12]}"):
                self._api.connect_container_to_network(made["Id"], network)
        return str(made["Id"])

    @property
    def _takes_all(self) -> bool:
        """Whether a container can be created on several networks, which API 1.44 brought."""
        return docker.utils.version_gte(self._api.api_version, SEVERAL_NETWORKS)

    def _endpoints(self, container: Container) -> dict[str, Any] | None:
        if not container.networks:
            return None
        at_once = container.networks if self._takes_all else container.networks[:1]
        return {"EndpointsConfig": {network: self._api.create_endpoint_config() for network in at_once}}

    def _host_config(self, container: Container) -> dict[str, Any]:
        descriptors = HELPERS_DESCRIPTORS if container.is_helper else DESCRIPTORS
        return self._api.create_host_config(
            network_mode=container.networks[0] if container.networks else "none",
            read_only=True,
            cap_drop=["ALL"],
            cap_add=list(container.capabilities),
            security_opt=["apparmor=unconfined"] if container.is_helper else ["no-new-privileges"],
            pids_limit=container.pids,
            tmpfs=dict(container.tmpfs),
            extra_hosts=[f"{name}:{address}" for name, address in container.extra_hosts],
            dns=list(container.dns),
            dns_search=list(container.dns_search),
            dns_opt=list(container.dns_options),
            ipc_mode="private",
            shm_size=1024 * 1024,
            log_config=LogConfig(type="none"),
            ulimits=[
                Ulimit(name="nofile", soft=descriptors, hard=descriptors),
                Ulimit(name="core", soft=0, hard=0),
                Ulimit(name="fsize", soft=64 * 1024 * 1024, hard=64 * 1024 * 1024),
            ],
            mem_limit=container.memory,
            memswap_limit=container.memory,
            cpu_shares=container.cpu_shares,
            nano_cpus=int(container.cpus * 1_000_000_000) or None,
            pid_mode=container.pid_mode or None,
            # Who sees the machine's processes is on the machine also where others are apart (user_namespaces(7)).
            userns_mode="host" if container.pid_mode == "host" else None,
        )

    def start(self, container: str) -> None:
        """Start a created container."""
        with _translated(f"starting container {container[:12]}"):
            self._api.start(container)

    def restart(self, container: str) -> None:
        """Kill a container's processes, if it has any, and start it anew."""
        with _translated(f"restarting container {container[:12]}"):
            self._api.restart(container, timeout=0)

    def unpause(self, container: str) -> None:
        """Let a paused container go on; one that does already is fine."""
        with _translated(f"unpausing container {container[:12]}"):
            try:
                self._api.unpause(container)
            except docker.errors.APIError as error:
                if "not paused" not in str(error.explanation):
                    raise

    def remove(self, container: str) -> None:
        """Kill and remove a container; one that is gone already, or going, is fine."""
        with _translated(f"removing container {container[:12]}"):
            try:
                self._api.remove_container(container, force=True, v=True)
            except docker.errors.APIError as error:
                if error.status_code not in (NOT_FOUND, CONFLICT):
                    raise

    def containers(self, labels: Mapping[str, str | None]) -> tuple[Found, ...]:
        """Every container, running or not, that has all the labels (None: with any value)."""
        wanted = [key if value is None else f"{key}={value}" for key, value in labels.items()]
        with _translated("listing containers"):
            rows = self._api.containers(all=True, filters={"label": wanted})
        return tuple(
            Found(
                id=row["Id"],
                name=row["Names"][0].lstrip("/") if row["Names"] else "",
                state=row["State"],
                created=row["Created"],
                labels=tuple(sorted(row["Labels"].items())),
            )
            for row in rows
        )

    def stream(self, container: str, argv: tuple[str, ...], *, seconds: float | None = None) -> ExecStream:
        """A two-way stream to a new process in a container. Its first bytes come within `seconds`, or EngineError."""
        with _translated(f"running {argv[0]} in container {container[:12]}"):
            made = self._api.exec_create(container, list(argv), stdin=True, stdout=True, stderr=True)
            raw = self._api.exec_start(made["Id"], socket=True)
        return ExecStream(raw, runs=lambda: self._runs(made["Id"]), first_seconds=seconds)

    def _runs(self, process: str) -> bool:
        with _translated("asking for a process in a container"), contextlib.suppress(docker.errors.NotFound):
            return bool(self._api.exec_inspect(process)["Running"])
        return False

    # -------------------------------------------------------------------------------------- networks

    def create_network(self, carrier: Carrier) -> str:
        """Create a bridge network; its id. Raises TakenError if another network has addresses of its subnet."""
        pool = docker.types.IPAMPool(subnet=str(carrier.subnet))
        with _translated(f"creating the network {carrier.name}"):
            try:
                made = self._api.create_network(
                    carrier.name,
                    driver="bridge",
                    options=dict(carrier.options),
                    ipam=docker.types.IPAMConfig(pool_configs=[pool]),
                    labels=dict(carrier.labels),
                    check_duplicate=True,
                    # Nothing on it needs a way out.
                    internal=True,
                )
            except docker.errors.APIError as error:
                if "overlap" in str(error.explanation or error).lower():
                    raise TakenError(f"expected {carrier.subnet} to be free, but a network has it") from error
                raise
        return str(made["Id"])

    def networks(self, labels: Mapping[str, str | None] | None = None) -> tuple[FoundNetwork, ...]:
        """Every network that has all the labels (None: with any value)."""
        wanted = [key if value is None else f"{key}={value}" for key, value in (labels or {}).items()]
        with _translated("listing networks"):
            rows = self._api.networks(filters={"label": wanted} if wanted else None)
        return tuple(
            FoundNetwork(
                id=row["Id"],
                name=row["Name"],
                subnets=tuple(one["Subnet"] for one in (row["IPAM"] or {}).get("Config") or () if "Subnet" in one),
                labels=tuple(sorted((row["Labels"] or {}).items())),
            )
            for row in rows
        )

    def remove_network(self, network: str) -> None:
        """Remove a network; one that is gone already is fine. Containers that are on it, of whomever, lose it."""
        with _translated(f"removing network {network[:12]}"), contextlib.suppress(docker.errors.NotFound):
            try:
                self._api.remove_network(network)
            except docker.errors.APIError as error:
                if error.status_code not in (FORBIDDEN, CONFLICT) or "endpoint" not in str(error.explanation or error):
                    raise
                for container in self._api.inspect_network(network)["Containers"] or ():
                    with contextlib.suppress(docker.errors.NotFound):  # it is just going
                        self._api.disconnect_container_from_network(container, network, force=True)
                self._api.remove_network(network)
