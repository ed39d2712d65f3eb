"""A second cluster DNS beside the first: create it, point pods at it, undo all of it.

Commands, each a short walk through the modules below it:

- ``clone``: running (the DNS that runs) > needs (what its Corefile requires) >
  availability (free name and address) > manifests (the objects) > rollout (wait).
- ``enrol``: target (the DNS to ask, and what is in between) > plan (what to change) >
  record (write it down) > undo.patch_with_retry > rollout (wait).
- ``unenrol``: record (find it) > undo (revert, delete the twin, delete the record).
- ``status``: running, record, dnsconfig (whom pods ask), interceptors.

``session`` has the API, the terminal and the errors of a command, ``objects`` the kinds
of objects and changes of fields, ``show`` YAML, diffs and tables. plan, record, needs,
manifests, dnsconfig and show are pure.
"""
