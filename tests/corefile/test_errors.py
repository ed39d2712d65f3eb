from minidns.corefile.errors import ConfigError
from minidns.corefile.lexer import Token

HERE = Token("x", "/etc/coredns/Corefile", 7)


def test_plain_text_has_no_position() -> None:
    error = ConfigError("cannot")
    assert (str(error), error.file, error.line, error.text) == ("cannot", "", 0, "cannot")


def test_at_a_position() -> None:
    error = ConfigError.at(HERE, "no")
    assert str(error) == "/etc/coredns/Corefile:7 - Error during parsing: no"
    assert (error.file, error.line, error.text) == ("/etc/coredns/Corefile", 7, "no")


def test_syntax() -> None:
    error = ConfigError.syntax(HERE, "a", "}")
    assert str(error) == ("/etc/coredns/Corefile:7 - Syntax error: Unexpected token 'a', expecting '}'")
    assert error.line == 7


def test_arguments() -> None:
    assert ConfigError.arguments(HERE, "a").text == ("Wrong argument count or unexpected line ending after 'a'")
    assert ConfigError.arguments(HERE, "{").text == ("Unexpected token '{', expecting argument")


def test_prefix_keeps_position_and_hint() -> None:
    error = ConfigError.at(HERE, "no").hinting("try").prefixed("plugin/x: ")
    assert str(error) == ("plugin/x: /etc/coredns/Corefile:7 - Error during parsing: no")
    assert (error.line, error.text, error.hint) == (7, "no", "try")


def test_a_hint_is_not_part_of_the_message() -> None:
    assert str(ConfigError("cannot").hinting("try this")) == "cannot"
