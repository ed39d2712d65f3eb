"""Results of Go's text/template for the same text, by its manual and source."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.plugins.template.go_template import Struct, Template, TemplateError
from tests.table import table

DATA: dict[str, object] = {
    "Name": "ip-10-1-2-3.example.",
    "Type": "A",
    "Match": ["ip-10-1-2-3.example.", "10", "ff"],
    "Group": {"0": "ip-10-1-2-3.example.", "a": "10", "empty": ""},
    "Question": Struct(Name="X.example.", Qtype=1, Qclass=1),
    "Meta": lambda name: {"kubernetes/namespace": "prod"}.get(name, ""),
}


def render(text: str) -> str:
    return Template(text, DATA).render(DATA)


RENDERED = [
    pytest.param("", "", id="empty"),
    pytest.param("plain } text {", "plain } text {", id="text"),
    pytest.param("{{.Name}}", "ip-10-1-2-3.example.", id="field"),
    pytest.param("{{ .Name }} 60", "ip-10-1-2-3.example. 60", id="blanks"),
    pytest.param("{{ .Group.a }}", "10", id="map-entry"),
    pytest.param("{{ .Group.none }}", "<no value>", id="map-without-entry"),
    pytest.param("{{ .Question.Qtype }}", "1", id="structure"),
    pytest.param("{{ index .Match 1 }}", "10", id="index"),
    pytest.param('{{ index .Group "a" }}', "10", id="index-map"),
    pytest.param('{{ index .Group "none" }}', "", id="index-map-without-entry"),
    pytest.param('{{ .Meta "kubernetes/namespace" }}', "prod", id="method"),
    pytest.param('{{ "kubernetes/namespace" | .Meta }}', "prod", id="method-piped"),
    pytest.param("{{ parseInt (index .Match 2) 16 8 }}", "255", id="parse-int"),
    pytest.param("{{ index .Match 2 | printf `%s` }}", "ff", id="pipe"),
    pytest.param('{{ "a" | printf "%s-%s" "b" | printf "%3s." }}', "b-a.", id="pipes"),
    pytest.param("x {{- .Type -}} y", "xAy", id="trim-both"),
    pytest.param("x {{-1}}", "x -1", id="dash-without-blank-is-a-sign"),
    pytest.param("x  {{- /* why */ -}}  y", "xy", id="trimmed-comment"),
    pytest.param("x {{/* }} */}}y", "x y", id="comment"),
    pytest.param("x  {{- .Type }} y", "xA y", id="trim-left"),
    pytest.param("x {{ .Type -}}  \n y", "x Ay", id="trim-right"),
    pytest.param('{{ "}}" }}', "}}", id="braces-in-text"),
    pytest.param("{{ `a\\t` }}", "a\\t", id="raw-text"),
    pytest.param("{{ .Group }}", "map[0:ip-10-1-2-3.example. a:10 empty:]", id="map"),
    pytest.param("{{ .Match }}", "[ip-10-1-2-3.example. 10 ff]", id="list"),
    pytest.param("{{ printf `%d.%03d` 7 7 }}", "7.007", id="printf-number"),
    pytest.param("{{ 7 }}{{ -1 }}{{ 0x1F }}", "7-131", id="numbers"),
    pytest.param(r'{{ "a\t\"\\" }}', 'a\t"\\', id="escapes"),
    pytest.param("{{ printf `%x %X %o` 255 255 8 }}", "ff FF 10", id="printf-base"),
    pytest.param("{{ printf `%v%%|%q|%5s|%-3s|` 1 `a` `b` `c` }}", '1%|"a"|    b|c  |', id="printf-text"),
]


@table(("text", "expected"), RENDERED)
def test_rendered(text: str, expected: str) -> None:
    assert render(text) == expected


NOT_SUPPORTED = [
    "{{ if .Name }}yes{{ end }}",
    "{{ with .Name }}{{ .Zone }}{{ end }}",
    "{{ range .Match }}x{{ end }}",
    "{{ end }}",
    "{{ else }}",
    '{{ define "x" }}{{ end }}',
    '{{ template "x" }}',
    "{{ break }}",
    "{{ eq .Type `A` }}",
    "{{ len .Match }}",
    "{{ print .Name }}",
    "{{ and .Name .Type }}",
    "{{ slice .Name 1 }}",
    "{{ .Name | html }}",
    "{{ parseInt true 16 8 }}",
    "{{ $x := 1 }}",
    "{{ $.Name }}",
    "{{ . }}",
    "{{ 1.5 }}",
    "{{ .Message.Id }}",
    "{{ .Name % 2 }}",
    r'{{ "\x41" }}',
]
"""Parts of Go's language, all of them in docs/differences.md."""


