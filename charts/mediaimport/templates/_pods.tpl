{{/* The pod's part of Pod Security `restricted`. */}}
{{- define "mediaimport.podSecurity" -}}
{{- $security := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- with .Values.runAsUser -}}
{{- $security = merge (dict "runAsUser" (int64 .) "runAsGroup" (int64 .) "fsGroup" (int64 .)) $security -}}
{{- end -}}
{{- merge (dict) .Values.podSecurityContext $security | toYaml -}}
{{- end -}}

{{/* The fields of a pod for its images and its name resolution. */}}
{{- define "mediaimport.podFields" -}}
{{- with include "mediaimport.pullSecrets" . | fromJsonArray }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "mediaimport.containerSecurity" -}}
{{- $security := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) -}}
{{- merge (dict) .Values.securityContext $security | toYaml -}}
{{- end -}}

{{/* The scheduling fields of a pod. Call with (list $ "component" values). */}}
{{- define "mediaimport.placement" -}}
{{- $labels := include "mediaimport.selector" . | fromYaml -}}
{{- with index . 2 -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "mediaimport.spread" (list $labels .topologySpreadConstraints) | fromJsonArray }}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* JSON: spread constraints, by default over the pods with the labels. Call with (list labels constraints). */}}
{{- define "mediaimport.spread" -}}
{{- $selector := dict "labelSelector" (dict "matchLabels" (index . 0)) -}}
{{- $whole := list -}}
{{- range index . 1 -}}
{{- $counted := hasKey . "labelSelector" | ternary (dict) $selector -}}
{{- $whole = append $whole (merge (dict) . $counted) -}}
{{- end -}}
{{- toJson $whole -}}
{{- end -}}

{{/* The pod's own name and uid. */}}
{{- define "mediaimport.podEnv" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_UID
  valueFrom: {fieldRef: {fieldPath: metadata.uid}}
{{- end -}}

{{/* The variables S3_… and SOURCE_… of the importer and the webhook. */}}
{{- define "mediaimport.storeConfig" -}}
{{- with .Values.s3 -}}
S3_BUCKET_NAME: {{ .bucket | quote }}
S3_REGION: {{ .region | quote }}
S3_ENDPOINT_URL: {{ .endpointUrl | quote }}
S3_PUBLIC_ENDPOINT_URL: {{ .publicEndpointUrl | quote }}
S3_ADDRESSING_STYLE: {{ .addressingStyle | quote }}
S3_SSE: {{ .sse | quote }}
S3_CHECKSUMS: {{ .checksums | quote }}
S3_CONDITIONAL_WRITES: {{ .conditionalWrites | quote }}
{{- end }}
SOURCE_ALLOWED_NETWORKS: {{ join "," .Values.source.allowedNetworks | quote }}
SOURCE_ALLOWED_PORTS: {{ include "mediaimport.integers" .Values.source.allowedPorts | quote }}
SOURCE_FIRST_BYTE_TIMEOUT_SECONDS: {{ int64 .Values.source.firstByteTimeoutSeconds | quote }}
{{- with .Values.source.proxyUrl }}
SOURCE_PROXY_URL: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Integers, comma-separated. Helm reads numbers as floats: 5368709120 would become 5.36870912e+09. */}}
{{- define "mediaimport.integers" -}}
{{- $whole := list -}}
{{- range . }}{{ $whole = append $whole (int64 .) }}{{ end -}}
{{- join "," $whole -}}
{{- end -}}
