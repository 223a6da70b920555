"""Every hostile submission: what it tries, and what its checks must end in.

`P` passed, `F` failed, `B` blocked, in the order of the exercise's checks: answers, prints, agrees. One that does its
work beside what it tries passes: what it tried came to nothing. `NO_FILES`: it is refused before anything is run.
"""

from __future__ import annotations

UNHARMED = "PPP"
NO_SERVER = "FPB"
NO_CLIENT = "PFB"
NEITHER = "FFB"
ONLY_TOGETHER = "PPF"
NO_FILES = "FBBB"

PROGRAMS = {
    # What it may use up.
    "fork_bomb": NO_SERVER,
    "fork_bomb_beside": UNHARMED,
    "forks_and_ends": NO_SERVER,
    "many_threads": UNHARMED,
    "zombies": UNHARMED,
    "memory_bomb": NO_SERVER,
    "memory_bomb_beside": UNHARMED,
    "fills_the_disk": UNHARMED,
    "fills_the_inodes": UNHARMED,
    "uses_up_the_kernel": UNHARMED,
    "busy": NO_SERVER,
    "sleeps_for_ever": NO_CLIENT,
    "crashes_the_parser": NO_SERVER,
    # What it prints.
    "endless_stdout": UNHARMED,
    "endless_stderr": UNHARMED,
    "endless_line": NO_CLIENT,
    "endless_output_of_the_client": NO_CLIENT,
    "terminal_escapes": NO_CLIENT,
    "ci_commands": NEITHER,
    "bytes_that_are_no_text": NO_CLIENT,
    "prints_passed": NEITHER,
    "forged_results": NO_SERVER,
    # How it ends, or does not.
    "deaf": UNHARMED,
    "ends_by_a_signal": NEITHER,
    "exits_at_once": NEITHER,
    "goes_into_the_background": UNHARMED,
    "kills_everything": UNHARMED,
    "stops_everything": UNHARMED,
    "stops_itself": NO_SERVER,
    "stays_behind": UNHARMED,
    "another_each_time": UNHARMED,
    "named_with_escapes": NO_SERVER,
    # What it plants.
    "planted": NO_SERVER,
    "plants_files": ONLY_TOGETHER,
    "plants_tools_and_does_nothing": NO_SERVER,
    "named_like_modules": UNHARMED,
    "moves_its_folder": ONLY_TOGETHER,
    "takes_away_its_home": ONLY_TOGETHER,
    # What it looks for, and reaches for.
    "looks_for_secrets": UNHARMED,
    "looks_into_others": UNHARMED,
    "looks_for_sockets": UNHARMED,
    "reaches_out": UNHARMED,
    "calls_the_kernel": UNHARMED,
    "changes_the_network": UNHARMED,
    "speaks_for_others": UNHARMED,
    # What it does on the network.
    "listens_everywhere": UNHARMED,
    "floods_the_gateway": NO_CLIENT,
    "floods_a_neighbour": UNHARMED,
    "a_byte_a_second": NO_SERVER,
    "resets_at_once": NO_SERVER,
    "endless_answers": NO_SERVER,
    "right_for_the_checker": ONLY_TOGETHER,
}
"""Folders of submissions/. A file NAME.before.py is put before the solution's NAME.py, before.py before both."""

GENERATED = {
    "zip_that_leads_out": UNHARMED,
    "tar_that_leads_out": UNHARMED,
    "zip_with_names_that_are_none": UNHARMED,
    "zip_bomb": NO_FILES,
    "zip_of_zips": NO_FILES,
    "zip_of_too_many": NO_FILES,
    "zip_with_a_password": NO_FILES,
    "zip_of_two_of_a_name": NO_FILES,
    "zip_with_a_link": NO_FILES,
    "zip_that_breaks_off": NO_FILES,
    "zip_that_is_none": NO_FILES,
    "tar_bomb": NO_FILES,
    "tar_with_a_link": NO_FILES,
    "tar_with_a_hard_link": NO_FILES,
    "tar_with_a_device": NO_FILES,
    "tar_with_a_pipe": NO_FILES,
    "tar_with_a_header_of_terabytes": NO_FILES,
    "link_to_etc_passwd": NO_FILES,
    "link_in_the_place_of_a_folder": NO_FILES,
    "pipe_in_the_place_of_a_file": NO_FILES,
    "socket_in_the_place_of_a_file": NO_FILES,
    "file_of_100_megabytes": NO_FILES,
    "file_of_a_terabyte": NO_FILES,
    "ten_thousand_files": UNHARMED,
    "a_thousand_folders_deep": UNHARMED,
    "names_that_are_no_text": UNHARMED,
    "the longest name " + "x" * 230: UNHARMED,
    "line\nend, \x1b[2J and\t\u202e": UNHARMED,
    "..\\..\\up": UNHARMED,
}
"""What cannot lie in a repository; generated.py makes it."""
