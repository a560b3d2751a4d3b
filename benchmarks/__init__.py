"""Speed, accuracy and memory of this engine beside its peers, on the same files with the same model.

    python -m benchmarks --speech FOLDER     the comparison (`make bench`)
    python -m benchmarks.service             the whole service against the engine called directly
    python -m benchmarks.cost                how time and memory grow with files and minutes
    python -m benchmarks.latency             how quick calls stay while a batch runs
    python -m benchmarks.slow_store          a batch beside one whose bucket is slow
    python -m benchmarks.memory              an hour beside a minute

Every system runs in a process of its own (`child`), started by `measuring`; `comparison` lets them run in turn.
"""
