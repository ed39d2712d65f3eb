"""``minidns split-dns``: a laptop's own resolver, pointed at a local minidns and back.

A recipe says which files and commands that takes on this machine; they are shown
before they are done, and what was there is on record before anything is changed.
"""
