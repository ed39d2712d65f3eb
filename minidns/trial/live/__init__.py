"""Trials in a cluster: the objects that they need, and lookups from their pods.

A trial is created by `build`, as the objects of `objects`, in a cluster that `ground`
has read. Lookups are made by pods that run `client`; `remote` is the other end. `names`
chooses what is looked up, `view` shows what is known so far.
"""
