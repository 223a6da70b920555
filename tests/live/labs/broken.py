"""A server whose author forgot something."""

print("starting \x1b[31m")
raise SystemExit("no configuration found")
