"""What an agent says when a kernel does not take something, in words for whoever wrote the lab file. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from lab.errors import AgentError, NotUpError
from lab.model import Lab
from lab.wiring import impairments

TC = "tc -batch -"
"""How the agent names tc(8) when it tells of its failure."""
NFT = "nft -f -"
"""How it names nft(8); of a failure in a host the host's name stands before it."""
INGRESS = "NF_TABLES_NETDEV and NETFILTER_INGRESS"
"""The kernel's options for rules where packets come in at a port."""

EGRESS = "NF_TABLES_NETDEV and NETFILTER_EGRESS (Linux 5.16)"
"""Those for rules where packets leave a host."""


@contextlib.contextmanager
def refusals(lab: Lab) -> Iterator[None]:
    """While a lab is wired. Raises NotUpError for what its kernel cannot do, AgentError for any other failure."""
    try:
        yield
    except AgentError as error:
        delayed = impairments.queues(lab)
        if delayed and TC in error.message:
            raise _no_netem(delayed, error.message) from error
        if error.message.startswith(NFT):
            raise _no_ingress(lab, error.message) from error
        raise


def _no_netem(networks: Iterable[str], said: str) -> NotUpError:
    keys = ", ".join(f"networks.{network}.x-lab.delay" for network in networks)
    last = said.split(f"{TC}: ", 1)[-1].splitlines()[0]
    return NotUpError(
        f"{keys}: expected a kernel that delays packets with tc-netem(8), its module sch_netem, observed: {last}",
        hint="load it on the machine with `modprobe sch_netem` (Ubuntu has it in a package linux-modules-extra-…), "
        "or leave out `delay` and `reorder`; `loss` needs neither",
    )


def _no_ingress(lab: Lab, said: str) -> NotUpError:
    keys = ", ".join(f"networks.{one.name}.x-lab.loss" for one in lab.networks if one.impairments.loss)
    return NotUpError(
        f"{keys}: expected a kernel that loses packets at the ports of a bridge by nft(8), its options {INGRESS} and "
        f"NFT_NUMGEN, observed: {first_error(said)}",
        hint="use a kernel that has them (zgrep NETFILTER_INGRESS /proc/config.gz), load the module nft_numgen with "
        "`modprobe nft_numgen`, or leave out `loss`: packets are then only not counted",
    )


def first_error(said: str) -> str:
    """The first complaint of nft(8), without where in its input it is about and without what follows."""
    lines = said.splitlines()
    found = next((line for line in lines if "Error:" in line), lines[0] if lines else "")
    return found[max(0, found.find("Error:")) :]
