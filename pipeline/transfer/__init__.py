"""Whole crop caches on their way to an address and back: sent, fetched, compared, and checked before they count."""
