{{/* The environment of the webhook and of the recovery CronJob. Call with (list $ values). */}}
{{- define "mediaimport.webhookEnvironment" -}}
{{- $root := index . 0 -}}
{{- $workload := index . 1 -}}
envFrom:
  {{- with $workload.extraEnvFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  - configMapRef: {name: {{ include "mediaimport.fullname" $root }}-importer}
  {{- with default (include "mediaimport.storeSecret" $root) $root.Values.webhook.s3ExistingSecret }}
  - secretRef: {name: {{ . }}}
  {{- end }}
  {{- with include "mediaimport.replicateSecret" $root }}
  - secretRef: {name: {{ . }}}
  {{- end }}
  - secretRef: {name: {{ include "mediaimport.ownerKeysSecret" $root }}}
  {{- with include "mediaimport.falSecret" $root }}
  - secretRef: {name: {{ . }}}
  {{- end }}
env:
  {{- include "mediaimport.webhookVariables" $root | nindent 2 }}
  {{- with $workload.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "mediaimport.webhookVariables" -}}
{{ include "mediaimport.podEnv" . }}
- name: NAMESPACE
  value: {{ .Release.Namespace }}
- name: DEPLOYMENT_NAME
  value: {{ include "mediaimport.fullname" . }}-webhook
- name: PORT
  value: "8080"
- name: METRICS_PORT
  value: "9090"
- name: AUTH_MODE
  value: {{ .Values.auth.mode }}
{{- if eq .Values.auth.mode "tokens" }}
- name: AUTH_TOKENS_FILE
  value: /etc/mediaimport/auth/tokens.json
{{- end }}
{{- with .Values.auth.oidc }}
{{- if .issuer }}
- name: OIDC_ISSUER
  value: {{ .issuer | quote }}
- name: OIDC_AUDIENCE
  value: {{ required "auth.oidc.audience goes with auth.oidc.issuer" .audience | quote }}
- name: OIDC_JWKS_URL
  value: {{ .jwksUrl | quote }}
- name: OIDC_GROUPS_CLAIM
  value: {{ .groupsClaim | quote }}
- name: OIDC_ADMIN_GROUP
  value: {{ .adminGroup | quote }}
{{- if .clientId }}
- name: OIDC_CLIENT_ID
  value: {{ .clientId | quote }}
- name: OIDC_SCOPES
  value: {{ join "," .scopes | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.catalogue.urlSecretRef.name }}
- name: CATALOGUE_URL_FILE
  value: /etc/mediaimport/catalogue/url
{{- end }}
- name: FAL_USER_ID
  value: {{ .Values.fal.userId | quote }}
- name: REPLICATE_BASE_URL
  value: {{ .Values.replicate.baseUrl | quote }}
- name: REPLICATE_MODELS_FILE
  value: /etc/mediaimport/models/models.json
{{- if .Values.s3.caBundle }}
- name: S3_CA_BUNDLE
  value: /etc/mediaimport/store-ca/ca.crt
{{- end }}
- name: MAX_SIZE_BYTES
  value: {{ int64 .Values.importer.maxSizeBytes | quote }}
- name: PROVENANCE_INPUT
  value: {{ .Values.provenance.input | quote }}
{{- with include "mediaimport.userEndpointVariables" . | trim }}
{{ . }}
{{- end }}
{{- if include "mediaimport.events" . }}
- name: TELL_FAILED_PREDICTIONS
  value: "true"
{{- end }}
- name: QUOTA_BYTES_PER_USER
  value: {{ int64 .Values.quota.bytesPerUser | quote }}
{{- with .Values.webhook }}
- name: PUBLIC_BASE_URL
  value: {{ .publicUrl | quote }}
- name: DEFAULT_USER_ID
  value: {{ .defaultUserId | quote }}
- name: RECOVERY_IMPORT_ALL
  value: {{ .recovery.importAll | quote }}
- name: PRESIGN_SECONDS
  value: {{ int64 .presignSeconds | quote }}
- name: RATE_LIMIT_PER_SECOND
  value: {{ int64 .rateLimitPerSecond | quote }}
- name: UNAUTHENTICATED_RATE_LIMIT_PER_SECOND
  value: {{ int64 .unauthenticatedRateLimitPerSecond | quote }}
- name: EVENT_STREAMS_PER_USER
  value: {{ int64 .eventStreamsPerUser | quote }}
- name: TRUSTED_PROXIES
  value: {{ join "," .trustedProxies | quote }}
- name: KEEP_ALIVE_SECONDS
  value: {{ int64 .keepAliveSeconds | quote }}
- name: CORS_ORIGINS
  value: {{ join "," .corsOrigins | quote }}
- name: LOG_LEVEL
  value: {{ .logLevel }}
{{- end }}
{{- end -}}

{{/* The volume mounts, as the volumes below. Call with (list $ values). */}}
{{- define "mediaimport.webhookMounts" -}}
{{- $root := index . 0 -}}
- {name: tmp, mountPath: /tmp}
- {name: models, mountPath: /etc/mediaimport/models, readOnly: true}
{{- if eq $root.Values.auth.mode "tokens" }}
- {name: auth, mountPath: /etc/mediaimport/auth, readOnly: true}
{{- end }}
{{- if $root.Values.s3.caBundle }}
- {name: store-ca, mountPath: /etc/mediaimport/store-ca, readOnly: true}
{{- end }}
{{- if $root.Values.catalogue.urlSecretRef.name }}
- {name: catalogue, mountPath: /etc/mediaimport/catalogue, readOnly: true}
{{- end }}
{{- with include "mediaimport.userEndpointMount" $root }}
{{ . }}
{{- end }}
{{- with (index . 1).extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "mediaimport.webhookVolumes" -}}
{{- $root := index . 0 -}}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
- name: models
  configMap: {name: {{ include "mediaimport.fullname" $root }}-models}
{{- if eq $root.Values.auth.mode "tokens" }}
# A mounted directory follows a changed Secret without a restart.
- name: auth
  secret:
    secretName: {{ include "mediaimport.authSecret" $root }}
    items: [{key: tokens.json, path: tokens.json}]
{{- end }}
{{- if $root.Values.s3.caBundle }}
- name: store-ca
  configMap: {name: {{ include "mediaimport.storeCa" $root }}}
{{- end }}
{{- with include "mediaimport.catalogueVolume" $root | trim }}
{{ . }}
{{- end }}
{{- with include "mediaimport.userEndpointVolume" $root }}
{{ . }}
{{- end }}
{{- with (index . 1).extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The volume with the URL of the catalogue's database, if there is one: it follows a changed Secret. */}}
{{- define "mediaimport.catalogueVolume" -}}
{{- with .Values.catalogue.urlSecretRef }}
{{- if .name }}
- name: catalogue
  secret:
    secretName: {{ .name }}
    items: [{key: {{ .key | quote }}, path: url}]
{{- end }}
{{- end }}
{{- end -}}

{{/* JSON: the values of the recovery pod. The webhook's values are the defaults. */}}
{{- define "mediaimport.recoveryWorkload" -}}
{{- $pod := dict -}}
{{- range $key, $value := omit .Values.webhook.recovery "enabled" "schedule" "importAll" -}}
{{- $default := index (omit $.Values.webhook "topologySpreadConstraints") $key -}}
{{- $_ := set $pod $key (default $default $value) -}}
{{- end -}}
{{- toJson $pod -}}
{{- end -}}
