"""The cluster whose names the tables of answers look up."""

from minidns.kubernetes.objects import Object
from tests.kubernetes.made import Cluster, namespace, pod, service, slice_of

OBJECTS: tuple[Object, ...] = (
    namespace("a"),
    namespace("b"),
    namespace("svc"),
    service("a/web", "10.96.0.10", "http:80 https:443"),
    slice_of("a/web", "10.1.0.1@web-x !10.1.0.2@web-y 10.1.0.3=h", "http:8080"),
    service("a/dual", "10.96.0.11 fd00::11"),
    service("a/dns", "10.96.0.12", "dns:53/UDP dns-tcp:53 metrics:9153"),
    service("a/plain", "10.96.0.13", ":8080"),
    service("a/portless", "10.96.0.14", ""),
    service("a/many", "10.96.0.15", " ".join(f"p{n}:{n}" for n in range(1, 102))),
    service("b/web", "10.96.0.20"),
    service("gone/web", "10.96.0.21"),
    service("svc/pod", "10.96.0.22"),
    service("a/h", "None"),
    slice_of("a/h", "10.2.0.1=one 10.2.0.2 !10.2.0.3 10.2.0.2", name="h-1"),
    slice_of("a/h", "fd00:1:: fd00:1::5=one", name="h-2"),
    service("a/six", "None"),
    slice_of("a/six", "fd00:2::1"),
    service("a/unready", "None"),
    slice_of("a/unready", "!10.2.1.1"),
    service("a/empty", "None"),
    service("a/bare", "None", ""),
    slice_of("a/bare", "10.2.2.1=solo", ""),
    service("a/nameless", "None", ":5432"),
    slice_of("a/nameless", "10.2.3.1", ":5432"),
    service("a/numberless", "None"),
    slice_of("a/numberless", "10.2.4.1", "any:-1"),
    service("a/twins", "None"),
    slice_of("a/twins", "10.2.5.1=t 10.2.5.2=t"),
    service("a/mapped", "None"),
    slice_of("a/mapped", "::ffff:10.2.6.1"),
    service("a/hosts", "None"),
    slice_of("a/hosts", "db.example.org"),
    slice_of("a/ghost", "10.2.7.1"),
    service("a/ext", external_name="Ext.Example.org"),
    service("a/ext-dot", external_name="ext.example.org."),
    service("a/ext-ip", external_name="192.0.2.1"),
    service("a/ext-none", external_name=""),
    service("a/ext-bad", external_name="a..b"),
    service("a/ext-in", external_name="web.a.svc.cluster.local"),
    service("a/ext-nx", external_name="no.a.svc.cluster.local"),
    service("a/ext-self", external_name="x.ext-self.a.svc.cluster.local"),
    service("a/ext-1", external_name="ext-2.a.svc.cluster.local"),
    service("a/ext-2", external_name="ext-1.a.svc.cluster.local"),
    service("a/ext-apex", external_name="cluster.local"),
    service("a/ext-ns", external_name="ns.dns.cluster.local"),
    service("a/ext-pod", external_name="10-0-0-7.a.pod.cluster.local"),
    service("a/ext-h", external_name="twins.a.svc.cluster.local"),
    service("a/ext-out", external_name="ext.a.svc.cluster.local"),
    service("a/ext-port", external_name="ext.example.org", ports_="http:80"),
    *(
        service(f"a/c{n}", external_name=f"c{n + 1}.a.svc.cluster.local")
        for n in range(1, 13)
    ),
    service("a/c13", "10.96.0.30"),
    pod("a/p", "10.1.0.20"),
    pod("a/p2", "10.1.0.20"),
    pod("a/p6", "fd00:3::1"),
)
CLUSTER = Cluster(OBJECTS, "pods insecure; ttl 30", local=("192.0.2.9", "fd00::9"))
SVC = "svc.cluster.local."
CLUSTER = Cluster(OBJECTS, "pods insecure; ttl 30", local=("192.0.2.9", "fd00::9"))
