"""What is there on this machine, and what will work: `lab doctor`.

`facts` are what was seen, `judgement` makes rows of them and `wirings` the choice of a wiring, both pure; `probe` looks,
in throw-away containers and by a lab of three hosts (`trial`); `report` tells of it.
"""
