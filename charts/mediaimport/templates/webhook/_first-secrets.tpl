{{/* The Secrets that a Job creates if they are absent: as variables of its container. Empty if the user brings them all. */}}
{{- define "mediaimport.firstSecrets" -}}
{{- with .Values.auth }}
{{- if and (eq .mode "tokens") (not .tokens) (not .existingSecret) }}
- name: FIRST_TOKEN_SECRET
  value: {{ include "mediaimport.authSecret" $ }}
{{- end }}
{{- end }}
{{- if not .Values.webhook.ownerKeysExistingSecret }}
- name: OWNER_KEYS_SECRET
  value: {{ include "mediaimport.ownerKeysSecret" . }}
{{- end }}
{{- with .Values.events.userEndpoints }}
{{- if and .enabled (not .keysExistingSecret) }}
- name: ENDPOINT_KEYS_SECRET
  value: {{ include "mediaimport.endpointKeysSecret" $ }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The Job's pod. */}}
{{- define "mediaimport.firstSecretsPod" -}}
metadata:
  labels:
    {{- include "mediaimport.podLabels" (list $ "first-secrets" .Values.webhook.podLabels) | nindent 4 }}
  {{- with .Values.webhook.podAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  restartPolicy: OnFailure
  serviceAccountName: {{ include "mediaimport.fullname" . }}-first-secrets
  enableServiceLinks: false
  securityContext: {{- include "mediaimport.podSecurity" . | nindent 4 }}
  {{- with include "mediaimport.podFields" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with include "mediaimport.placement" (list $ "first-secrets" (omit .Values.webhook "topologySpreadConstraints")) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    - name: first-secrets
      image: {{ include "mediaimport.image" (list $ .Values.image) }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      command: [python, -m, mediaimport_webhook, create-secrets]
      env:
        - name: NAMESPACE
          value: {{ .Release.Namespace }}
        - name: DEFAULT_USER_ID
          value: {{ .Values.webhook.defaultUserId | quote }}
        - name: LOG_LEVEL
          value: {{ .Values.webhook.logLevel }}
        {{- include "mediaimport.firstSecrets" . | nindent 8 }}
      securityContext: {{- include "mediaimport.containerSecurity" . | nindent 8 }}
      resources: {{- toYaml .Values.webhook.resources | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 16Mi}
{{- end -}}
