"""The models there are: found in folders, data packages, the Hugging Face cache and the hub, and checked."""
