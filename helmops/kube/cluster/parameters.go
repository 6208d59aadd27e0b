package cluster

import (
	"crypto/x509"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Bounds of the audiences of a token.
const (
	maxAudiences = 16
	maxAudience  = 1024
)

// Parameters say how a cluster is reached with a token of a ServiceAccount. They are what a ConfigMap of
// spec.kubeConfig.configMapRef holds, with the keys of Flux.
type Parameters struct {
	// Address of the API server.
	Address string
	// CA is the PEM bundle that its certificate is checked with; empty for the roots of the system.
	CA []byte
	// Audiences of the token.
	Audiences []string
	// ServiceAccount in the namespace of the ConfigMap.
	ServiceAccount string
}

// ProviderError says that a cluster is to be reached by a provider that is not supported.
type ProviderError struct{ Provider string }

// Error implements error.
func (e *ProviderError) Error() string {
	return fmt.Sprintf("provider %s is not supported, only %s is", e.Provider, v1beta1.ProviderGeneric)
}

// ParametersError says what is wrong with parameters, and quotes none of them.
type ParametersError struct {
	// Key of the ConfigMap.
	Key string
	// Problem continues "key KEY".
	Problem string
}

// Error implements error.
func (e *ParametersError) Error() string { return "key " + e.Key + " " + e.Problem }

// checkProvider refuses every provider but the generic one.
func checkProvider(provider string) error {
	switch provider {
	case v1beta1.ProviderGeneric:
		return nil
	case "":
		return &ParametersError{"provider", "is missing"}
	case "aws", "azure", "gcp": // those of Flux that sign in to a cloud
		return &ProviderError{Provider: provider}
	default:
		return &ParametersError{"provider", "names no provider"}
	}
}

// ParseParameters reads the content of a ConfigMap. The error is a *ProviderError or a *ParametersError. Whether the
// address may be connected to is judged by who connects.
func ParseParameters(data map[string][]byte) (Parameters, error) {
	text := func(key string) string { return strings.TrimSpace(string(data[key])) }
	if err := checkProvider(text("provider")); err != nil {
		return Parameters{}, err
	}

	out := Parameters{Address: text("address"), CA: data["ca.crt"], ServiceAccount: text("serviceAccountName")}
	switch {
	case out.Address == "":
		return Parameters{}, &ParametersError{"address", "is missing"}
	case len(out.Address) > maxAudience:
		return Parameters{}, &ParametersError{"address", fmt.Sprintf("has more than %d bytes", maxAudience)}
	case out.ServiceAccount == "":
		const problem = "is missing; the controller never sends its own token"
		return Parameters{}, &ParametersError{"serviceAccountName", problem}
	case len(validation.IsDNS1123Subdomain(out.ServiceAccount)) > 0:
		return Parameters{}, &ParametersError{"serviceAccountName", "is no name of a ServiceAccount"}
	case len(out.CA) > MaxKubeconfig:
		return Parameters{}, &ParametersError{"ca.crt", fmt.Sprintf("has more than %d bytes", MaxKubeconfig)}
	case len(out.CA) > 0 && !x509.NewCertPool().AppendCertsFromPEM(out.CA):
		return Parameters{}, &ParametersError{"ca.crt", "has no certificate in PEM"}
	}

	var err error
	out.Audiences, err = audiences(string(data["audiences"]), out.Address)
	return out, err
}

// audiences reads one audience a line; none is the address.
func audiences(text, address string) ([]string, error) {
	var out []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			continue
		case len(line) > maxAudience:
			return nil, &ParametersError{"audiences", fmt.Sprintf("has a line of more than %d bytes", maxAudience)}
		case len(out) == maxAudiences:
			return nil, &ParametersError{"audiences", fmt.Sprintf("has more than %d lines", maxAudiences)}
		}

		out = append(out, line)
	}

	if len(out) == 0 {
		return []string{address}, nil
	}

	return out, nil
}

// Kubeconfig returns a kubeconfig with the address and without credentials. The name of its user tells the
// ServiceAccounts of namespaces, and audiences, apart: each has connections of its own.
func (p Parameters) Kubeconfig(namespace string) ([]byte, error) {
	user := "system:serviceaccount:" + namespace + ":" + p.ServiceAccount + " for " + strings.Join(p.Audiences, " ")
	config := clientcmdapi.NewConfig()
	config.Clusters["remote"] = &clientcmdapi.Cluster{Server: p.Address, CertificateAuthorityData: p.CA}
	config.AuthInfos[user] = clientcmdapi.NewAuthInfo()
	config.Contexts["remote"] = &clientcmdapi.Context{Cluster: "remote", AuthInfo: user}
	config.CurrentContext = "remote"
	return clientcmd.Write(*config)
}
