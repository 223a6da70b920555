"""A server whose author forgot something."""

print("starting")
raise SystemExit("no configuration found")
