"""What is there on this machine, and what will work: `lab doctor`.

`facts` are what was seen; `judgement` and `kernel` make `rows` of them, and `wirings` the choice of a wiring: all pure.
`probe` looks, by what `inside` sees in throw-away containers, and by a lab of three hosts (`trial`). `report` tells.
"""
