{{/* The namespace of the test: one that imports run in. */}}
{{- define "mediaimport.testNamespace" -}}
{{- $watched := (include "mediaimport.namespaces" . | fromJson).names -}}
{{- has .Release.Namespace $watched | ternary .Release.Namespace (first $watched) -}}
{{- end -}}

{{/* The annotations of the objects that the test's pod needs. Helm deletes them when the test has passed. */}}
{{- define "mediaimport.testHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: "-5"
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
