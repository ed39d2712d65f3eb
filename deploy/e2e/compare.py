"""Ask two DNS servers the same questions and print where their answers differ.

    python3 compare.py FIRST SECOND COUNT SEED < names

Runs in a pod, with the standard library alone. Each line of standard input is a name
that the cluster has. The questions are chosen at random among these names, names next
to them, and several types. Answers are compared without their order, TTLs and the
serial of the zone; a difference counts if it is still there when the question is asked
again. Exit status 1 if there is one.
"""

import random
import socket
import struct
import sys

TYPES = {"A": 1, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33}
NAMES_AT = {2: 0, 5: 0, 6: 0, 12: 0, 15: 2, 33: 6}
"""Types whose data contain a name, and the offset of the name in the data."""
TIMEOUT_S = 5.0
TRIES = 3


def encode_name(name: str) -> bytes:
    """Return a name in wire form."""
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def encode_query(name: str, type_: int, ident: int) -> bytes:
    """Return a query with the RD flag."""
    header = struct.pack("!6H", ident, 0x0100, 1, 0, 0, 0)
    return header + encode_name(name) + struct.pack("!2H", type_, 1)


def decode_name(message: bytes, offset: int) -> tuple[str, int]:
    """Return the name at ``offset`` and the offset behind it (RFC 1035 4.1.4)."""
    labels, after = [], 0
    while length := message[offset]:
        if length >= 0xC0:
            after = after or offset + 2
            offset = (length & 0x3F) << 8 | message[offset + 1]
        else:
            labels.append(message[offset + 1 : offset + 1 + length].decode("latin-1"))
            offset += 1 + length
    return ".".join(labels).lower(), after or offset + 1


def decode_reply(message: bytes) -> tuple[int, bool, frozenset[tuple[object, ...]]]:
    """Return rcode, TC, and the records of the answer and authority sections."""
    _, flags, questions, answers, authorities, _ = struct.unpack("!6H", message[:12])
    offset, records = 12, set()
    for _ in range(questions):
        offset = decode_name(message, offset)[1] + 4
    for index in range(answers + authorities):
        owner, offset = decode_name(message, offset)
        type_, _, _, size = struct.unpack("!2HIH", message[offset : offset + 10])
        offset += 10
        section = "answer" if index < answers else "authority"
        data = decode_data(message, type_, offset, size)
        records.add((section, owner, type_, data))
        offset += size
    return flags & 15, bool(flags & 0x0200), frozenset(records)


def decode_data(
    message: bytes, type_: int, offset: int, size: int
) -> tuple[object, ...]:
    """Return a record's data with its names expanded, for an SOA without the serial."""
    at = NAMES_AT.get(type_)
    if at is None:
        return (message[offset : offset + size],)
    name, after = decode_name(message, offset + at)
    if type_ == TYPES["SOA"]:
        return name, decode_name(message, after)[0]
    return message[offset : offset + at], name


def ask(server: str, query: bytes) -> bytes:
    """Return the reply over UDP, or over TCP if it is truncated.

    Raises:
        TimeoutError: there is none.

    """
    for _ in range(TRIES):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(TIMEOUT_S)
            sock.connect((server, 53))
            sock.send(query)
            try:
                reply = sock.recv(65535)
            except TimeoutError:
                continue
        return ask_by_tcp(server, query) if decode_reply(reply)[1] else reply
    raise TimeoutError(f"{server} does not answer")


def ask_by_tcp(server: str, query: bytes, port: int = 53) -> bytes:
    """Return the reply over TCP."""
    with socket.create_connection((server, port), TIMEOUT_S) as sock:
        sock.sendall(struct.pack("!H", len(query)) + query)
        stream = sock.makefile("rb")
        (size,) = struct.unpack("!H", stream.read(2))
        return bytes(stream.read(size))


def questions(names: list[str], count: int, seed: int) -> list[tuple[str, str]]:
    """Return names and types to ask for."""
    chosen = random.Random(seed)
    variants = (
        "{}",
        "{}",
        "{}",
        "no-such.{}",
        "_dns._udp.{}",
        "x-{}",
        "10-0-0-1.{}",
        "{}.cluster.local",
    )
    return [
        (chosen.choice(variants).format(chosen.choice(names)), chosen.choice([*TYPES]))
        for _ in range(count)
    ]


def differ(first: str, second: str, name: str, type_: str, ident: int) -> str:
    """Return how the answers of two servers differ; empty if they do not."""
    query = encode_query(name, TYPES[type_], ident)
    replies = [decode_reply(ask(server, query)) for server in (first, second)]
    one, two = ((rcode, records) for rcode, _, records in replies)
    return (
        "" if one == two else f"{name} {type_}: {one} from {first}, {two} from {second}"
    )


def main() -> int:
    """Compare; return the exit status."""
    first, second, count, seed = sys.argv[1:]
    names = sys.stdin.read().split()
    differences = 0
    for ident, (name, type_) in enumerate(questions(names, int(count), int(seed))):
        if differ(first, second, name, type_, ident) and (
            why := differ(first, second, name, type_, ident)
        ):
            print(why)
            differences += 1
    print(f"{count} questions, {differences} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
