package main

import (
	"fmt"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// writeKubeconfig writes a kubeconfig that stands alone (keys are inside), so it can be copied anywhere on this
// machine. The file is replaced in one step: a reader sees the old one or the new one.
func writeKubeconfig(d workdir, path, who string, port int) error {
	var data [3][]byte
	for i, name := range []string{authorityFile + ".crt", who + ".crt", who + ".key"} {
		text, err := os.ReadFile(d.pki(name))
		if err != nil {
			return fmt.Errorf("read key material for %s: %w", path, err)
		}
		data[i] = text
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["devcluster"] = &clientcmdapi.Cluster{
		Server:                   "https://" + loopback(port),
		CertificateAuthorityData: data[0],
	}
	config.AuthInfos[who] = &clientcmdapi.AuthInfo{ClientCertificateData: data[1], ClientKeyData: data[2]}
	config.Contexts["devcluster"] = &clientcmdapi.Context{Cluster: "devcluster", AuthInfo: who}
	config.CurrentContext = "devcluster"

	text, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	return replaceFile(path, text)
}

// replaceFile writes the file beside its place and moves it there.
func replaceFile(path string, content []byte) error {
	draft := path + ".new"
	if err := os.WriteFile(draft, content, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(draft, path); err != nil {
		return fmt.Errorf("put %s in place: %w", path, err)
	}
	return nil
}
