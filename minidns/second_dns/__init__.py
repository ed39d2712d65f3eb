"""A second cluster DNS beside the first: create it, point pods at it, undo all of it.

Commands, each a short walk through the modules below it:

- ``clone``: running (the DNS that runs) > corefile (what its Corefile requires) >
  preflight (what is free, what will differ) > manifests (the objects).
- ``enrol``: target (the DNS to query, and what is in between) > plan (what to change) >
  record (write it down) > undo.patch_with_retry > undo.wait_for_rollout.
- ``unenrol``: record (find it) > undo (revert, delete the twin, delete the record).
- ``status``: running, record, interceptors, and the servers that pods query.

``session`` has the API, the terminal and the errors of a command, ``objects`` the kinds
of objects, changes of fields, and their forms for people. plan, record, corefile,
manifests and objects do no I/O of their own, except for the lists of records.
"""
