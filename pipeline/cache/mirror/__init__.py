"""Caches at an address: what is read of one is kept in a folder of this machine, which looks like the cache itself."""
