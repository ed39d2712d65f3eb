"""Several processes that answer at the same addresses (*multisocket*).

The main process is the one that was started: it serves the Corefile like any process,
and also the HTTP endpoints, signals, reloads and probes for loops. It starts N - 1
workers. A worker is the same program without those: it gets the parsed Corefile over a
stream of messages (``protocol``), follows the API server itself, and binds the same
addresses with SO_REUSEPORT once it knows the cluster, so that the kernel shares the
queries out. When a worker ends, its sockets close and the kernel gives its share to the
others.

A worker reports twice a second, and when the main process asks (at a scrape): whether
it answers, whether it is ready, and what its metrics grew by. One that is silent for
two seconds hangs, and is killed and replaced. A reload sends the new Corefile to all.
"""
