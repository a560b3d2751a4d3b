"""The child processes of batchscribe: media workers, the inference process, and the shared-memory queue between.

Nothing here knows of jobs, stores or gRPC. The server imports only `messages`, `arena` and `channel`;
the heavy libraries are each imported by one module that only a child process loads.
"""
