"""Measurements that are run by name (``make bench``): ratios against a named peer, one run."""
