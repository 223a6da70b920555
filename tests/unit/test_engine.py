"""What an engine says of itself, as typed values."""

from __future__ import annotations

from lab.engine import about

VERSION = {
    "Version": "20.10.24+dfsg1",
    "ApiVersion": "1.41",
    "Components": [{"Name": "Engine", "Version": "20.10.24+dfsg1"}, {"Name": "containerd", "Version": "1.6.20"}],
}
INFO = {
    "Name": "vm",
    "OperatingSystem": "Debian GNU/Linux 12 (bookworm)",
    "KernelVersion": "6.1.0",
    "Architecture": "x86_64",
    "NCPU": 2,
    "MemTotal": 1024,
    "CgroupVersion": "2",
    "CgroupDriver": "systemd",
    "MemoryLimit": True,
    "SwapLimit": False,
    "PidsLimit": True,
    "CpuCfsQuota": True,
    "Driver": "overlay2",
    "DockerRootDir": "/var/lib/docker",
    "SecurityOptions": ["name=apparmor", "name=seccomp,profile=default"],
}


def test_an_engine_describes_itself() -> None:
    """Each value has its name; what it cannot limit is not among the limits."""
    found = about(INFO, VERSION)
    assert (found.product, found.version, found.api) == ("Engine", "20.10.24+dfsg1", "1.41")
    assert found.limits == {"memory", "pids", "cpus"}
    assert found.security == ("apparmor", "seccomp")
    assert (found.processors, found.memory, found.kernel) == (2, 1024, "6.1.0")
    assert (found.cgroup_version, found.storage_driver, found.folder) == ("2", "overlay2", "/var/lib/docker")


def test_what_it_does_not_say_is_empty() -> None:
    """Other engines leave things out, or say null."""
    found = about({"SecurityOptions": None}, {"Components": None})
    assert (found.product, found.version, found.processors, found.security) == ("", "", 0, ())
    assert found.limits == frozenset()
