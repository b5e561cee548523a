{{- define "mediaimport.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* The head of every name; short enough for what is appended. */}}
{{- define "mediaimport.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- default $full .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- end -}}

{{/* What Jobs are labelled with, so that another release's are foreign. A label's value: at most 63 characters. */}}
{{- define "mediaimport.instance" -}}
{{- $whole := printf "%s.%s" .Release.Namespace .Release.Name -}}
{{- gt (len $whole) 63 | ternary (printf "%s-%s" ($whole | trunc 50) (sha256sum $whole | trunc 12)) $whole -}}
{{- end -}}

{{/* Call with (list $ "component"). */}}
{{- define "mediaimport.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "mediaimport.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "mediaimport.labels" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{ include "mediaimport.selector" . }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The labels of a workload's pods; call with (list $ "component" its-podLabels). */}}
{{- define "mediaimport.podLabels" -}}
{{- $root := index . 0 -}}
{{ include "mediaimport.selector" . }}
{{- with merge (dict) (index . 2) $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Call with (list $ .Values.image). */}}
{{- define "mediaimport.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default $root.Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{/* JSON: {"names": [the watched namespaces]}. */}}
{{- define "mediaimport.namespaces" -}}
{{- dict "names" (default (list .Release.Namespace) .Values.watchNamespaces | uniq) | toJson -}}
{{- end -}}

{{/* JSON: {"names": [where Jobs need the store]}: the operator's own too, for the deletions. */}}
{{- define "mediaimport.storeNamespaces" -}}
{{- dict "names" (append (include "mediaimport.namespaces" . | fromJson).names .Release.Namespace | uniq) | toJson -}}
{{- end -}}

{{/* The Secret with the store's keys; empty if pods have an identity of their own. */}}
{{- define "mediaimport.storeSecret" -}}
{{- with .Values.s3 -}}
{{- if .existingSecret -}}
{{ .existingSecret }}
{{- else if .accessKeyId -}}
{{ include "mediaimport.fullname" $ }}-store
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "mediaimport.storeCa" -}}
{{- if .Values.s3.caBundle -}}{{ include "mediaimport.fullname" . }}-store-ca{{- end -}}
{{- end -}}

{{- define "mediaimport.authSecret" -}}
{{- with .Values.auth -}}
{{- if .existingSecret -}}
{{ .existingSecret }}
{{- else if .tokens -}}
{{ include "mediaimport.fullname" $ }}-tokens
{{- else -}}
{{ include "mediaimport.fullname" $ }}-first-token
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "mediaimport.replicateSecret" -}}
{{- with .Values.replicate -}}
{{- if .existingSecret -}}
{{ .existingSecret }}
{{- else if or .apiToken .webhookSecrets -}}
{{ include "mediaimport.fullname" $ }}-replicate
{{- end -}}
{{- end -}}
{{- end -}}
