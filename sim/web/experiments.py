"""What to try in the page: lookups and faults, with what to watch."""

from minidns.web.source import Asked, Experiment, Option

CART = "shop/cart"
EXPERIMENTS = (
    Experiment(
        "short-name",
        "A short name of the own namespace",
        "The stub resolver puts the search domain behind the name; CoreDNS never sees"
        " the short name. The first search domain hits.",
        Asked(CART, "web", "glibc"),
    ),
    Experiment(
        "ndots",
        "An outside name, and ndots:5",
        "google.com has one dot, fewer than five: every search domain comes first, and"
        " each is asked for A and AAAA. With a final dot there is one round.",
        Asked(CART, "google.com", "glibc"),
    ),
    Experiment(
        "headless",
        "A headless Service",
        "The answer has the addresses of the pods themselves. db-1 is not ready, so it"
        " is not among them.",
        Asked(CART, "db", "glibc"),
    ),
    Experiment(
        "no-such-service",
        "A name with a typing error",
        "The plugin kubernetes denies it and says which object it looked for, and which"
        " one is close.",
        Asked(CART, "wbe", "glibc"),
    ),
    Experiment(
        "alias",
        "A Service of type ExternalName",
        "kubernetes answers an alias, then asks the chain again for its target, which"
        " goes to the upstream.",
        Asked(CART, "payments", "glibc"),
    ),
    Experiment(
        "five-seconds",
        "The five-second time-out",
        "Two queries leave one socket at the same moment; kube-proxy chooses twice, and"
        " the kernel drops the second packet. glibc waits five seconds.",
        Asked(CART, "web.shop.svc.cluster.local.", "glibc"),
        ("scale coredns 8", "proxy race 1/1"),
    ),
    Experiment(
        "silent",
        "CoreDNS stops answering",
        "Its pods stay ready, so kube-proxy goes on sending packets to them. kube-dns-2"
        " answers the same pod.",
        Asked(CART, "web", "glibc"),
        ("break kube-dns",),
    ),
    Experiment(
        "nobody",
        "A Service without endpoints",
        "kube-proxy rejects the packet: the resolver knows it at once and does not"
        " wait for a time-out.",
        Asked(CART, "web", "glibc"),
        ("scale coredns 0",),
    ),
    Experiment(
        "upstream",
        "The upstream answers SERVFAIL",
        "Names of the cluster still work. musl gives up at the first SERVFAIL, glibc"
        " goes on with the search list.",
        Asked("shop/alpine", "google.com.", "musl"),
        ("servfail at outside",),
    ),
)
SWITCHES = (
    Option("lose RATE link pods>dns", "Queries of pods get lost on their way"),
    Option("lose RATE link dns>pods", "Replies get lost on their way back"),
    Option("delay 300ms RATE link pods<>dns", "The link is slow: 300 ms each way"),
    Option("lose RATE at kube-dns", "CoreDNS takes queries and does not answer"),
    Option("servfail RATE at kube-dns", "CoreDNS answers SERVFAIL"),
    Option("lie RATE at kube-dns", "CoreDNS answers wrong addresses"),
    Option("truncate RATE at kube-dns", "CoreDNS truncates replies over UDP"),
    Option(
        "lose RATE at outside",
        "The upstream does not answer; cached names still resolve",
    ),
    Option("proxy race RATE", "conntrack races for two packets of one socket"),
)
"""Faults in the words of scenarios; RATE is chosen in the page."""
NAMES = (
    "web",
    "web.shop",
    "web.shop.svc.cluster.local.",
    "db",
    "db-0.db",
    "empty",
    "payments",
    "wbe",
    "kubernetes.default",
    "google.com",
    "google.com.",
)
"""Names to suggest."""
