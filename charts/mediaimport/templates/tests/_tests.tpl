{{/* The namespace of the test: one that imports run in. */}}
{{- define "mediaimport.testNamespace" -}}
{{- $watched := (include "mediaimport.namespaces" . | fromJson).names -}}
{{- has .Release.Namespace $watched | ternary .Release.Namespace (first $watched) -}}
{{- end -}}

{{/* The annotations of the objects that the test's pod needs. Helm deletes them when the test has passed. They all have
     the pod's name: `helm test --logs` of Helm before 4.3 asks for the log of a pod by the name of every hook. */}}
{{- define "mediaimport.testHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: "-5"
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/* The rule by which the test's pod reads the operator's Deployment. */}}
{{- define "mediaimport.testReadsOperator" -}}
- apiGroups: [apps]
  resources: [deployments]
  resourceNames: [{{ include "mediaimport.fullname" . }}-operator]
  verbs: [get]
{{- end -}}
