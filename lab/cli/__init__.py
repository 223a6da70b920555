"""The commands of `lab`: each parses, calls and shows. What a command does lives elsewhere.

What is needed by one command only is imported in it: most of the time that a command takes is Python's start.
"""
