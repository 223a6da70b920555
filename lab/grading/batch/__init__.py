"""A folder of submissions -> a result for each, and reports of all. The way of the data:

entries.py   what lies in the folder, each under an id
jobs.py      a submission and its values, as data that travels; and what comes back
worker.py    a process of its own, which grades jobs one after the other on an instance that stays
process.py   such a process, held by another one
local.py     several of them on this machine
cluster.py   or on others, by dask.distributed
journal.py   each result on the disk as soon as it is there
batch.py     from the one to the other, until each submission has exactly one result
results.py   what a batch has come to
reports/     that as files
"""
