"""Speed, accuracy and memory of this engine beside its peers, on the same files with the same model.

    python -m benchmarks --speech FOLDER     the comparison (`make bench`)
    python -m benchmarks.service             the whole service against the engine called directly
    python -m benchmarks.cost                how time and memory grow with files and minutes
    python -m benchmarks.latency             how quick calls stay while a batch runs
    python -m benchmarks.slow_store          a batch beside one whose bucket is slow
    python -m benchmarks.memory              an hour beside a minute
    python -m benchmarks.scan                what the scan of a large prefix takes
    python -m benchmarks.claims              how fast replicas take jobs off one PostgreSQL
    python -m benchmarks.plans               how PostgreSQL answers the store's hot statements at a million jobs
    python -m benchmarks.watchers            how quickly a thousand watchers are told, through Envoy
    python -m benchmarks.text_steps          what word times and what is done to the text cost
    python -m benchmarks.segmentation        how far speech is best joined into segments
    python -m benchmarks.shared_memory       the shared-memory queue, held to its limit
    python -m benchmarks.diarization         how well voices are told apart
    python -m benchmarks.conversations       makes conversations to measure that with

Every system runs in a process of its own (`child`), started by `measuring`; `comparison` lets them run in turn.
"""
