"""The command line of minidns: one table of commands.

Without a command's name minidns serves DNS (`minidns.commands.serve`).
"""

import sys

from minidns.commands import serve
from minidns.text import completion
from minidns.text.program import Command, Program

COMMANDS = (
    Command("up", "answer for a cluster's names on a laptop", "minidns.commands.up"),
    Command("clone", "make a second cluster DNS", "minidns.second_dns.clone"),
    Command(
        "enrol", "point pods at a second DNS", "minidns.second_dns.enrol", "enroll"
    ),
    Command(
        "unenrol", "undo what enrol changed", "minidns.second_dns.unenrol", "unenroll"
    ),
    Command("status", "show which pods use which DNS", "minidns.second_dns.status"),
    Command(
        "split-dns",
        "point a laptop's resolver at minidns",
        "minidns.laptop.split_dns.command",
    ),
    Command("why", "explain why an answer is what it is", "minidns.commands.why"),
    Command(
        "probe",
        "look names up at servers, steadily, and count what fails",
        "minidns.commands.probe",
    ),
    Command(
        "relay",
        "pass DNS on to pods, byte by byte",
        "minidns.commands.relay",
    ),
    Command(
        "compare",
        "ask several servers the same questions",
        "minidns.commands.compare",
    ),
    Command(
        "trial",
        "find out whether CoreDNS is to blame",
        "minidns.commands.trial",
    ),
    Command(
        "shadow",
        "show what CoreDNS answered clients differently",
        "minidns.commands.shadow",
    ),
    Command(
        "web",
        "serve a page that shows every step of a lookup",
        "minidns.commands.web",
    ),
    Command("check", "check a Corefile without serving it", "minidns.commands.check"),
)

_COMPLETERS = {
    "context": "minidns.commands.completers:contexts",
    "namespace": "minidns.commands.completers:namespaces",
    "what": "minidns.commands.completers:workloads",
}

PROGRAM = Program(
    "minidns",
    COMMANDS,
    serve.parser,
    lambda parser, argv: serve.run(parser.parse(argv)),
    serve.show_version,
    ("--kubeconfig", "--context", "-n", "--namespace"),
    _COMPLETERS,
)
main = PROGRAM.main


def complete_for_kubectl() -> int:
    """Complete ``kubectl minidns``: kubectl calls it ``kubectl_complete-minidns``."""
    return PROGRAM.main([completion.COMMAND, *sys.argv[1:]])
