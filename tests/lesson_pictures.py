"""The pictures of the lessons as SVG: ``python -m tests.lesson_pictures``.

Each is a sequence of messages between actors, which have the width of a slide. The
colors follow the reader's light or dark setting.
"""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from sim.lesson.page import folder

WIDTH, MARGIN, TOP, ROW, BOX = 960, 24, 74, 46, 150
_STYLE = """\
text{font:16px system-ui,sans-serif;fill:#1c2733}
.title{font-weight:600;font-size:20px}.actor{font-weight:600}.small{font-size:14px}
.ground{fill:#fff}.box{fill:#e8eef6;stroke:#5b7083}.note{fill:#fff4cf;stroke:#b08a1c}
.life{stroke:#a9b6c3;stroke-dasharray:3 5}
.arrow{stroke:#1f5fbf;stroke-width:2;fill:none}.head{fill:#1f5fbf}
.lost{stroke:#c02a2a}.losthead{fill:#c02a2a}
@media(prefers-color-scheme:dark){
text{fill:#e6edf3}.ground{fill:#10161d}.box{fill:#22303f;stroke:#8ca3ba}
.note{fill:#3b3210;stroke:#d5b24a}.life{stroke:#4a5a6b}
.arrow{stroke:#79b0ff}.head{fill:#79b0ff}.lost{stroke:#ff7b72}.losthead{fill:#ff7b72}}"""


class Message(NamedTuple):
    """Something that goes from one actor to another; to itself, it is a note."""

    source: int
    target: int
    text: str
    lost: bool = False


class Picture(NamedTuple):
    """A title, actors from left to right, and messages from top to bottom."""

    title: str
    actors: Sequence[tuple[str, float]]
    """Name, and place as a part of the width."""
    messages: Sequence[Message]


