"""Labs of several hosts, in containers, for seeing and grading how sockets, ports, NAT and names work."""

__version__ = "0.1.0"
