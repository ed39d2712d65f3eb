"""Several processes that answer at the same addresses (*multisocket*).

The main process is the one that was started: it serves the Corefile like any process,
and also the HTTP endpoints, signals, reloads and probes for loops. It starts N - 1
workers. A worker is the same program without those: it gets the parsed Corefile over a
pair of Unix sockets (`protocol`), watches the API server itself, and binds the same
addresses with SO_REUSEPORT once it has read the cluster, so that the kernel distributes
the queries. When a worker ends, its sockets close and the kernel gives its share to the
others.

The main process sends one kind of message, the Corefile: at start and at each reload.
When it closes its end, or dies, the worker answers its queries in flight and exits. A
worker sends one kind of message, a report: twice a second, whether it serves, whether
it is ready, and what was added to its metrics. A worker that is silent for two seconds
hangs; it is killed and replaced.
"""
