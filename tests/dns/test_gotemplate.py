"""What text/template of Go gives for the same text, as its manual and source say."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.plugins.template.go_format import Struct, TemplateError
from minidns.plugins.template.go_template import Template

DATA: dict[str, object] = {
    "Name": "ip-10-1-2-3.example.",
    "Type": "A",
    "Match": ["ip-10-1-2-3.example.", "10", "ff"],
    "Group": {"0": "ip-10-1-2-3.example.", "a": "10", "empty": ""},
    "Question": Struct(Name="X.example.", Qtype=1, Qclass=1),
    "Message": Struct(Id=7, Answer=[], Question=[Struct(Name="X.example.")]),
    "Meta": lambda name: {"kubernetes/namespace": "prod"}.get(name, ""),
}


def render(text: str) -> str:
    return Template(text, DATA).render(DATA)


RENDERED = [
    pytest.param("", "", id="empty"),
    pytest.param("plain } text {", "plain } text {", id="text"),
    pytest.param("{{.Name}}", "ip-10-1-2-3.example.", id="field"),
    pytest.param("{{ .Name }} 60", "ip-10-1-2-3.example. 60", id="blanks"),
    pytest.param("{{ $.Type }}", "A", id="root-variable"),
    pytest.param("{{ .Group.a }}", "10", id="map-entry"),
    pytest.param("{{ .Group.none }}", "<no value>", id="map-without-entry"),
    pytest.param("{{ .Question.Qtype }}", "1", id="structure"),
    pytest.param("{{ (index .Message.Question 0).Name }}", "X.example.", id="nested"),
    pytest.param("{{ index .Match 1 }}", "10", id="index"),
    pytest.param('{{ index .Group "a" }}', "10", id="index-map"),
    pytest.param('{{ index .Group "none" }}', "", id="index-map-without-entry"),
    pytest.param("{{ len .Match }}", "3", id="len"),
    pytest.param("{{ len .Name }}", "20", id="len-text"),
    pytest.param('{{ .Meta "kubernetes/namespace" }}', "prod", id="method"),
    pytest.param('{{ "kubernetes/namespace" | .Meta }}', "prod", id="method-piped"),
    pytest.param("{{ parseInt (index .Match 2) 16 8 }}", "255", id="parse-int"),
    pytest.param("{{ index .Match 2 | printf `%s` }}", "ff", id="pipe"),
    pytest.param('{{ "a" | printf "%s-%s" "b" | len }}', "3", id="pipes"),
    pytest.param("x {{- .Type -}} y", "xAy", id="trim-both"),
    pytest.param("x {{-1}}", "x -1", id="dash-without-blank-is-a-sign"),
    pytest.param("x  {{- /* why */ -}}  y", "xy", id="trimmed-comment"),
    pytest.param("x {{/* }} */}}y", "x y", id="comment"),
    pytest.param("x  {{- .Type }} y", "xA y", id="trim-left"),
    pytest.param("x {{ .Type -}}  \n y", "x Ay", id="trim-right"),
    pytest.param('{{ "}}" }}', "}}", id="braces-in-text"),
    pytest.param(r'{{ "a\t\"\x41\u00e9\101" }}', 'a\t"A\u00e9A', id="escapes"),
    pytest.param("{{ `a\\t` }}", "a\\t", id="raw-text"),
    pytest.param("{{ 7 }}{{ -1 }}{{ 0x1F }}{{ 1.5 }}", "7-1311.5", id="numbers"),
    pytest.param("{{ true }}", "true", id="boolean"),
    pytest.param("{{ if .Name }}yes{{ end }}", "yes", id="if"),
    pytest.param("{{ if .Group.empty }}yes{{ end }}", "", id="if-empty-text"),
    pytest.param("{{ if .Group.none }}y{{ else }}n{{ end }}", "n", id="if-no-value"),
    pytest.param("{{ if 0 }}y{{ else if 1 }}z{{ else }}n{{ end }}", "z", id="else-if"),
    pytest.param("{{ if not true }}y{{ else }}n{{ end }}", "n", id="not"),
    pytest.param('{{ if eq .Type "AAAA" }}y{{ else }}n{{ end }}', "n", id="eq"),
    pytest.param('{{ if eq .Type "AAAA" "A" }}y{{ end }}', "y", id="eq-any-of"),
    pytest.param('{{ if ne .Type "AAAA" }}y{{ end }}', "y", id="ne"),
    pytest.param("{{ if lt 9 10 }}y{{ end }}", "y", id="lt"),
    pytest.param('{{ if lt "9" "10" }}y{{ else }}n{{ end }}', "n", id="lt-text"),
    pytest.param(
        "{{ le 1 1 }}{{ gt 1 1 }}{{ ge 1 1 }}", "truefalsetrue", id="le-gt-ge"
    ),
    pytest.param('{{ and 1 "" 2 }}|{{ and 1 2 }}', "|2", id="and-gives-a-value"),
    pytest.param('{{ or "" 0 "x" }}|{{ or "" 0 }}', "x|0", id="or-gives-a-value"),
    pytest.param("{{ or true (index .Match 9) }}", "true", id="or-stops"),
    pytest.param("{{ and false (index .Match 9) }}", "false", id="and-stops"),
    pytest.param("{{ eq nil .Name }}", "false", id="nil"),
    pytest.param("{{ with .Type }}{{ . }}{{ end }}", "A", id="with"),
    pytest.param(
        "{{ with .Group.empty }}{{ . }}{{ else }}{{ .Type }}{{ end }}", "A", id="else"
    ),
    pytest.param("{{ with .Question }}{{ .Name }}{{ end }}", "X.example.", id="moved"),
    pytest.param("{{ with $x := .Type }}{{ $x }}{{ end }}", "A", id="with-variable"),
    pytest.param(
        "{{ range .Match }}[{{ . }}]{{ end }}",
        "[ip-10-1-2-3.example.][10][ff]",
        id="range",
    ),
    pytest.param(
        "{{ range $i, $x := .Match }}{{ $i }}={{ $x }};{{ end }}",
        "0=ip-10-1-2-3.example.;1=10;2=ff;",
        id="range-two",
    ),
    pytest.param(
        "{{ range $k, $v := .Group }}{{ $k }}{{ end }}",
        "0aempty",
        id="range-map-sorted",
    ),
    pytest.param("{{ $x := .Type }}{{ $x }}{{ $x }}", "AA", id="variable"),
    pytest.param(
        "{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}",
        "21",
        id="variable-of-a-block",
    ),
    pytest.param(
        "{{ range .Match }}{{ $x := . }}{{ end }}{{ $x := 1 }}{{ $x }}",
        "1",
        id="scopes",
    ),
    pytest.param('{{ print "a" 1 2 "b" 3 }}', "a1 2b3", id="print"),
    pytest.param("{{ .Group }}", "map[0:ip-10-1-2-3.example. a:10 empty:]", id="map"),
    pytest.param("{{ print `a` print }}", "a", id="function-as-argument"),
    pytest.param(
        "{{ range .Message.Answer }}x{{ else }}none{{ end }}", "none", id="range-else"
    ),
    pytest.param("{{ .Match }}", "[ip-10-1-2-3.example. 10 ff]", id="list"),
    pytest.param("{{ printf `%d.%03d` 7 7 }}", "7.007", id="printf-number"),
    pytest.param(
        "{{ printf `%x %X %o %b %c` 255 255 8 5 65 }}", "ff FF 10 101 A", id="%"
    ),
    pytest.param(
        "{{ printf `%v%%|%q|%5s|%-3s|` 1 `a` `b` `c` }}",
        '1%|"a"|    b|c  |',
        id="%v",
    ),
    pytest.param("{{ printf `%.2f %t` 1.5 true }}", "1.50 true", id="%f"),
    pytest.param("{{ printf `%x` `az` }}", "617a", id="%x-text"),
]


@pytest.mark.parametrize(("text", "expected"), RENDERED)
def test_rendered(text: str, expected: str) -> None:
    assert render(text) == expected


REFUSED = [
    ("{{ .Nme }}", "there is no field .Nme"),
    ("{{ $.Nme }}", "there is no field .Nme"),
    ("{{ if .Nme }}{{ end }}", "there is no field .Nme"),
    ("{{ foo }}", 'function "foo" not defined'),
    ("{{ .Name | foo }}", 'function "foo" not defined'),
    ("{{ print foo }}", 'function "foo" not defined'),
    ("{{ slice .Name 1 }}", 'function "slice" not defined'),
    ("{{ .Name", "unclosed action"),
    ('{{ "x }}', "unclosed action"),
    ("{{}}", "missing value for command"),
    ("{{ | len }}", "missing value for command"),
    ("{{ .Name | }}", "missing value for command"),
    ("{{ if }}{{ end }}", "missing value for command"),
    ("{{ (.Name }}", "unclosed left paren"),
    ("{{ .Name ) }}", "unexpected ')' in action"),
    ("{{ if .Name }}", "unexpected EOF: a block has no {{end}}"),
    ("{{ range .Match }}{{ else }}", "unexpected EOF: a block has no {{end}}"),
    ("{{ end }}", "unexpected {{end}}"),
    ("{{ else }}", "unexpected {{else}}"),
    ("{{ if 1 }}{{ else }}{{ else }}{{ end }}", "expected end; found {{else}}"),
    ("{{ if 1 }}{{ end x }}", "unexpected 'x' in end"),
    ("{{ $x }}", 'undefined variable "$x"'),
    ("{{ if 1 }}{{ $x := 1 }}{{ end }}{{ $x }}", 'undefined variable "$x"'),
    ("{{ $x := $x }}", 'undefined variable "$x"'),
    ("{{ .Group.1 }}", "unexpected '.' in operand"),
    ("{{ len(.Match) }}", "unexpected '(' in operand"),
    ('{{ .Meta"x" }}', "unexpected '\"x\"' in operand"),
    ("{{ $x = 1 }}", 'undefined variable "$x"'),
    ('{{ define "x" }}{{ end }}', "{{define}} is not supported"),
    ('{{ template "x" }}', "{{template}} is not supported"),
    ("{{ range .Match }}{{ break }}{{ end }}", "{{break}} is not supported"),
    ("{{ .Name % 2 }}", "unexpected '% 2' in action"),
    ('{{ "\\d" }}', 'unknown escape \\d in "\\d"'),
    ('{{ "\\ud800" }}', 'escape \\ud800 in "\\ud800" is no character'),
    ("{{ if 1 }}" * 51 + "{{ end }}" * 51, "nested deeper than 50"),
    ("{{ " + "(" * 51 + "1" + ")" * 51 + " }}", "nested deeper than 50"),
]


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_refused_when_parsed(text: str, why: str) -> None:
    with pytest.raises(TemplateError) as error:
        Template(text, DATA)
    assert str(error.value) == why


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
    ("{{ . }}", "a value that is neither text nor number is shown"),
    ("{{ .Meta }}", "a value that is neither text nor number is shown"),
    ("{{ .Meta 1 2 }}", "wrong arguments"),
    ("{{ .Name 1 }}", "can't give argument to non-function"),
    ("{{ eq 1 `1` }}", "error calling eq: incompatible types for comparison"),
    ("{{ eq .Match .Match }}", "error calling eq: incompatible types"),
    ("{{ lt true false }}", "error calling lt: incompatible types for comparison"),
    ("{{ lt 1 `2` }}", "error calling lt: incompatible types for comparison"),
    ("{{ eq 1 }}", "error calling eq: missing argument for comparison"),
    ("{{ ne 1 }}", "wrong number of args for ne"),
    ("{{ len 7 }}", "error calling len: len of type int"),
    ("{{ parseInt `x` 10 8 }}", "error calling parseInt: strconv.ParseUint: "),
    ("{{ parseInt `256` 10 8 }}", "error calling parseInt: strconv.ParseUint: "),
    ("{{ parseInt 1 10 8 }}", "error calling parseInt: parseInt needs"),
    ("{{ parseInt `1` }}", "wrong number of args for parseInt"),
    ("{{ printf `%d` `x` }}", "error calling printf: printf: %d cannot show a string"),
    ("{{ printf `%d` }}", "error calling printf: printf: %d has no value"),
    ("{{ printf `x` 1 }}", "error calling printf: printf: more values than verbs"),
    ("{{ printf `%y` 1 }}", "error calling printf: printf: %y cannot show a int"),
    ("{{ printf `%9999d` 1 }}", "error calling printf: printf: %9999d is too wide"),
    ("{{ printf 1 }}", "error calling printf: printf: the form is a int"),
    ("{{ range .Name }}{{ end }}", "range can't iterate over string"),
    ("{{ range .Message.Id }}{{ end }}", "range can't iterate over int"),
]


@pytest.mark.parametrize(("text", "why"), FAILING)
def test_failing_when_rendered(text: str, why: str) -> None:
    template = Template(text, DATA)
    with pytest.raises(TemplateError) as error:
        template.render(DATA)
    assert str(error.value).startswith(why)


def test_output_is_bounded() -> None:
    data = {"Match": ["x" * 1000] * 100}
    with pytest.raises(TemplateError, match="more than 65536 characters"):
        Template("{{ range .Match }}{{ . }}{{ end }}", data).render(data)


def test_loops_are_bounded() -> None:
    data = {"Match": [""] * 1000}
    loops = "{{ range .Match }}" * 3 + "{{ end }}" * 3
    nested = loops.replace("{{ range .Match }}", "{{ range $.Match }}")
    with pytest.raises(TemplateError, match="loops of more than 10000 turns"):
        Template(nested, data).render(data)


HOSTILE = ["{{" + '"' * 20_001, "{{ " + "`" * 20_001, "{{" * 20_000, "{{ (" * 20_000]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:4])
def test_hostile_text_is_refused_at_once(text: str) -> None:
    start = time.monotonic()
    with pytest.raises(TemplateError):
        Template(text, DATA)
    assert time.monotonic() - start < 1


@given(st.text(alphabet="{}.$|()\"`'ab1 -:=,%\\", max_size=40))
def test_any_text_is_a_template_or_refused(text: str) -> None:
    with suppress(TemplateError):
        Template("{{" + text + "}}", DATA).render(DATA)
