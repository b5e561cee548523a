{{- define "mediaimport.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* The prefix of every object name. A CronJob's name has at most 52 characters: 43 and `-recovery`. */}}
{{- define "mediaimport.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- default $full .Values.fullnameOverride | trunc 43 | trimSuffix "-" -}}
{{- end -}}

{{/* The label that tells the Jobs of two releases apart. A label value has at most 63 characters. */}}
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

{{/* The annotations and labels of an object; labels are the last key. Call with (list $ "component" annotations). */}}
{{- define "mediaimport.metadata" -}}
{{- $root := index . 0 -}}
{{- with merge (dict) (index . 2) $root.Values.commonAnnotations -}}
annotations: {{- toYaml . | nindent 2 }}
{{ end -}}
labels: {{- include "mediaimport.labels" . | nindent 2 }}
{{- end -}}

{{/* The labels of a workload's pods. Call with (list $ "component" podLabels). */}}
{{- define "mediaimport.podLabels" -}}
{{- $root := index . 0 -}}
{{ include "mediaimport.selector" . }}
{{- with merge (dict) (index . 2) $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The name of an image without tag and digest. Call with (list $ .Values.image). */}}
{{- define "mediaimport.repository" -}}
{{- $repository := (index . 1).repository -}}
{{- with (index . 0).Values.global.imageRegistry -}}
{{- printf "%s/%s" (trimSuffix "/" .) (regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "") -}}
{{- else -}}
{{- $repository -}}
{{- end -}}
{{- end -}}

{{/* Call with (list $ .Values.image). */}}
{{- define "mediaimport.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{ include "mediaimport.repository" . }}@{{ $image.digest }}
{{- else -}}
{{ include "mediaimport.repository" . }}:{{ default $root.Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{- define "mediaimport.proberPullPolicy" -}}
{{- default .Values.image.pullPolicy .Values.proberImage.pullPolicy -}}
{{- end -}}

{{/* JSON: the names of the Secrets with a registry's credentials. */}}
{{- define "mediaimport.pullSecrets" -}}
{{- $names := list -}}
{{- range concat .Values.imagePullSecrets (default list .Values.global.imagePullSecrets) -}}
{{- $names = append $names (kindIs "string" . | ternary . (get (kindIs "map" . | ternary . dict) "name")) -}}
{{- end -}}
{{- uniq $names | toJson -}}
{{- end -}}

{{/* JSON: {"names": [watched namespaces]}. */}}
{{- define "mediaimport.namespaces" -}}
{{- dict "names" (default (list .Release.Namespace) .Values.watchNamespaces | uniq) | toJson -}}
{{- end -}}

{{/* JSON: {"names": [namespaces whose Jobs use the store]}. Cleanup Jobs run in the operator's own namespace. */}}
{{- define "mediaimport.storeNamespaces" -}}
{{- dict "names" (append (include "mediaimport.namespaces" . | fromJson).names .Release.Namespace | uniq) | toJson -}}
{{- end -}}

{{/* The Secret with the store's keys. Empty if the pods have an identity of their own. */}}
{{- define "mediaimport.storeSecret" -}}
{{- with .Values.s3 -}}
{{- if .existingSecret -}}
{{ .existingSecret }}
{{- else if .accessKeyId -}}
{{ include "mediaimport.fullname" $ }}-store
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The Secret that the chart makes of the keys; Call with (list $ namespace annotations). */}}
{{- define "mediaimport.storeSecretIn" -}}
{{- $root := index . 0 -}}
apiVersion: v1
kind: Secret
stringData:
  S3_ACCESS_KEY_ID: {{ $root.Values.s3.accessKeyId | quote }}
  S3_SECRET_ACCESS_KEY: {{ $root.Values.s3.secretAccessKey | quote }}
metadata:
  name: {{ include "mediaimport.storeSecret" $root }}
  namespace: {{ index . 1 }}
  {{- include "mediaimport.metadata" (list $root "importer" (index . 2)) | nindent 2 }}
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

{{- define "mediaimport.falSecret" -}}
{{- with .Values.fal -}}
{{- if .existingSecret -}}
{{ .existingSecret }}
{{- else if .key -}}
{{ include "mediaimport.fullname" $ }}-fal
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The Secret with the keys that sign the owner of a prediction. */}}
{{- define "mediaimport.ownerKeysSecret" -}}
{{- default (printf "%s-owner-keys" (include "mediaimport.fullname" .)) .Values.webhook.ownerKeysExistingSecret -}}
{{- end -}}

{{/* The Secret with the master keys of users' endpoints. */}}
{{- define "mediaimport.endpointKeysSecret" -}}
{{- default (printf "%s-endpoint-keys" (include "mediaimport.fullname" .)) .Values.events.userEndpoints.keysExistingSecret -}}
{{- end -}}

{{/* Not empty if anybody may be told of events. */}}
{{- define "mediaimport.events" -}}
{{- if or .Values.events.endpoints .Values.events.userEndpoints.enabled }}true{{ end -}}
{{- end -}}

{{/* Variables, mount and volume of users' endpoints, of operator and webhook. */}}
{{- define "mediaimport.userEndpointVariables" -}}
{{- with .Values.events.userEndpoints }}
{{- if .enabled }}
- name: USER_ENDPOINTS_KEYS_DIRECTORY
  value: /etc/mediaimport/endpoint-keys
{{- with .allowedNetworks }}
- name: USER_ENDPOINTS_ALLOWED_NETWORKS
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "mediaimport.userEndpointMount" -}}
{{- if .Values.events.userEndpoints.enabled -}}
- {name: endpoint-keys, mountPath: /etc/mediaimport/endpoint-keys, readOnly: true}
{{- end -}}
{{- end -}}

{{- define "mediaimport.userEndpointVolume" -}}
{{- if .Values.events.userEndpoints.enabled -}}
- name: endpoint-keys
  secret: {secretName: {{ include "mediaimport.endpointKeysSecret" . }}}
{{- end -}}
{{- end -}}

{{/* The ServiceAccount of a program. Call with (list $ "program" .Values.program.serviceAccount). */}}
{{- define "mediaimport.serviceAccount" -}}
{{- $account := index . 2 -}}
{{- $own := printf "%s-%s" (include "mediaimport.fullname" (index . 0)) (index . 1) -}}
{{- default ($account.create | ternary $own "default") $account.name -}}
{{- end -}}
