"""The use cases of the service, one a file, over the ports that adapters implement."""
