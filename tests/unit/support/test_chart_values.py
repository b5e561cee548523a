from __future__ import annotations

import pytest

from tests.support.chart_values import read_values


def reads(*files: str) -> set[str]:
    found = read_values(files)
    return {".".join(path) for path in found.exact if path}


@pytest.mark.parametrize(
    ("template", "paths"),
    [
        ("{{ .Values.a.b | quote }}", {"a.b"}),
        ("{{- if and .Values.a.on (eq .Values.a.mode `x`) }}{{ end }}", {"a.on", "a.mode"}),
        ("{{ with .Values.a }}{{ .b }}{{ $.Values.c }}{{ else }}{{ .Values.d }}{{ end }}", {"a", "a.b", "c", "d"}),
        ("{{ if .Values.a }}{{ else if .Values.b }}{{ else }}{{ .Values.c }}{{ end }}", {"a", "b", "c"}),
        ("{{ $x := .Values.a }}{{ $x.b }}", {"a", "a.b"}),
        ("{{ range .Values.a }}{{ .b }}{{ end }}", {"a"}),
        ("{{/* .Values.comment */}}{{ (urlParse .Values.a).host }}", {"a"}),
        ('{{ default "x" .Values.a }}{{ printf "%s .Values.text" .Chart.Name }}', {"a"}),
    ],
)
def test_value_is_found_where_a_template_reads_it(template: str, paths: set[str]) -> None:
    assert reads(template) == paths


def test_arguments_of_an_included_template_are_followed() -> None:
    define = '{{ define "image" }}{{ $root := index . 0 }}{{ (index . 1).tag }}{{ $root.Values.global }}{{ end }}'
    assert reads(define, '{{ include "image" (list $ .Values.one) }}{{ include "image" (list $ .Values.two) }}') == {
        "one", "one.tag", "two", "two.tag", "global",
    }  # fmt: skip


def test_template_that_nobody_includes_reads_nothing() -> None:
    assert reads('{{ define "unused" }}{{ .Values.a }}{{ end }}') == set()


def test_value_of_the_same_last_name_elsewhere_is_not_read() -> None:
    found = read_values(["{{ .Values.webhook.logLevel }}"])
    assert found.has(("webhook", "logLevel"))
    assert not found.has(("operator", "logLevel"))


def test_map_that_is_written_whole_reads_all_that_is_in_it() -> None:
    found = read_values(["{{ toYaml .Values.a | nindent 2 }}{{ range $key, $value := .Values.b }}{{ end }}"])
    assert found.has(("a", "deep", "down"))
    assert found.has(("b", "any"))


def test_map_that_is_only_asked_for_reads_nothing_in_it() -> None:
    assert not read_values(["{{ if .Values.a }}{{ end }}{{ with .Values.a }}{{ end }}"]).has(("a", "b"))
