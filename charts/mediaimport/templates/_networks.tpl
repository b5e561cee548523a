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

{{/*
The internet without private, link-local and shared networks and the clouds' metadata and wire servers: the lists of
crds/mediaimport_api/source_policy.py, the first once more behind NAT64's prefix (clusters of IPv6 only).
*/}}
{{- define "mediaimport.internet" -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except: [0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 168.63.129.16/32, 169.254.0.0/16, 172.16.0.0/12, 192.0.0.0/24, 192.0.2.0/24, 192.31.196.0/24, 192.52.193.0/24, 192.88.99.0/24, 192.168.0.0/16, 192.175.48.0/24, 198.18.0.0/15, 198.51.100.0/24, 203.0.113.0/24, 224.0.0.0/3]
- ipBlock:
    cidr: 2000::/3
    except: ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"]
- ipBlock:
    cidr: 64:ff9b::/96
    except: ["64:ff9b::/104", "64:ff9b::a00:0/104", "64:ff9b::6440:0/106", "64:ff9b::7f00:0/104", "64:ff9b::a83f:8110/128", "64:ff9b::a9fe:0/112", "64:ff9b::ac10:0/108", "64:ff9b::c000:0/120", "64:ff9b::c000:200/120", "64:ff9b::c01f:c400/120", "64:ff9b::c034:c100/120", "64:ff9b::c058:6300/120", "64:ff9b::c0a8:0/112", "64:ff9b::c0af:3000/120", "64:ff9b::c612:0/111", "64:ff9b::c633:6400/120", "64:ff9b::cb00:7100/120", "64:ff9b::e000:0/99"]
{{- end -}}

{{/* The TCP port of a URL. */}}
{{- define "mediaimport.port" -}}
{{- $url := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $url.host -}}
{{- if $port }}{{ trimPrefix ":" $port }}{{ else }}{{ eq $url.scheme "http" | ternary "80" "443" }}{{ end -}}
{{- end -}}

{{/* The NetworkPolicy peers of a store, or its STS, in a private network. Empty for one on the internet. Call with (list $ url). */}}
{{- define "mediaimport.storePeers" -}}
{{- range (index . 0).Values.s3.networks }}
- ipBlock: {cidr: {{ . }}}
{{- end }}
{{- with index . 1 }}
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

{{/* Egress to the store. */}}
{{- define "mediaimport.egressStore" -}}
{{ include "mediaimport.egressUrl" (list $ .Values.s3.endpointUrl) }}
{{- include "mediaimport.egressIdentity" . }}
{{- end -}}

{{/* Egress to the catalogue's database, if there is one: at any address unless its networks are given. */}}
{{- define "mediaimport.egressCatalogue" -}}
{{- with .Values.catalogue }}
{{- if .urlSecretRef.name }}
- ports: [{protocol: TCP, port: {{ int64 .port }}}]
  {{- with .networks }}
  to:
    {{- range . }}
    - ipBlock: {cidr: {{ . }}}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Egress to STS, which the operator asks for credentials if there is a role. */}}
{{- define "mediaimport.egressSts" -}}
{{- if .Values.s3.sessionRole -}}
{{ include "mediaimport.egressUrl" (list $ (default .Values.s3.endpointUrl .Values.s3.stsEndpointUrl)) }}
{{- include "mediaimport.egressIdentity" . }}
{{- end -}}
{{- end -}}

{{/* Egress to a URL, or AWS: its port on the internet, any port inside (a Service's port differs from its pods'). Call with (list $ url). */}}
{{- define "mediaimport.egressUrl" -}}
- to: {{- include "mediaimport.internet" . | nindent 4 }}
  ports:
    - {protocol: TCP, port: {{ include "mediaimport.port" (default "https://aws" (index . 1)) }}}
{{- with include "mediaimport.storePeers" . | trim }}
- to: {{- . | nindent 4 }}
{{- end }}
{{- end -}}
