{{/* Where the test runs: where imports do. */}}
{{- define "mediaimport.testNamespace" -}}
{{- $watched := (include "mediaimport.namespaces" . | fromJson).names -}}
{{- has .Release.Namespace $watched | ternary .Release.Namespace (first $watched) -}}
{{- end -}}

{{/* Of what the test needs beside its pod: gone again when it has passed. */}}
{{- define "mediaimport.testHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: "-5"
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
