"""The inference process: batches of speech segments in, text and word times out; one process for each device."""
