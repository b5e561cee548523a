{{/* The operator's variables: its settings, and those of the pods of import Jobs. */}}
{{- define "mediaimport.operatorVariables" -}}
{{ include "mediaimport.podEnv" . }}
- name: OPERATOR_NAMESPACE
  value: {{ .Release.Namespace }}
- name: WATCH_NAMESPACES
  value: {{ join "," (include "mediaimport.namespaces" . | fromJson).names }}
{{- if and .Values.webhook.enabled .Values.catalogue.urlSecretRef.name }}
- name: CATALOGUE_ENABLED
  value: "true"
- name: CATALOGUE_TTL_SECONDS
  value: {{ .Values.catalogue.ttlSecondsAfterFinished | int64 | quote }}
{{- end }}
- name: INSTANCE
  value: {{ include "mediaimport.instance" . | quote }}
- name: IMPORTER_IMAGE
  value: {{ include "mediaimport.image" (list $ .Values.image) }}
- name: PROBER_IMAGE
  value: {{ include "mediaimport.image" (list $ .Values.proberImage) }}
- name: IMAGE_PULL_POLICY
  value: {{ .Values.image.pullPolicy }}
- name: PROBER_IMAGE_PULL_POLICY
  value: {{ include "mediaimport.proberPullPolicy" . }}
{{- with include "mediaimport.pullSecrets" . | fromJsonArray }}
- name: IMAGE_PULL_SECRETS
  value: {{ join "," . }}
{{- end }}
- name: IMPORTER_SERVICE_ACCOUNT
  value: {{ include "mediaimport.serviceAccount" (list $ "importer" .Values.importer.serviceAccount) }}
- name: IMPORTER_CONFIG_MAP
  value: {{ include "mediaimport.fullname" . }}-importer
{{- with include "mediaimport.storeSecret" . }}
- name: S3_SECRET_NAME
  value: {{ . }}
{{- end }}
{{- with include "mediaimport.storeCa" . }}
- name: S3_CA_CONFIG_MAP
  value: {{ . }}
{{- end }}
- name: S3_BUCKET_NAME
  value: {{ .Values.s3.bucket | quote }}
{{- include "mediaimport.sessionVariables" . }}
{{- with .Values.importer }}
- name: IMPORTER_RESOURCES
  value: {{ toJson .resources | quote }}
- name: PROBER_RESOURCES
  value: {{ toJson $.Values.prober.resources | quote }}
- name: SCRATCH_SIZE
  value: {{ .scratchSize | quote }}
- name: IMPORTER_PLACEMENT
  value: {{ include "mediaimport.importerPlacement" $ | quote }}
- name: IMPORTER_EXTRAS
  value: {{ include "mediaimport.importerExtras" $ | quote }}
- name: IMPORTER_UID
  value: {{ int64 (default 0 .runAsUser) | quote }}
- name: PROBER_UID
  value: {{ int64 (default 0 .proberRunAsUser) | quote }}
- name: MAX_SIZE_BYTES
  value: {{ int64 .maxSizeBytes | quote }}
- name: DEADLINE_SECONDS
  value: {{ int64 .deadlineSeconds | quote }}
{{- end }}
{{- with .Values.events.endpoints }}
- name: EVENTS_ENDPOINTS
  value: {{ include "mediaimport.endpoints" $ | quote }}
- name: EVENTS_KEYS_DIRECTORY
  value: /etc/mediaimport/events
{{- with $.Values.events.allowedNetworks }}
- name: EVENTS_ALLOWED_NETWORKS
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}
{{- with include "mediaimport.userEndpointVariables" . | trim }}
{{ . }}
{{- end }}
{{- with .Values.operator }}
- name: MAX_IN_FLIGHT
  value: {{ int64 .maxInFlight | quote }}
- name: MAX_IN_FLIGHT_PER_USER
  value: {{ int64 .maxInFlightPerUser | quote }}
- name: MAX_IN_FLIGHT_PER_HOST
  value: {{ int64 .maxInFlightPerHost | quote }}
- name: KUEUE_ENABLED
  value: {{ .kueue.enabled | quote }}
- name: RETRY_WAIT_SECONDS
  value: {{ int64 .retryWaitSeconds | quote }}
- name: SUCCESSFUL_JOB_SECONDS
  value: {{ int64 .successfulJobSeconds | quote }}
- name: FAILED_JOB_SECONDS
  value: {{ int64 .failedJobSeconds | quote }}
- name: LOG_LEVEL
  value: {{ .logLevel }}
- name: PROBE_PORT
  value: "8080"
- name: METRICS_PORT
  value: "9090"
{{- end }}
{{- end -}}

{{/* The operator's own way to STS, if there is a role: it assumes the role with these keys, or with its identity. */}}
{{- define "mediaimport.sessionVariables" -}}
{{- with .Values.s3 }}
{{- if .sessionRole }}
- name: S3_SESSION_ROLE
  value: {{ .sessionRole | quote }}
- name: S3_REGION
  value: {{ .region | quote }}
- name: S3_ENDPOINT_URL
  value: {{ .endpointUrl | quote }}
- name: S3_STS_ENDPOINT_URL
  value: {{ .stsEndpointUrl | quote }}
{{- with include "mediaimport.storeSecret" $ }}
- name: S3_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ . }}, key: S3_ACCESS_KEY_ID}}
- name: S3_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ . }}, key: S3_SECRET_ACCESS_KEY}}
{{- end }}
{{- if .caBundle }}
- name: S3_CA_BUNDLE
  value: /etc/mediaimport/store-ca/ca.crt
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* JSON: the installer's fields in the spec of the pods of import Jobs. */}}
{{- define "mediaimport.importerPlacement" -}}
{{- $labels := dict "mediaimport.dev/instance" (include "mediaimport.instance" .) "app.kubernetes.io/component" "importer" -}}
{{- with .Values.importer.placement -}}
{{- $spread := include "mediaimport.spread" (list $labels .topologySpreadConstraints) | fromJsonArray -}}
{{- $pod := dict "runtimeClassName" $.Values.importer.runtimeClassName "dnsPolicy" $.Values.dnsPolicy "dnsConfig" $.Values.dnsConfig "hostAliases" $.Values.hostAliases -}}
{{- merge (dict "topologySpreadConstraints" $spread) . $pod | toJson -}}
{{- end -}}
{{- end -}}

{{/* JSON: the labels, annotations, variables and volumes that are added to those pods. */}}
{{- define "mediaimport.importerExtras" -}}
{{- with .Values.importer -}}
{{- $labels := merge (dict) .podLabels $.Values.commonLabels -}}
{{- $extras := dict "labels" $labels "annotations" .podAnnotations "env" .extraEnv "envFrom" .extraEnvFrom -}}
{{- merge $extras (dict "volumes" .extraVolumes "volumeMounts" .extraVolumeMounts) | toJson -}}
{{- end -}}
{{- end -}}

{{/* JSON: the endpoints without their Secrets, which are mounted. */}}
{{- define "mediaimport.endpoints" -}}
{{- $endpoints := list -}}
{{- range .Values.events.endpoints -}}
{{- $endpoints = append $endpoints (omit . "secret") -}}
{{- end -}}
{{- toJson $endpoints -}}
{{- end -}}
