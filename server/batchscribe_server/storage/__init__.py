"""Where audio comes from and transcripts go: files under the operator's roots, and the spool of uploads."""
