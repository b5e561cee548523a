{{/* Egress to DNS at any address: clusters differ, and node-local caches listen on the node. */}}
{{- define "mediaimport.egressDns" -}}
- ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end -}}

{{/* Egress to the API server at any address: the chart does not know the address. */}}
{{- define "mediaimport.egressApiServer" -}}
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - {protocol: TCP, port: {{ int64 . }}}
    {{- end }}
{{- end -}}

{{/* The internet without private, link-local (metadata services) and shared networks. */}}
{{- define "mediaimport.internet" -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except: [0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16, 198.18.0.0/15, 224.0.0.0/3]
- ipBlock:
    cidr: ::/0
    except: ["::/96", "64:ff9b:1::/48", "fc00::/7", "fe80::/9", "ff00::/8"]
{{- end -}}

{{/* The TCP port of a URL. */}}
{{- define "mediaimport.port" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host -}}
{{- if $port }}{{ trimPrefix ":" $port }}{{ else }}{{ eq $url.scheme "http" | ternary "80" "443" }}{{ end -}}
{{- end -}}

{{/* The NetworkPolicy peers of a store in a private network. Empty for a store on the internet. */}}
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

{{/* Egress to the agent that hands out the keys of a pod identity. */}}
{{- define "mediaimport.egressIdentity" -}}
{{- with .Values.s3.identityAddress }}
- to:
    - ipBlock: {cidr: {{ . }}/{{ contains ":" . | ternary "128" "32" }}}
  ports:
    - {protocol: TCP, port: 80}
{{- end }}
{{- end -}}

{{/* Egress to the store: its port on the internet, any port inside (a Service's port differs from its pods'). */}}
{{- define "mediaimport.egressStore" -}}
- to: {{- include "mediaimport.internet" . | nindent 4 }}
  ports:
    - {protocol: TCP, port: {{ include "mediaimport.port" (default "https://aws" .Values.s3.endpointUrl) }}}
{{- with include "mediaimport.storePeers" . | trim }}
- to: {{- . | nindent 4 }}
{{- end }}
{{- include "mediaimport.egressIdentity" . }}
{{- end -}}
