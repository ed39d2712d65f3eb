"""The options of a resolv.conf in a scenario: all that a modelled resolver reads, and no others."""

import pytest

from minidns.stub.glibc import RELEASES
from minidns.stub.resolv_conf import GLIBC_FLAGS
from sim.scenario.resolv_conf_lines import check


@pytest.mark.parametrize("release", RELEASES)
def test_every_option_of_a_modelled_glibc_is_known(release: str) -> None:
    for flag in (*GLIBC_FLAGS, *RELEASES[release].options):
        check(f"nameserver 192.0.2.1\noptions {flag}\n")


@pytest.mark.parametrize(
    "option", ["debug", "inet6", "no-check-names", "ndots:2", "timeout:1", "attempts:3", "-rotate"]
)
def test_other_options_of_the_manual_are_known(option: str) -> None:
    check(f"options {option}\n")


@pytest.mark.parametrize("option", ["zebra", "-zebra", "ndots", "ndots:x", "-ndots:2", "rotate:1", "--rotate"])
def test_what_no_manual_has_is_refused_with_its_line(option: str) -> None:
    with pytest.raises(ValueError, match=f"line 2 .*{option}"):
        check(f"nameserver 192.0.2.1\noptions {option}\n")
