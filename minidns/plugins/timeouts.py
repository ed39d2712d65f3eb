"""*timeouts* - limit how long TCP and TLS clients are waited for, and what they ask."""

from minidns.corefile.blocks import Directive, Line
from minidns.corefile.values import duration, format_duration, integer
from minidns.plugins.site import Site, Timeouts
from minidns.plugins.spec import PluginSpec, Traits

MIN_TIMEOUT_S, MAX_TIMEOUT_S = 1, 24 * 3600


def setup(directives: tuple[Directive, ...], site: Site) -> None:
    """Accept ``timeouts { read|write|idle DURATION, maxtcpqueries NUMBER }``.

    Raises:
        ConfigError: no such option, or not such a value.

    """
    for directive in directives:
        if directive.args:
            # the plugin's name stands twice before these two (CoreDNS)
            raise directive.arg_error().prefixed("plugin/timeouts: ")
        if not directive.block:
            problem = directive.end_error("timeouts block with no timeouts specified")
            raise problem.prefixed("plugin/timeouts: ")
        for line in directive.block:
            site.timeouts = _with_option(site.timeouts, line)


def _with_option(timeouts: Timeouts, line: Line) -> Timeouts:
    if len(line.args) != 1:
        raise line.arg_error()
    (text,) = line.args
    if line.name == "maxtcpqueries":
        return timeouts._replace(max_queries=_max_queries(text, line))
    seconds = _timeout(text, line)
    match line.name:
        case "read":
            return timeouts._replace(read=seconds)
        case "write":
            return timeouts._replace(write=seconds)
        case "idle":
            return timeouts._replace(idle=seconds)
        case name:
            raise line.error(f"unknown option: '{name}'")


def _max_queries(text: str, line: Line) -> int:
    try:
        number = integer(text)
    except ValueError as error:
        raise line.error(f"invalid value for maxtcpqueries '{text}': {error}") from None
    if number == 0 or number < -1:
        raise line.error(
            f"maxtcpqueries provided '{number}' needs to be -1 (unlimited)"
            " or a positive integer"
        )
    return number


def _timeout(text: str, line: Line) -> float:
    with_unit = f"{text}s" if text.lstrip("+-").isdecimal() else text
    try:
        seconds = duration(with_unit)
    except ValueError:
        raise line.error(f"failed to parse duration '{with_unit}'") from None
    if not MIN_TIMEOUT_S <= seconds <= MAX_TIMEOUT_S:
        said = format_duration(seconds)
        needed = "needs to be between 1 second and 24 hours"
        raise line.error(f"timeout provided '{said}' {needed}")
    return seconds


PLUGIN = PluginSpec(
    name="timeouts",
    summary="limit how long TCP and TLS clients are waited for, and what they ask",
    syntax="timeouts",
    traits=Traits.NONE,
    setup=setup,
    defaults=None,
)
