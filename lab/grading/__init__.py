"""Checks of submissions: what is asked for, what was seen, and the verdicts."""
