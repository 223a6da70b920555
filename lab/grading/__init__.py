"""Submissions and what is said of them: what is asked for, what was handed in, verdicts."""
