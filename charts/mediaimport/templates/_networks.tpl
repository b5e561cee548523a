{{/* To any address: where a cluster's DNS is differs, and node-local caches are on the node. */}}
{{- define "mediaimport.egressDns" -}}
- ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end -}}

{{/* To any address: the API server's is not known beforehand. */}}
{{- define "mediaimport.egressApiServer" -}}
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - {protocol: TCP, port: {{ int64 . }}}
    {{- end }}
{{- end -}}

{{/* The internet, without what is private, link-local (metadata services among it) or shared. */}}
{{- define "mediaimport.internet" -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except: [0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16, 198.18.0.0/15, 224.0.0.0/3]
- ipBlock:
    cidr: ::/0
    except: ["::/96", "64:ff9b:1::/48", "fc00::/7", "fe80::/9", "ff00::/8"]
{{- end -}}

{{/* The port that a URL is reached at. */}}
{{- define "mediaimport.port" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host -}}
{{- if $port }}{{ trimPrefix ":" $port }}{{ else }}{{ eq $url.scheme "http" | ternary "80" "443" }}{{ end -}}
{{- end -}}

{{/* Where a store is that is not on the internet; empty if it is. */}}
{{- define "mediaimport.storePeers" -}}
{{- range .Values.s3.networks }}
- ipBlock: {cidr: {{ . }}}
{{- end }}
{{- with .Values.s3.endpointUrl }}
{{- $host := regexReplaceAll ":[0-9]+$" (urlParse .).host "" }}
{{- if regexMatch "^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+$" $host }}
- ipBlock: {cidr: {{ $host }}/32}
{{- else if regexMatch "^[^.]+[.][^.]+[.]svc([.]|$)" $host }}
- namespaceSelector:
    matchLabels: {kubernetes.io/metadata.name: {{ index (splitList "." $host) 1 }}}
{{- else if not (contains "." $host) }}
- podSelector: {}
{{- end }}
{{- end }}
{{- end -}}

{{/* To the agent that gives a pod with an identity its keys. */}}
{{- define "mediaimport.egressIdentity" -}}
{{- with .Values.s3.identityAddress }}
- to:
    - ipBlock: {cidr: {{ . }}/{{ contains ":" . | ternary "128" "32" }}}
  ports:
    - {protocol: TCP, port: 80}
{{- end }}
{{- end -}}

{{/* To the store: its port on the internet, any port where it is not (a Service's port is not its pods'). */}}
{{- define "mediaimport.egressStore" -}}
- to: {{- include "mediaimport.internet" . | nindent 4 }}
  ports:
    - {protocol: TCP, port: {{ include "mediaimport.port" (default "https://aws" .Values.s3.endpointUrl) }}}
{{- with include "mediaimport.storePeers" . | trim }}
- to: {{- . | nindent 4 }}
{{- end }}
{{- include "mediaimport.egressIdentity" . }}
{{- end -}}