@table("text", NOT_SUPPORTED)
def test_other_parts_of_the_language_are_refused_at_load(text: str) -> None:
    with pytest.raises(TemplateError):
        Template(text, DATA)


REFUSED = [
    ("{{ .Nme }}", "there is no field .Nme"),
    ("{{ foo }}", 'function "foo" not defined'),
    ("{{ .Name | foo }}", 'function "foo" not defined'),
    ("{{ printf foo }}", 'function "foo" not defined'),
    ("{{ .Name", "unclosed action"),
    ('{{ "x }}', "unclosed action"),
    ("{{}}", "missing value for command"),
    ("{{ | printf }}", "missing value for command"),
    ("{{ .Name | }}", "missing value for command"),
    ("{{ (.Name }}", "unclosed left paren"),
    ("{{ .Name ) }}", "unexpected ')' in action"),
    ("{{ .Group.1 }}", "unexpected '.1' in action"),
    ("{{ index(.Match) }}", "unexpected '(' in operand"),
    ('{{ .Meta"x" }}', "unexpected '\"x\"' in operand"),
    ("{{ " + "(" * 51 + "1" + ")" * 51 + " }}", "nested deeper than 50"),
]


@table(("text", "why"), REFUSED)
def test_refused_when_parsed(text: str, why: str) -> None:
    with pytest.raises(TemplateError) as error:
        Template(text, DATA)
    assert str(error.value).startswith(why)


FAILING = [
    ("{{ index .Match 3 }}", "error calling index: index: out of range: 3"),
    ("{{ index .Match -1 }}", "error calling index: index: out of range: -1"),
    ('{{ index .Match "0" }}', "error calling index: index: can't index"),
    ("{{ index .Group 0 }}", "error calling index: index: a map is not indexed by int"),
    ("{{ index 7 0 }}", "error calling index: index: can't index int by int"),
    ("{{ .Name.x }}", "can't evaluate field x in type string"),
    ("{{ .Question.x }}", "can't evaluate field x"),
    ("{{ .Group.none.x }}", "can't evaluate field x"),
    ("{{ .Question }}", "a value that is neither text nor number is shown"),
    ("{{ .Meta }}", "a value that is neither text nor number is shown"),
    ("{{ .Meta 1 2 }}", "only .Meta takes an argument"),
    ("{{ .Name 1 }}", "only .Meta takes an argument"),
    ("{{ parseInt `x` 10 8 }}", "error calling parseInt: strconv.ParseUint: "),
    ("{{ parseInt `256` 10 8 }}", "error calling parseInt: strconv.ParseUint: "),
    ("{{ parseInt 1 10 8 }}", "error calling parseInt: parseInt needs"),
    ("{{ parseInt `1` }}", "wrong number of args for parseInt"),
    ("{{ printf `%d` `x` }}", "error calling printf: printf: %d cannot show a string"),
    ("{{ printf `%d` }}", "error calling printf: printf: %d has no value"),
    ("{{ printf `x` 1 }}", "error calling printf: printf: more values than verbs"),
    ("{{ printf `%9999d` 1 }}", "error calling printf: printf: %9999d is too wide"),
    ("{{ printf 1 }}", "error calling printf: printf: the format is of type int"),
    ("{{ printf `%f` 1 }}", "error calling printf: printf: %f is not supported"),
]


@table(("text", "why"), FAILING)
def test_failing_when_rendered(text: str, why: str) -> None:
    template = Template(text, DATA)
    with pytest.raises(TemplateError) as error:
        template.render(DATA)
    assert str(error.value).startswith(why)


HOSTILE = ["{{" + '"' * 20_001, "{{ " + "`" * 20_001, "{{" * 20_000, "{{ (" * 20_000]


@table("text", HOSTILE, ids=lambda text: text[:4])
def test_hostile_text_is_refused_at_once(text: str) -> None:
    start = time.monotonic()
    with pytest.raises(TemplateError):
        Template(text, DATA)
    assert time.monotonic() - start < 1


@given(st.text(alphabet="{}.$|()\"`'ab1 -:=,%\\", max_size=40))
def test_any_text_is_a_template_or_refused(text: str) -> None:
    with suppress(TemplateError):
        Template("{{" + text + "}}", DATA).render(DATA)
