"""What batchscribe is about, in plain Python: jobs, batches, transcripts, events and errors. No I/O."""
