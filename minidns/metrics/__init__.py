"""Counters, gauges and histograms, and the counts of DNS traffic."""
