conditions:
{{ range list
  (list "Ready" "True" "KubeletReady" "the simulated node is ready")
  (list "MemoryPressure" "False" "KubeletHasSufficientMemory" "the simulated node has memory left")
  (list "DiskPressure" "False" "KubeletHasNoDiskPressure" "the simulated node has disk left")
  (list "PIDPressure" "False" "KubeletHasSufficientPID" "the simulated node has process ids left")
}}
- type: {{ index . 0 }}
  status: {{ index . 1 | Quote }}
  reason: {{ index . 2 }}
  message: {{ index . 3 }}
  lastHeartbeatTime: {{ Quote $now }}
  {{ with $since }}
  lastTransitionTime: {{ Quote . }}
  {{ end }}
{{ end }}
