"""Test error of pruned data against the examples kept, over seeds: a power law or an exponential?"""