def svg(picture: Picture) -> str:
    """Return a picture as SVG."""
    height = TOP + 56 + ROW * len(picture.messages) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'role="img" aria-label="{escape(picture.title)}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}" rx="8"/>',
        _text(MARGIN, 38, picture.title, "title", "start"),
        *_actors(picture, height),
        *(part for n, each in enumerate(picture.messages) for part in _message(picture, n, each)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _actors(picture: Picture, height: int) -> Iterator[str]:
    for name, place in picture.actors:
        x = place * WIDTH
        yield f'<line class="life" x1="{x:.0f}" y1="{TOP}" x2="{x:.0f}" y2="{height - MARGIN}"/>'
        yield _box("box", x, TOP - 16, max(BOX, width_of(name) * 1.1 + 24), 34)
        yield _text(x, TOP + 6, name, "actor")


def _message(picture: Picture, number: int, message: Message) -> Iterator[str]:
    start = picture.actors[message.source][1] * WIDTH
    end = picture.actors[message.target][1] * WIDTH
    y = TOP + 70 + ROW * number
    if message.source == message.target:
        width = width_of(message.text) + 24
        x = min(max(start, MARGIN + width / 2), WIDTH - MARGIN - width / 2)
        yield _box("note", x, y - 24, width, 32)
        yield _text(x, y - 3, message.text)
        return
    kind, to = ("arrow lost", end - (end - start) * 0.3) if message.lost else ("arrow", end)
    yield f'<line class="{kind}" x1="{start:.0f}" y1="{y}" x2="{to:.0f}" y2="{y}"/>'
    if message.lost:
        yield f'<path class="arrow lost" d="M{to - 8:.0f} {y - 8}l16 16m0 -16l-16 16"/>'
    else:
        back = -10 if end > start else 10
        yield f'<path class="head" d="M{end:.0f} {y}l{back} -6v12z"/>'
    yield _text((start + (to - (12 if to > start else -12) * message.lost)) / 2, y - 7, message.text)


def _box(kind: str, x: float, y: float, width: float, height: float) -> str:
    return (
        f'<rect class="{kind}" x="{x - width / 2:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" rx="6"/>'
    )


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'


def width_of(text: str) -> float:
    """Return the width of a text in pixels, estimated: Japanese characters are wider."""
    return sum(16 if ord(char) > 0x2FFF else 8.4 for char in text)


PICTURES = {
    1: Picture(
        "The kubelet writes resolv.conf, once, when the pod starts",
        [("API server", 0.11), ("kubelet", 0.4), ("/etc/resolv.conf", 0.66), ("program", 0.89)],
        [
            Message(0, 1, "Pod: dnsPolicy, Namespace"),
            Message(1, 1, "own configuration: clusterDNS 10.96.0.10"),
            Message(1, 2, "writes"),
            Message(2, 2, "search shop.svc.cluster.local ... ndots:5"),
            Message(3, 2, "reads"),
            Message(2, 2, "later changes in the API do not reach the file"),
        ],
    ),
    2: Picture(
        "One name, eight queries: the resolver in the pod expands names",
        [("program", 0.1), ("stub resolver", 0.34), ("DNS server", 0.89)],
        [
            Message(0, 1, "example.org"),
            Message(1, 2, "example.org.shop.svc.cluster.local  A, AAAA: NXDOMAIN"),
            Message(1, 2, "example.org.svc.cluster.local  A, AAAA: NXDOMAIN"),
            Message(1, 2, "example.org.cluster.local  A, AAAA: NXDOMAIN"),
            Message(1, 2, "example.org  A, AAAA: 192.0.2.7"),
            Message(1, 0, "192.0.2.7"),
            Message(1, 1, "one dot is fewer than ndots:5, so the search list comes first"),
        ],
    ),
    3: Picture(
        "The name stands for the ClusterIP; the node chooses a pod",
        [("program", 0.1), ("DNS server", 0.36), ("kernel of the node", 0.63), ("pod web-2", 0.89)],
        [
            Message(0, 1, "web.shop A?"),
            Message(1, 1, "Service web: 10.96.7.7"),
            Message(1, 0, "10.96.7.7"),
            Message(0, 2, "connect to 10.96.7.7:80"),
            Message(2, 2, "rules of kube-proxy, from EndpointSlices"),
            Message(2, 3, "10.244.1.12:80"),
        ],
    ),
    4: Picture(
        "A headless Service: names for all ready pods, and for one",
        [("program", 0.1), ("DNS server", 0.44), ("EndpointSlice of db", 0.86)],
        [
            Message(2, 1, "watch: db-0, db-1, db-2 ready; db-9 not"),
            Message(0, 1, "db.shop.svc.cluster.local?"),
            Message(1, 0, "10.244.0.6, 10.244.0.7, 10.244.0.8"),
            Message(0, 1, "db-1.db.shop.svc.cluster.local?"),
            Message(1, 0, "10.244.0.7"),
            Message(0, 1, "db-9.db.shop.svc.cluster.local?"),
            Message(1, 0, "NXDOMAIN, until it is ready"),
        ],
    ),
    5: Picture(
        "Names outside are forwarded, and kept for 30 seconds at most",
        [("program", 0.1), ("DNS server", 0.45), ("resolver of the node", 0.85)],
        [
            Message(0, 1, "web.shop.svc.cluster.local?"),
            Message(1, 0, "10.96.7.7, from its memory"),
            Message(0, 1, "example.org?"),
            Message(1, 2, "forward: example.org?"),
            Message(2, 1, "192.0.2.7, TTL 300"),
            Message(1, 0, "192.0.2.7, TTL 30"),
            Message(0, 1, "12 s later: example.org?"),
            Message(1, 0, "192.0.2.7, TTL 18, from the cache"),
        ],
    ),
    6: Picture(
        'A cache repeats a "no" that is not true any more',
        [("program", 0.1), ("DNS server with cache 30", 0.48), ("API server", 0.87)],
        [
            Message(0, 1, "early.shop?"),
            Message(1, 0, "NXDOMAIN, TTL 30"),
            Message(2, 1, "watch: Service early created"),
            Message(0, 1, "20 s later: early.shop?"),
            Message(1, 0, "NXDOMAIN, from the cache"),
            Message(0, 1, "30 s later: early.shop?"),
            Message(1, 0, "10.96.7.9"),
        ],
    ),
    7: Picture(
        "A second DNS for one pod",
        [("pod first", 0.1), ("kube-dns", 0.36), ("pod second", 0.6), ("kube-dns-2", 0.89)],
        [
            Message(0, 1, "web?  @10.96.0.10"),
            Message(1, 0, "10.96.7.7"),
            Message(2, 3, "web?  @10.96.0.20"),
            Message(3, 2, "10.96.7.7"),
            Message(2, 2, "dnsPolicy: None, with name server, search list and ndots"),
            Message(0, 1, "web?", lost=True),
            Message(2, 3, "web?"),
            Message(3, 2, "10.96.7.7, so the objects are right"),
        ],
    ),
    8: Picture(
        "One lost datagram costs five seconds",
        [("program", 0.1), ("stub resolver", 0.4), ("DNS server", 0.85)],
        [
            Message(0, 1, "web"),
            Message(1, 2, "A and AAAA, at the same moment, from one socket"),
            Message(2, 1, "A: 10.96.7.7"),
            Message(2, 1, "AAAA: NODATA", lost=True),
            Message(1, 1, "waits five seconds"),
            Message(1, 2, "A and AAAA once more"),
            Message(2, 1, "both replies"),
            Message(1, 0, "10.96.7.7, after 5 s"),
        ],
    ),
    9: Picture(
        "A trial asks over several ways at once: one CoreDNS pod fails",
        [("prober", 0.1), ("kube-dns", 0.35), ("CoreDNS pods", 0.6), ("minidns", 0.87)],
        [
            Message(0, 1, "A: 4 of 29 fail", lost=True),
            Message(0, 2, "D: coredns-node-1: 0 of 29 fail"),
            Message(0, 2, "D: coredns-node-2: 5 of 29 fail", lost=True),
            Message(0, 2, "R: 5 of 29 fail", lost=True),
            Message(0, 3, "M, P: 0 of 29 fail"),
            Message(0, 3, "K, KP: 0 of 29 fail"),
            Message(2, 2, "verdict: one-replica, coredns-node-2"),
        ],
    ),
}


JAPANESE = {
    "The kubelet writes resolv.conf, once, when the pod starts": "resolv.confはkubeletがPodの起動時に一度だけ書く",
    "API server": "APIサーバー",
    "program": "プログラム",
    "Pod: dnsPolicy, Namespace": "Pod: dnsPolicy、Namespace",
    "own configuration: clusterDNS 10.96.0.10": "自身の設定: clusterDNS 10.96.0.10",
    "writes": "書く",
    "reads": "読む",
    "later changes in the API do not reach the file": "その後のAPIの変更はファイルに反映されない",
    "One name, eight queries: the resolver in the pod expands names": (
        "1つの名前に8つのクエリ: 名前を補完するのはPod内のリゾルバー"
    ),
    "stub resolver": "スタブリゾルバー",
    "DNS server": "DNSサーバー",
    "one dot is fewer than ndots:5, so the search list comes first": "ドットは1つでndots:5より少ないので、検索リストが先",
    "The name stands for the ClusterIP; the node chooses a pod": "名前はClusterIPを指し、Podはノードが選ぶ",
    "kernel of the node": "ノードのカーネル",
    "pod web-2": "Pod web-2",
    "connect to 10.96.7.7:80": "10.96.7.7:80に接続",
    "rules of kube-proxy, from EndpointSlices": "EndpointSliceから作られたkube-proxyのルール",
    "A headless Service: names for all ready pods, and for one": (
        "Headless Service: 準備ができている全Podの名前と、1つのPodの名前"
    ),
    "EndpointSlice of db": "dbのEndpointSlice",
    "watch: db-0, db-1, db-2 ready; db-9 not": "watch: db-0〜db-2はReady、db-9は未Ready",
    "NXDOMAIN, until it is ready": "準備ができるまではNXDOMAIN",
    "Names outside are forwarded, and kept for 30 seconds at most": "外部の名前は転送され、応答は最大30秒保存される",
    "resolver of the node": "ノードのリゾルバー",
    "10.96.7.7, from its memory": "10.96.7.7（メモリから）",
    "12 s later: example.org?": "12秒後: example.org?",
    "192.0.2.7, TTL 18, from the cache": "192.0.2.7, TTL 18（キャッシュから）",
    'A cache repeats a "no" that is not true any more': "キャッシュは、もう正しくない否定応答を繰り返す",
    "DNS server with cache 30": "DNSサーバー（cache 30）",
    "watch: Service early created": "watch: Service earlyが作成された",
    "20 s later: early.shop?": "20秒後: early.shop?",
    "NXDOMAIN, from the cache": "NXDOMAIN（キャッシュから）",
    "30 s later: early.shop?": "30秒後: early.shop?",
    "A second DNS for one pod": "1つのPodに2つ目のDNSを使わせる",
    "pod first": "Pod first",
    "pod second": "Pod second",
    "dnsPolicy: None, with name server, search list and ndots": "dnsPolicy: None（ネームサーバー、検索リスト、ndots）",
    "10.96.7.7, so the objects are right": "10.96.7.7（オブジェクトは正常）",
    "One lost datagram costs five seconds": "データグラムが1つ失われると5秒かかる",
    "A and AAAA, at the same moment, from one socket": "AとAAAAを同じソケットから同時に送信",
    "waits five seconds": "5秒待つ",
    "A and AAAA once more": "AとAAAAを再送",
    "both replies": "両方の応答",
    "10.96.7.7, after 5 s": "10.96.7.7（5秒後）",
    "A trial asks over several ways at once: one CoreDNS pod fails": (
        "トライアルは複数の経路で同時に問い合わせる: CoreDNSのPodの1つが失敗"
    ),
    "prober": "プローバー",
    "CoreDNS pods": "CoreDNSのPod",
    "A: 4 of 29 fail": "A: 29回中4回失敗",
    "D: coredns-node-1: 0 of 29 fail": "D: coredns-node-1: 29回中0回失敗",
    "D: coredns-node-2: 5 of 29 fail": "D: coredns-node-2: 29回中5回失敗",
    "R: 5 of 29 fail": "R: 29回中5回失敗",
    "M, P: 0 of 29 fail": "M、P: 29回中0回失敗",
    "K, KP: 0 of 29 fail": "K、KP: 29回中0回失敗",
    "verdict: one-replica, coredns-node-2": "結論: one-replica、coredns-node-2",
}
"""The texts of the pictures that are translated."""


def translated(picture: Picture) -> Picture:
    """Return a picture with its texts in Japanese."""
    return Picture(
        JAPANESE[picture.title],
        [(JAPANESE.get(name, name), place) for name, place in picture.actors],
        [each._replace(text=JAPANESE.get(each.text, each.text)) for each in picture.messages],
    )


def files() -> dict[Path, str]:
    """Return the text of every picture by its file."""
    english = {folder() / f"pictures/{n:02}.svg": svg(each) for n, each in PICTURES.items()}
    return english | {folder("ja") / f"pictures/{n:02}.svg": svg(translated(each)) for n, each in PICTURES.items()}


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
